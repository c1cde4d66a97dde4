# SPDX-License-Identifier: Apache-2.0
"""SLIDE: a window over rows that moves on."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs
from ascmcu.ir.types import Tensor
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops.slide import Slide


@dataclass(frozen=True)
class Run:
    """Bytes that are moved: so many, from a place in their source to a place in the window."""

    source: int
    target: int
    count: int


@dataclass(frozen=True)
class Params:
    """Where the rows go, in units of ``size`` bytes: those that are kept first, then the ones before and behind."""

    size: int
    kept: Run
    before: Run
    behind: Run

    @property
    def words(self) -> bool:
        """Whether whole words are moved."""
        return self.size == 4


@kernel(Slide, cost=Cost(output=1))
def lower(op: Slide, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """The kept rows move down first: where the window is changed in its place, the new rows come where they lay."""
    size = 4 if output.row_bytes % 4 == 0 else 1
    row = output.row_bytes // size
    kept = Run((op.first + op.shift) * row, op.first * row, (op.last - op.first) * row)
    behind = Run(0, op.last * row, (output.rows - op.last) * row)
    return Lowered(Params(size, kept, Run(0, 0, op.first * row), behind))
