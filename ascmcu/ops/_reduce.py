# SPDX-License-Identifier: Apache-2.0
"""Base of MEAN, SUM and REDUCE_MAX: axes, shapes, accumulation over rows."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import (
    Inputs,
    Op,
    Permuted,
    RowMode,
    RowReads,
    RowRule,
    Swapped,
    TensorType,
    accumulate_rule,
    present,
    whole_rule,
)
from ascmcu.ir.ranges import Range
from ascmcu.ir.types import Tensor

Axes = tuple[int, ...]


def import_reduction(
    ctx: ImportContext, require: Callable[..., None], **options: bool
) -> tuple[Tensor, Axes, bool]:
    """Input, sorted axes without duplicates, and whether reduced axes stay as ones.

    Raises:
        ModelError: the input has no such axis, or ``require`` refuses input and output.
    """
    x = ctx.needed(0)
    require(ctx, x, ctx.outputs[0], **options)
    rank = len(x.shape)
    axes = sorted({int(a) + (rank if a < 0 else 0) for a in ctx.const(1).reshape(-1)})
    if any(not 0 <= a < rank for a in axes):
        raise ctx.error("axis is out of range", x, expected=f"-{rank} … {rank - 1}", found=axes)
    return x, tuple(axes), bool(ctx.option("KeepDims", False))


@dataclass(frozen=True)
class Reduction(Op):
    """Base: elements over ``axes`` become one; ``keep_dims`` says that the axes stay, as ones."""

    FAMILY = "pool"
    axes: Axes
    keep_dims: bool

    def infer(self, inputs: Inputs) -> TensorType:
        """The input's shape with ones in place of the axes, or without them."""
        (x,) = present(inputs)
        kept = tuple(
            1 if i in self.axes else d for i, d in enumerate(x.shape) if self.keep_dims or i not in self.axes
        )
        return TensorType(kept, x.dtype)

    def swapped(self, inputs: Inputs, output: Tensor) -> Swapped | None:
        """The axes follow the input's height and width; there is none where the output would be another."""
        (x,) = present(inputs)
        if len(x.shape) != 4:
            return Swapped(self)
        if not self.keep_dims and 1 not in self.axes and 2 not in self.axes:
            return None
        axes = tuple(sorted({1: 2, 2: 1}.get(a, a) for a in self.axes))
        return Swapped(dataclasses.replace(self, axes=axes))

    def row_rule(self, inputs: Inputs, output: Tensor) -> RowRule:
        """Accumulating when the row axis is reduced, else row by row where the output keeps it."""
        (x,) = present(inputs)
        if x.has_row_axis and 1 in self.axes:
            return accumulate_rule(x.rows, x.rows, (RowReads(1, 0, 1),))
        if x.rows == output.rows and x.has_row_axis == output.has_row_axis:
            return RowRule(RowMode.MAP, output.rows, (RowReads(1, 0, 1),))
        return whole_rule(inputs)

    def count(self, x: Tensor) -> int:
        """Elements that go into one output element."""
        return math.prod(x.shape[a] for a in self.axes)

    def permuted(self, permutation: Sequence[int]) -> Permuted:
        """The axes follow; what is left of the permutation comes behind."""
        axes = tuple(sorted(permutation[axis] for axis in self.axes))
        op = dataclasses.replace(self, axes=axes)
        if self.keep_dims:
            return Permuted(op, tuple(permutation))
        kept = [axis for axis in permutation if axis not in axes]
        return Permuted(op, tuple(sorted(kept).index(axis) for axis in kept))

    def keeps_channels(self, x: Tensor) -> bool:
        """Unless channels are reduced."""
        return len(x.shape) - 1 not in self.axes


def monotone_range(op: Reduction, source: Range | None, inputs: Inputs, output: Tensor) -> Range | None:
    """Bounds of a monotone reduction over other axes than channels: its values where all elements are at a bound."""
    (x,) = present(inputs)
    if source is None or not op.keeps_channels(x):
        return None
    ends = [
        op.evaluate([np.broadcast_to(bound, x.shape).astype(x.dtype.numpy)], [x], output)
        for bound in (source.low, source.high)
    ]
    low, high = (end.reshape(-1, output.shape[-1])[0].astype(np.int64) for end in ends)
    return Range(low, high)
