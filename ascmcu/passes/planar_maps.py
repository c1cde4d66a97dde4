"""A map between a convolution and a depthwise convolution becomes channel planes, where both have a kernel for it.

Not part of the pipeline: the schedule asks for it once the axes are settled. Planes hold a little padding, so they take
some RAM more than the map; they save the depthwise kernel from bringing rows into planes itself.
"""

from __future__ import annotations

import dataclasses
import functools

from ascmcu.ir.graph import Graph, Node, with_tensor
from ascmcu.ops._dot import MOST_OFFSET
from ascmcu.ops._planes import Planes, planes_for
from ascmcu.ops.conv2d import Conv2D, Conv2DDotParams
from ascmcu.ops.conv2d_planes import Conv2DPlanes
from ascmcu.ops.depthwise_conv2d import DepthwiseConv2D
from ascmcu.ops.depthwise_planes import KERNEL, DepthwisePlanes
from ascmcu.passes._rewire import Pair, replace_pairs


@functools.lru_cache(maxsize=8)
def planar_maps(graph: Graph) -> Graph:
    """Exact: the bytes are the same in another order."""
    return replace_pairs(graph, _pair)


def _pair(graph: Graph, node: Node) -> Pair | None:
    """Both nodes and the planes between them, if ``node`` is such a depthwise convolution."""
    op, before = node.op, graph.producer(node.inputs[0])
    if type(op) is not DepthwiseConv2D or before is None or type(before.op) is not Conv2D:
        return None
    x, weights = graph.input_tensors(node)[:2]
    assert x is not None and weights is not None
    if weights.shape[1:3] != KERNEL or weights.shape[3] != x.shape[3] or op.dilation[1] != 1:
        return None
    if op.stride[1] > 2 or len(graph.consumers(x.name)) != 1 or x.name in graph.outputs:
        return None
    planes = planes_for(
        x.shape[2], graph.output_tensor(node).shape[2], op.stride[1], op.padding[2], KERNEL[1]
    )
    return _made(graph, before, node, planes)


def _made(graph: Graph, before: Node, node: Node, planes: Planes) -> Pair | None:
    x = graph.tensors[node.inputs[0]]
    assert isinstance(before.op, Conv2D) and isinstance(node.op, DepthwiseConv2D)
    lowered = before.op.lower(graph.input_tensors(before), x)
    if not isinstance(lowered.params, Conv2DDotParams) or planes.width * x.shape[3] > MOST_OFFSET:
        return None
    layout = (planes.first, planes.columns, planes.width)
    between = with_tensor(x, shape=(1, x.shape[1], x.shape[3], planes.width))
    depthwise = DepthwisePlanes(*node.op.common, layout)
    inputs = (between, *graph.input_tensors(node)[1:])
    if depthwise.try_lower(inputs, graph.output_tensor(node)) is None:
        return None
    convolution = Conv2DPlanes(*before.op.common, layout)
    first = dataclasses.replace(before, op=convolution)
    return first, dataclasses.replace(node, op=depthwise), between
