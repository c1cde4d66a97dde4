# SPDX-License-Identifier: Apache-2.0
"""Merge a MUL and an ADD with constants (a batch normalization after a ReLU) into one step."""

from __future__ import annotations

import dataclasses

from ascmcu.ir.graph import Graph, Node
from ascmcu.ir.op import present
from ascmcu.ir.types import Tensor
from ascmcu.ops.add import Add
from ascmcu.ops.mul import Mul
from ascmcu.ops.scale_shift import ScaleShift
from ascmcu.ops.sub import Sub
from ascmcu.passes._rewire import sole_consumer


def fuse_scale_shift(graph: Graph) -> Graph:
    """Exact: both roundings stay, only the tensor between them goes."""
    fused = {node.output: node for node in graph.nodes}
    for node in graph.nodes:
        made = _fused(graph, node)
        if made is not None:
            del fused[node.output]
            fused[made.output] = made
    order = {node.output: i for i, node in enumerate(graph.nodes)}
    return graph.replace(nodes=sorted(fused.values(), key=lambda n: order[n.output]))


def _fused(graph: Graph, node: Node) -> Node | None:
    behind = sole_consumer(graph, node.output)
    if not isinstance(node.op, Mul) or behind is None or not isinstance(behind.op, Add | Sub):
        return None
    scale = _with_constant(graph, node, either_side=True)
    shift = _with_constant(graph, behind, either_side=isinstance(behind.op, Add))
    if scale is None or shift is None:
        return None
    x, factor = scale
    middle = graph.output_tensor(node)
    op = ScaleShift(
        middle.scale, middle.zero_point, node.op.clamp, behind.op.clamp, isinstance(behind.op, Sub)
    )
    return dataclasses.replace(behind, op=op, inputs=(x.name, factor.name, shift[1].name))


def _with_constant(graph: Graph, node: Node, *, either_side: bool) -> tuple[Tensor, Tensor] | None:
    """The computed operand and the constant one, if the latter neither widens the former nor differs by row."""
    a, b = present(graph.input_tensors(node))
    if either_side and a.is_const:
        a, b = b, a
    if a.is_const or not b.is_const or a.shape != graph.output_tensor(node).shape:
        return None
    return (a, b) if not a.has_row_axis or b.shape[1] == 1 else None
