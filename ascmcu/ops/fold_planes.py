"""FOLD_PLANES: a map one column wide, folded or not, becomes a word of four moments per channel. A pass makes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ascmcu.ir.op import Inputs, Lowered, RowMode, RowReads, RowRule, TensorType
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops._fold import FOLD, TIME_PLANES, fold, folded_rows
from ascmcu.ops._settled import Settled


@dataclass(frozen=True)
class FoldPlanesParams:
    """``rows`` of ``channels`` bytes, ``fold`` of them to a step, or as many columns of one row (``folded``)."""

    rows: int
    channels: int
    folded: bool
    fold: int = FOLD


@register()
@dataclass(frozen=True)
class FoldPlanes(Settled):
    """(1, H, 1, C) or (1, ceil(H / 4), 4, C) → (1, ceil(H / 4), C, 4)."""

    KIND = "fold_planes"

    def infer(self, inputs: Inputs) -> TensorType:
        """(1, ceil(H / 4), C, 4)."""
        x = inputs[0]
        assert x is not None
        rows = x.shape[1] if _is_folded(x) else folded_rows(x.shape[1])
        return TensorType((1, rows, x.shape[3], FOLD), x.dtype)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Transposed."""
        array, x = arrays[0], inputs[0]
        assert array is not None and x is not None
        return TIME_PLANES.spread(array if _is_folded(x) else fold(array), 0)

    def row_rule(self, inputs: Inputs, output: Tensor) -> RowRule:
        """Four rows make one, or one that is folded."""
        x = inputs[0]
        assert x is not None
        count = 1 if _is_folded(x) else FOLD
        return RowRule(RowMode.MAP, output.rows, (RowReads(count, 0, count),))

    def lower(self, inputs: Inputs, output: Tensor) -> Lowered:
        """A transposition of bytes."""
        x = inputs[0]
        assert x is not None
        return Lowered(FoldPlanesParams(x.rows, x.shape[3], _is_folded(x)))


def _is_folded(x: Tensor) -> bool:
    return x.shape[2] == FOLD
