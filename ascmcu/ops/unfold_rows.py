"""UNFOLD_ROWS: each row of a folded map becomes four rows again. A pass makes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ascmcu.ir.op import Inputs, Lowered, RowMode, RowReads, RowRule, TensorType
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops._fold import FOLD, TIME_PLANES, unfold
from ascmcu.ops._settled import Settled


@dataclass(frozen=True)
class UnfoldRowsParams:
    """``rows`` of ``channels`` bytes, ``fold`` of them to a step."""

    rows: int
    channels: int
    planes: bool
    fold: int = FOLD


@register()
@dataclass(frozen=True)
class UnfoldRows(Settled):
    """(1, ceil(H / 4), 4, C), or planes (1, ceil(H / 4), C, 4) → (1, H, 1, C), H being ``rows``."""

    KIND = "unfold_rows"
    rows: int
    planes: bool = False

    def infer(self, inputs: Inputs) -> TensorType:
        """(1, H, 1, C)."""
        x = inputs[0]
        assert x is not None
        return TensorType((1, self.rows, 1, x.shape[2 if self.planes else 3]), x.dtype)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Reshaped, what filled the last row left out."""
        array = arrays[0]
        assert array is not None
        return unfold(TIME_PLANES.gather(array) if self.planes else array, self.rows)

    def row_rule(self, inputs: Inputs, output: Tensor) -> RowRule:
        """One row makes four."""
        x = inputs[0]
        assert x is not None
        return RowRule(RowMode.MAP, x.rows, (RowReads(1, 0, 1),), rows_per_step=FOLD)

    def lower(self, inputs: Inputs, output: Tensor) -> Lowered:
        """Copies of rows."""
        return Lowered(UnfoldRowsParams(output.rows, output.row_bytes, self.planes))
