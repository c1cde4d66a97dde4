# SPDX-License-Identifier: Apache-2.0
"""BARRIER: a tensor whose rows are read again after all of them are complete. Only passes make it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ascmcu.ir.op import Inputs, Op, RowMode, RowReads, RowRule, Swapped, TensorType, present
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, Tensor


@register()
@dataclass(frozen=True)
class Barrier(Op):
    """y = x; row by row, but no row before all of the second operand is there."""

    KIND = "barrier"

    def infer(self, inputs: Inputs) -> TensorType:
        """The first input's."""
        x = present(inputs)[0]
        return TensorType(x.shape, x.dtype)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """The first input."""
        x = present(arrays)[0]
        return x

    def swapped(self, inputs: Inputs, output: Tensor) -> Swapped:
        """Nothing changes."""
        return Swapped(self)

    def row_rule(self, inputs: Inputs, output: Tensor) -> RowRule:
        """Row by row, behind the whole second operand."""
        awaited = present(inputs)[1]
        return RowRule(
            RowMode.MAP, output.rows, (RowReads(1, 0, 1), RowReads(0, 0, awaited.rows, waits=True))
        )
