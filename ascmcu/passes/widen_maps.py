"""A depthwise convolution stores halfwords for the 1x1 convolution behind it, which then need not widen bytes.

Not part of the pipeline: the schedule asks for it once maps have their layout. Such a map takes twice the bytes, but
the convolution no longer any for what it widens.
"""

from __future__ import annotations

import dataclasses
import functools

from ascmcu.ir.graph import Graph, Node, with_tensor
from ascmcu.ir.op import Op
from ascmcu.ir.types import DType, Tensor
from ascmcu.ops._planes import NO_PLANES
from ascmcu.ops.conv2d import Conv2D
from ascmcu.ops.conv2d_pairs import Conv2DPairs
from ascmcu.ops.conv2d_planes import Conv2DPlanes
from ascmcu.ops.conv2d_time import Conv2DTime
from ascmcu.ops.conv2d_wide import Conv2DWide
from ascmcu.ops.depthwise_planes import DepthwisePlanes
from ascmcu.ops.depthwise_time import DepthwiseTime
from ascmcu.passes._rewire import Pair, replace_pairs


@functools.lru_cache(maxsize=8)
def widen_maps(graph: Graph) -> Graph:
    """Exact: the same numbers in more bytes."""
    return replace_pairs(graph, _pair)


def _pair(graph: Graph, node: Node) -> Pair | None:
    """A depthwise convolution and its only reader, both changed, and the map between them, if they can be."""
    before = graph.producer(node.inputs[0])
    if before is None or before.output in graph.outputs or len(graph.consumers(before.output)) != 1:
        return None
    x, weights = graph.tensors[before.output], graph.tensors[node.inputs[1]] if len(node.inputs) > 1 else None
    maker: DepthwisePlanes | DepthwiseTime
    if isinstance(before.op, DepthwisePlanes):
        maker = dataclasses.replace(before.op, wide=True)
    elif isinstance(before.op, DepthwiseTime):
        pitch = node.op.pitch if isinstance(node.op, Conv2DTime) else 0
        maker = dataclasses.replace(before.op, pitch=max(pitch, x.shape[3]))
    else:
        return None
    reader = _reader(node.op, x, weights)
    if reader is None:
        return None
    inferred = maker.infer(graph.input_tensors(before))
    between = with_tensor(x, shape=inferred.shape, dtype=DType.INT16)
    inputs = (between, *graph.input_tensors(node)[1:])
    if maker.try_lower(graph.input_tensors(before), between) is None:
        return None
    if reader.try_lower(inputs, graph.output_tensor(node)) is None:
        return None
    return dataclasses.replace(before, op=maker), dataclasses.replace(node, op=reader), between


def _reader(op: Op, x: Tensor, weights: Tensor | None) -> Conv2DWide | Conv2DPairs | Conv2DTime | None:
    """The op that reads halfwords, if ``op`` is such a 1x1 convolution."""
    if not isinstance(op, Conv2D) or weights is None or weights.shape[1:3] != (1, 1):
        return None
    if op.stride != (1, 1) or any(op.padding) or weights.shape[3] != x.shape[3]:
        return None
    if isinstance(op, Conv2DPairs | Conv2DTime):
        return op
    if type(op) not in (Conv2D, Conv2DPlanes):
        return None
    planes = op.planes if isinstance(op, Conv2DPlanes) else NO_PLANES
    return Conv2DWide(*op.common, planes)
