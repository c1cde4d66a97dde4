"""Operators that hand their input on unchanged are dropped."""

from __future__ import annotations

from ascmcu.ir.graph import Graph, Node
from ascmcu.ir.types import Tensor
from ascmcu.ops._pool import Pool
from ascmcu.ops.concatenation import Concatenation
from ascmcu.ops.mirror_pad import MirrorPad
from ascmcu.ops.pad import Pad
from ascmcu.ops.reduce_max import ReduceMax
from ascmcu.ops.reshape import Reshape
from ascmcu.ops.slice import Slice
from ascmcu.ops.transpose import Transpose
from ascmcu.passes._rewire import bypass, same_values


def drop_identities(graph: Graph) -> Graph:
    """Only where shape, type and quantization stay, so that every reader sees what it saw."""
    return bypass(graph, {n.output: n.inputs[0] for n in graph.nodes if _is_identity(graph, n)})


def _is_identity(graph: Graph, node: Node) -> bool:
    source, output = graph.tensors[node.inputs[0]], graph.output_tensor(node)
    return source.shape == output.shape and same_values(source, output) and _moves_nothing(node, source)


def _moves_nothing(node: Node, source: Tensor) -> bool:
    """Whether equal shapes at both ends mean equal elements."""
    op = node.op
    if isinstance(op, Slice):
        return all(stride > 0 or extent == 1 for stride, extent in zip(op.strides, source.shape, strict=True))
    if isinstance(op, Transpose):
        moved = [axis for axis in op.permutation if source.shape[axis] > 1]
        return moved == sorted(moved)
    if isinstance(op, Pool):
        low, high = source.dtype.integer_range
        return op.kernel == (1, 1) and op.clamp[0] <= low and op.clamp[1] >= high
    return isinstance(op, Reshape | Pad | MirrorPad | Concatenation | ReduceMax)
