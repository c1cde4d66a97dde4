# SPDX-License-Identifier: Apache-2.0
"""The base of operations: attributes, shape rule, bit-exact reference, cost, and row rule."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from ascmcu.errors import VerifyError
from ascmcu.ir.ranges import Range
from ascmcu.ir.types import Array, DType, Tensor

if TYPE_CHECKING:
    from ascmcu.ir.importing import ImportContext

Inputs = Sequence[Tensor | None]
T = TypeVar("T")


def present(inputs: Sequence[T | None]) -> tuple[T, ...]:
    """The inputs of an op that has no optional one, tensors or arrays.

    Raises:
        VerifyError: one is absent.
    """
    found = tuple(x for x in inputs if x is not None)
    if len(found) != len(inputs):
        raise VerifyError("an input is absent", expected=len(inputs), found=len(found))
    return found


class RowMode(enum.Enum):
    """How an op turns input rows into output rows."""

    MAP = "map"  # step s writes output row s, or the next ``rows_per_step`` rows
    ACCUMULATE = "accumulate"  # step s takes input row s; every ``group`` steps complete one output row
    WHOLE = "whole"  # one step reads everything and writes everything


@dataclass(frozen=True)
class RowReads:
    """Rows of one input that step s reads: ``count`` rows from ``s × stride + first``, clipped to the tensor.

    A step that ``waits`` needs them to have been made, and does not look at them: their bytes may be others' by then.
    """

    stride: int
    first: int
    count: int
    waits: bool = False

    def span(self, step: int, rows: int) -> tuple[int, int]:
        """The clipped half-open range of rows that ``step`` reads of a tensor with ``rows`` rows."""
        low = step * self.stride + self.first
        return min(max(low, 0), rows), min(max(low + self.count, 0), rows)


@dataclass(frozen=True)
class RowRule:
    """``steps`` of an op and what each reads; ``reads`` is ``None`` for constants and absent inputs.

    ``group`` is the number of steps after which something is complete: one output row, or all of them where the
    group is the whole (``steps``). A step of a map may write several rows at once, the last one fewer.
    """

    mode: RowMode
    steps: int
    reads: tuple[RowReads | None, ...]
    group: int = 1
    rows_per_step: int = 1

    def rows_done(self, steps_done: int, output_rows: int) -> int:
        """Output rows that are complete after ``steps_done`` steps."""
        if self.group == self.steps:
            return output_rows if steps_done == self.steps else 0
        return min(steps_done // self.group * self.rows_per_step, output_rows)

    def output_rows(self, step: int, output_rows: int) -> range:
        """Output rows that ``step`` works on."""
        if self.group == self.steps:
            return range(output_rows)
        first = step // self.group * self.rows_per_step
        return range(first, min(first + self.rows_per_step, output_rows))


def accumulate_rule(steps: int, group: int, reads: tuple[RowReads | None, ...]) -> RowRule:
    """Step s takes input row s; ``group`` rows make one output row (or all, when there is one group)."""
    return RowRule(RowMode.ACCUMULATE, steps, reads, group)


def whole_rule(inputs: Inputs) -> RowRule:
    """One step over everything."""
    reads = tuple(None if t is None or t.is_const else RowReads(0, 0, t.rows) for t in inputs)
    return RowRule(RowMode.WHOLE, 1, reads)


def elementwise_rule(inputs: Inputs, output: Tensor) -> RowRule:
    """Output row s reads row s of every input, or its only row where that one is broadcast."""
    reads: list[RowReads | None] = []
    for t in inputs:
        if t is None or t.is_const:
            reads.append(None)
        elif t.rows == output.rows and t.has_row_axis == output.has_row_axis:
            reads.append(RowReads(1, 0, 1))
        elif t.rows == 1:
            reads.append(RowReads(0, 0, 1))
        else:
            return whole_rule(inputs)
    return RowRule(RowMode.MAP, output.rows, tuple(reads))


SWAP = (0, 2, 1, 3)


def swap_pair(values: Sequence[T]) -> tuple[T, ...]:
    """Entries 1 and 2 of a per-axis sequence of a map exchanged; other ranks stay."""
    items = tuple(values)
    return (items[0], items[2], items[1], items[3]) if len(items) == 4 else items


def swap_constants(inputs: Inputs) -> tuple[tuple[int, Array], ...]:
    """All constant maps with height and width exchanged."""
    return tuple(
        (i, t.data.transpose(SWAP))
        for i, t in enumerate(inputs)
        if t is not None and t.data is not None and t.data.ndim == 4
    )


@dataclass(frozen=True)
class TensorType:
    """What a shape rule answers: the shape and element type of the output."""

    shape: tuple[int, ...]
    dtype: DType


@dataclass(frozen=True)
class Swapped:
    """An op with height and width exchanged: ``constants`` replaces constant inputs by their index."""

    op: Op
    constants: tuple[tuple[int, Array], ...] = ()


Span = tuple[int, int]


@dataclass(frozen=True)
class Columns:
    """An op that computes some columns of its output alone.

    Attributes:
        op: its form for them.
        reads: by input, the half-open range of columns that are left of it; ``None`` where it is taken as it is. Of a
            constant the columns are cut out.
        kept: the inputs that it still has, by number.
    """

    op: Op
    reads: tuple[Span | None, ...]
    kept: tuple[int, ...]


@dataclass(frozen=True)
class Permuted:
    """An op on inputs whose axes are in another order, and the transpose that gives its old output."""

    op: Op
    permutation: tuple[int, ...]


FAMILIES = ("conv", "depthwise", "dense", "pool", "activation", "other")


@dataclass(frozen=True)
class Op:
    """Base of all operations; a subclass is a frozen dataclass whose fields are its attributes.

    Attribute values are Python literals (numbers, strings, booleans, tuples of them), so that the textual dump
    parses back. The class lives in ``ascmcu/ops/<kind>.py`` and registers itself with ``@register``.
    """

    KIND: ClassVar[str] = ""
    # A pass always rewrites it: it has no kernel.
    REWRITTEN: ClassVar[bool] = False
    # Element i of the output is computed from element i of each input, or from what is broadcast there.
    ELEMENTWISE: ClassVar[bool] = False
    # The output's elements are the input's, in the same order.
    MOVES_NOTHING: ClassVar[bool] = False
    # The output may lie in the bytes of the first input, which is read ahead of what is written.
    OVERWRITES: ClassVar[bool] = False
    # The elements of the first input are taken in their order, whatever its shape.
    READS_FLAT: ClassVar[bool] = False
    # The output's numbers are those of the first input, in another shape or type.
    KEEPS_NUMBERS: ClassVar[bool] = False
    # Its output is a distribution over the last axis.
    PROBABILITIES: ClassVar[bool] = False
    # What a page shows it as: one of ``FAMILIES``.
    FAMILY: ClassVar[str] = "other"

    @classmethod
    def kind(cls) -> str:
        """The op's name, which is also the stem of its module and case rows."""
        return cls.KIND

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit this op (or several) for the TFLite operator that ``ctx`` describes."""
        raise NotImplementedError

    def infer(self, inputs: Inputs) -> TensorType:
        """Shape and element type of the output.

        Raises:
            ModelError: the inputs do not fit the op or each other.
        """
        raise NotImplementedError

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """The output's values, bit for bit those of LiteRT's reference kernel (``BUILTIN_REF``)."""
        raise NotImplementedError

    def macs(self, inputs: Inputs, output: Tensor) -> int:
        """Multiply–accumulates of one evaluation."""
        return 0

    def swapped(self, inputs: Inputs, output: Tensor) -> Swapped | None:
        """The op on maps (1, H, W, C) whose height and width have changed places; ``None`` if it has no such form.

        Tensors of other ranks stay as they are; the result must be the same function.
        """
        return None

    def in_columns(self, inputs: Inputs, output: Tensor, span: Span) -> Columns | None:
        """The op for the columns ``span`` of a map (1, H, W, C) alone, bit for bit what it computes there; ``None`` if
        it has no such form."""
        return elementwise_columns(self, inputs, output, span) if self.ELEMENTWISE else None

    def is_identity(self, x: Tensor, output: Tensor) -> bool:
        """Whether y = x where the types and shapes of both are equal; ``x`` is the first input."""
        return self.MOVES_NOTHING

    def clamped(self, low: int, high: int) -> Op | None:
        """The op with what it computes clamped to ``low`` … ``high`` as well; ``None`` if it has no ``clamp``."""
        own = dict(self.attributes()).get("clamp")
        if not isinstance(own, tuple):
            return None
        changed: dict[str, Any] = {"clamp": tuple(min(max(bound, low), high) for bound in own)}
        return dataclasses.replace(self, **changed)

    def permuted(self, permutation: Sequence[int]) -> Permuted | None:
        """The op on inputs without a transpose by ``permutation``, which comes behind it; ``None`` if that is no op."""
        return Permuted(self, tuple(permutation)) if self.ELEMENTWISE else None

    def has_axes(self, index: int) -> bool:
        """Whether input ``index`` has the axes of the output, as operands have and tables have not."""
        return True

    def channel_range(self, ranges: Sequence[Range | None], inputs: Inputs, output: Tensor) -> Range | None:
        """What each channel of an 8-bit output can be, from what those of the computed inputs can be; ``None`` where
        that is not known. It must hold for every element of the channel, borders included."""
        return None

    def keeps_channels(self, x: Tensor) -> bool:
        """Whether output channel c depends on channel c of ``x``, the first input, alone."""
        return False

    def row_rule(self, inputs: Inputs, output: Tensor) -> RowRule:
        """How rows flow; the default is one step over everything."""
        return whole_rule(inputs)

    def parameter_inputs(self, inputs: tuple[str, ...]) -> tuple[str, ...]:
        """The inputs that count as parameters when they are constant."""
        return inputs

    def attributes(self) -> tuple[tuple[str, object], ...]:
        """Attribute names and values in declaration order."""
        return tuple((f.name, getattr(self, f.name)) for f in dataclasses.fields(self))


def elementwise_columns(op: Op, inputs: Inputs, output: Tensor, span: Span) -> Columns:
    """The same columns of every input that has as many, and all of what is broadcast along them or has none."""
    reads: list[Span | None] = []
    for index, t in enumerate(inputs):
        follows = t is not None and op.has_axes(index) and len(t.shape) == 4 and t.shape[2] == output.shape[2]
        reads.append(span if follows else None)
    return Columns(op, tuple(reads), tuple(range(len(inputs))))


def window_columns(
    width: int, kernel: int, stride: int, dilation: int, before: int, span: Span
) -> tuple[Span, Span] | None:
    """Of a window along the columns: those that ``span`` is computed from, and the padding left and right of them;
    ``None`` where a window lies in the padding alone.

    Args:
        width: columns of the input.
        kernel, stride, dilation: of the window, along the columns.
        before: columns of padding in front.
        span: of the output.
    """
    low = span[0] * stride - before
    high = (span[1] - 1) * stride - before + (kernel - 1) * dilation + 1
    begin, end = max(low, 0), min(high, width)
    return None if begin >= end else ((begin, end), (begin - low, high - end))
