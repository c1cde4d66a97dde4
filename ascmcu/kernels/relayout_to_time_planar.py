# SPDX-License-Identifier: Apache-2.0
"""RELAYOUT: a map one column wide, its time folded to width or not, becomes a word of four time steps per channel."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.layout import ROW_MAJOR, TIME_PLANAR, TIME_STEPS, TIME_TO_WIDTH
from ascmcu.ir.op import Inputs, RowMode, RowReads, RowRule, present
from ascmcu.ir.types import Tensor
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.kernels._work import work
from ascmcu.ops.relayout import Relayout


@dataclass(frozen=True)
class Params:
    """``rows`` of ``channels`` bytes, ``fold`` of them to a step, or as many columns of one row (``folded``)."""

    rows: int
    channels: int
    folded: bool
    fold: int = TIME_STEPS

    @property
    def whole(self) -> bool:
        """Whether the rows fill the last step."""
        return self.rows % self.fold == 0

    @property
    def fours(self) -> int:
        """The channels that fill groups of four."""
        return self.channels // 4 * 4


@kernel(Relayout, reads=(ROW_MAJOR, TIME_TO_WIDTH), writes=(TIME_PLANAR,), cost=Cost(output=4))
def lower(op: Relayout, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """A transposition of bytes; the last row is repeated where rows are missing."""
    (x,) = present(inputs)
    folded = x.layout.time_steps > 1
    count = 1 if folded else TIME_STEPS
    rule = RowRule(RowMode.MAP, output.rows, (RowReads(count, 0, count),))
    channels = x.shape[3]
    counts = {"fours": rule.steps * (channels // 4), "rest": rule.steps * (channels % 4)}
    return Lowered(Params(x.rows, channels, folded), rule=rule, work=work(counts))
