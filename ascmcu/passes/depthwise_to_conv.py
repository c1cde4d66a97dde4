# SPDX-License-Identifier: Apache-2.0
"""A depthwise convolution of one input channel is a convolution, which has the faster kernels; and a convolution with a
group for each input channel is a depthwise one."""

from __future__ import annotations

import dataclasses
from typing import Any

from ascmcu.ir.graph import Graph, Node, with_tensor
from ascmcu.ir.types import Tensor
from ascmcu.ops._conv import Convolution
from ascmcu.ops.conv2d import Conv2D
from ascmcu.ops.depthwise_conv2d import DepthwiseConv2D
from ascmcu.ops.float_conv2d import FloatConv2D
from ascmcu.ops.float_depthwise_conv2d import FloatDepthwiseConv2D

# What a convolution becomes, and what a depthwise one does.
_DEPTHWISE: dict[type[Convolution], type[Convolution]] = {
    Conv2D: DepthwiseConv2D,
    FloatConv2D: FloatDepthwiseConv2D,
}
_DENSE = {depthwise: dense for dense, depthwise in _DEPTHWISE.items()}


def depthwise_to_conv(graph: Graph) -> Graph:
    """Exact: the same sums of products, requantized in the same way; weights change their order."""
    nodes, tensors = list(graph.nodes), []
    for index, node in enumerate(graph.nodes):
        found = _other_form(graph, node)
        if found is not None:
            nodes[index], weights = found
            tensors.append(weights)
    return graph.replace(nodes=nodes, tensors=tensors) if tensors else graph


def _other_form(graph: Graph, node: Node) -> tuple[Node, Tensor] | None:
    """The node as the operation that it is, and its weights."""
    op = node.op
    if not isinstance(op, Conv2D | FloatConv2D | DepthwiseConv2D | FloatDepthwiseConv2D):
        return None
    x, weights, _ = op.operands(graph.input_tensors(node))
    depthwise = type(op) in _DENSE
    single = x.shape[3] == 1 and weights.shape[3] > 1 if depthwise else x.shape[3] > weights.shape[3] == 1
    if not single or not weights.is_const:
        return None
    other = (_DENSE if depthwise else _DEPTHWISE)[type(op)]
    quant = weights.quant and dataclasses.replace(weights.quant, axis=other.CHANNELS)
    name = graph.fresh_name(f"{weights.name}.{other.KIND}")
    # (1, kernel_h, kernel_w, O) and (O, kernel_h, kernel_w, 1).
    data = weights.values.transpose(3, 1, 2, 0).copy()
    inputs = (node.inputs[0], name, *node.inputs[2:])
    changed = dataclasses.replace(node, op=_with_attributes(other, op), inputs=inputs)
    return changed, with_tensor(weights, name=name, data=data, quant=quant)


def _with_attributes(kind: type[Convolution], op: Convolution) -> Convolution:
    attributes: dict[str, Any] = dict(op.attributes())
    return kind(**attributes)
