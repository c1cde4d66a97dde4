# SPDX-License-Identifier: Apache-2.0
"""Store a map between a convolution and a depthwise convolution as channel planes.

Planes hold a little padding, so they take some RAM more than the map; they save the depthwise kernel from bringing rows
into planes itself.
"""

from __future__ import annotations

from collections.abc import Collection

from ascmcu import kernels
from ascmcu.ir.graph import Graph, Node, with_tensor
from ascmcu.ir.layout import channel_planar
from ascmcu.ir.types import Tensor
from ascmcu.ops.depthwise_conv2d import DepthwiseConv2D
from ascmcu.passes._rewire import sole_consumer


def planar_maps(graph: Graph, chosen: Collection[str] | None = None) -> Graph:
    """Exact: the bytes are the same in another order. ``chosen``: the tensors that may become planes; all if absent."""
    found = [t for node in graph.nodes if (t := _planar(graph, node)) is not None]
    planar = [t for t in found if chosen is None or t.name in chosen]
    return graph.replace(tensors=planar) if planar else graph


def _planar(graph: Graph, node: Node) -> Tensor | None:
    """The input of a depthwise convolution as planes."""
    op, before = node.op, graph.producer(node.inputs[0])
    if not isinstance(op, DepthwiseConv2D) or before is None or sole_consumer(graph, node.inputs[0]) is None:
        return None
    x, weights, bias = op.operands(graph.input_tensors(node))
    output = graph.output_tensor(node)
    layout = channel_planar(x.shape[2], output.shape[2], op.stride[1], op.padding[2], weights.shape[2])
    planes = with_tensor(x, layout=layout)
    written = kernels.lower(before.op, graph.input_tensors(before), planes)
    read = written and kernels.lower(op, (planes, weights, bias), output)
    return planes if read else None
