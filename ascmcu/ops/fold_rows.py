"""FOLD_ROWS: four rows of a map one column wide become one row of four columns. A pass makes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ascmcu.ir.op import Inputs, Lowered, RowMode, RowReads, RowRule, TensorType
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops._fold import FOLD, fold, folded_rows
from ascmcu.ops._settled import Settled


@dataclass(frozen=True)
class FoldRowsParams:
    """``rows`` of ``channels`` bytes, ``fold`` of them to a step."""

    rows: int
    channels: int
    fold: int = FOLD


@register()
@dataclass(frozen=True)
class FoldRows(Settled):
    """(1, H, 1, C) → (1, ceil(H / 4), 4, C); the last row is repeated where rows are missing."""

    KIND = "fold_rows"

    def infer(self, inputs: Inputs) -> TensorType:
        """(1, ceil(H / 4), 4, C)."""
        x = inputs[0]
        assert x is not None
        return TensorType((1, folded_rows(x.shape[1]), FOLD, x.shape[3]), x.dtype)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Reshaped."""
        assert arrays[0] is not None
        return fold(arrays[0])

    def row_rule(self, inputs: Inputs, output: Tensor) -> RowRule:
        """Four rows make one."""
        return RowRule(RowMode.MAP, output.rows, (RowReads(FOLD, 0, FOLD),))

    def lower(self, inputs: Inputs, output: Tensor) -> Lowered:
        """Copies of rows."""
        x = inputs[0]
        assert x is not None
        return Lowered(FoldRowsParams(x.rows, x.row_bytes))
