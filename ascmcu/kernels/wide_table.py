# SPDX-License-Identifier: Apache-2.0
"""EXP, LOG, RSQRT, GELU and NEG of int16, between the entries of a table."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs, present
from ascmcu.ir.types import Tensor
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops.wide_table import WideTable


@dataclass(frozen=True)
class Params:
    """Elements per step."""

    elements: int
    function: str


@kernel(WideTable, cost=Cost(output=16))
def lower(op: WideTable, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """The table goes to flash."""
    _, table = present(inputs)
    return Lowered(Params(output.row_elements, op.function), (("table", table.values),))
