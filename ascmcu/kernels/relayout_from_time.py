# SPDX-License-Identifier: Apache-2.0
"""RELAYOUT: each row of four time steps becomes four rows again."""

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
    """``rows`` of ``channels`` bytes, ``fold`` of them to a step."""

    rows: int
    channels: int
    planes: bool
    fold: int = TIME_STEPS

    @property
    def whole(self) -> bool:
        """Whether the rows fill the last step."""
        return self.rows % self.fold == 0

    @property
    def fours(self) -> int:
        """The channels that fill groups of four."""
        return self.channels // 4 * 4


@kernel(Relayout, reads=(TIME_TO_WIDTH, TIME_PLANAR), writes=(ROW_MAJOR,), cost=Cost(output=3))
def lower(op: Relayout, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """Copies of rows, what filled the last one left out."""
    (x,) = present(inputs)
    rule = RowRule(RowMode.MAP, x.rows, (RowReads(1, 0, 1),), rows_per_step=TIME_STEPS)
    channels = output.row_bytes
    planar = {"fours": rule.steps * (channels // 4), "rest": rule.steps * (channels % 4)}
    counts = planar if x.layout.planar else {"copies": output.rows, "bytes": output.elements}
    return Lowered(Params(output.rows, channels, x.layout.planar), rule=rule, work=work(counts))
