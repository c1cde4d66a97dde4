# SPDX-License-Identifier: Apache-2.0
"""Which rows of a network's tensors two windows share, when the second begins some input rows after the first.

A window equals a clip of the same audio. Row r of a tensor is *shared* where its receptive field lies inside both
windows: the later window has it ``shift`` rows further up, with the same bits. A row whose receptive field reaches
into the padding at an end of the window is not. With a window of R rows, of which ``first`` … ``last`` - 1 touch no
padding, the later window finds rows ``first`` … ``last`` - ``shift`` - 1 in the earlier one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from ascmcu.errors import ModelError
from ascmcu.ir.graph import Graph, Node
from ascmcu.ir.op import Op, RowReads
from ascmcu.ir.types import Tensor
from ascmcu.ops._conv import Convolution
from ascmcu.ops._pool import Pool
from ascmcu.ops._window import window_reads

_ONE_FOR_ONE = RowReads(1, 0, 1)


@dataclass(frozen=True)
class Shared:
    """The rows of a tensor that the later window finds in the earlier one: there they lie ``shift`` rows further
    down."""

    shift: int
    first: int
    last: int

    @property
    def kept(self) -> tuple[int, int]:
        """The rows of the later window, as a half-open range."""
        return self.first, self.last - self.shift


def shared(graph: Graph, hop_rows: int) -> dict[str, Shared]:
    """By tensor, where at least one row is shared.

    Args:
        graph: of a clip: one input, no states.
        hop_rows: input rows from the start of one window to that of the next.
    """
    (name,) = graph.inputs
    found = {name: Shared(hop_rows, 0, graph.tensors[name].rows)}
    for node in graph.nodes:
        rows = _of_output(graph, node, found)
        if rows is not None and rows.kept[0] < rows.kept[1]:
            found[node.output] = rows
    return found


def indivisible(graph: Graph, hop_rows: int) -> tuple[Node, int] | None:
    """The first layer whose stride does not divide the rows by which the windows lie apart at it, and that stride.

    None where there is no such layer: sharing ends for another reason, or at the end of the network.
    """
    found = shared(graph, hop_rows)
    for node in graph.nodes:
        for name, read in (reads_of(graph, node) or {}).items():
            if name in found and found[name].shift % read.stride:
                return node, read.stride
    return None


def _of_output(graph: Graph, node: Node, found: Mapping[str, Shared]) -> Shared | None:
    reads = reads_of(graph, node)
    if reads is None:
        return None
    first, last, shifts = 0, graph.output_tensor(node).rows, set()
    for name, read in reads.items():
        rows = found.get(name)
        if rows is None or rows.shift % read.stride:
            return None
        shifts.add(rows.shift // read.stride)
        first = max(first, -((read.first - rows.first) // read.stride))
        last = min(last, (rows.last - read.first - read.count) // read.stride + 1)
    return Shared(shifts.pop(), first, last) if len(shifts) == 1 else None


def reads_of(graph: Graph, node: Node) -> dict[str, RowReads] | None:
    """By computed input: the rows of it that an output row is made of; None where the op cannot be cut into rows, or
    where a row is made of anything else."""
    output, inputs = graph.output_tensor(node), graph.input_tensors(node)
    computed = graph.activations(node)
    if not computed or not all(t.has_row_axis for t in (output, *computed)):
        return None
    window = _window(node.op, inputs, output)
    if window is not None:
        return {computed[0].name: window}
    # What is not a window takes row r of every input for row r; a constant that differs from row to row does not move.
    steady = all(t is None or not t.is_const or _is_steady(t, output) for t in inputs)
    mapped = node.op.row_rule(inputs, output).reads
    alike = all(
        r == _ONE_FOR_ONE for t, r in zip(inputs, mapped, strict=True) if t is not None and not t.is_const
    )
    if not steady or not alike or not _can_be_cut(node.op, inputs, output):
        return None
    return {t.name: _ONE_FOR_ONE for t in computed}


def _window(op: Op, inputs: tuple[Tensor | None, ...], output: Tensor) -> RowReads | None:
    if isinstance(op, Convolution):
        # Its own rule: a convolution with a maximum behind it reads the rows of several of its windows.
        return op.row_rule(inputs, output).reads[0]
    if isinstance(op, Pool):
        return window_reads(op.kernel[0], op.stride[0], 1, op.padding[0])
    return None


def _is_steady(constant: Tensor, output: Tensor) -> bool:
    return not (constant.has_row_axis and constant.rows == output.rows and constant.rows > 1)


def _can_be_cut(op: Op, inputs: tuple[Tensor | None, ...], output: Tensor) -> bool:
    """Whether the op on fewer rows gives those rows: an attribute may hold the whole shape."""
    fewer = [t if t is None or t.is_const else with_rows(t, 1) for t in inputs]
    try:
        return op.infer(fewer).shape == with_rows(output, 1).shape
    except ModelError:
        return False


def with_rows(tensor: Tensor, rows: int, name: str = "") -> Tensor:
    """The tensor with another number of rows."""
    shape = (tensor.shape[0], rows, *tensor.shape[2:])
    return dataclasses.replace(tensor, name=name or tensor.name, shape=shape, source_index=-1)
