# SPDX-License-Identifier: Apache-2.0
"""RELAYOUT: four rows of a map one column wide become one row of four columns."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.layout import ROW_MAJOR, TIME_STEPS, TIME_TO_WIDTH
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
    fold: int = TIME_STEPS

    @property
    def whole(self) -> bool:
        """Whether the rows fill the last step."""
        return self.rows % self.fold == 0


@kernel(Relayout, reads=(ROW_MAJOR,), writes=(TIME_TO_WIDTH,), cost=Cost(output=1))
def lower(op: Relayout, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """Copies of rows; the last row is repeated where rows are missing."""
    (x,) = present(inputs)
    rule = RowRule(RowMode.MAP, output.rows, (RowReads(TIME_STEPS, 0, TIME_STEPS),))
    return Lowered(Params(x.rows, x.row_bytes), rule=rule, work=work({"copies": x.rows, "bytes": x.elements}))
