# SPDX-License-Identifier: Apache-2.0
"""HOLD: a tensor that nothing reads before all of its rows are there. Only passes make it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ascmcu.ir.op import Inputs, Op, RowRule, Swapped, TensorType, present, whole_rule
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, Tensor


@register()
@dataclass(frozen=True)
class Hold(Op):
    """y = x: what is behind it begins when all that is before it has ended."""

    KIND = "hold"
    MOVES_NOTHING = True

    def infer(self, inputs: Inputs) -> TensorType:
        """The input's."""
        (x,) = present(inputs)
        return TensorType(x.shape, x.dtype)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """The input."""
        (x,) = present(arrays)
        return x

    def swapped(self, inputs: Inputs, output: Tensor) -> Swapped:
        """Nothing changes."""
        return Swapped(self)

    def row_rule(self, inputs: Inputs, output: Tensor) -> RowRule:
        """All rows at once."""
        return whole_rule(inputs)

    def is_identity(self, x: Tensor, output: Tensor) -> bool:
        """It is there for the order."""
        return False
