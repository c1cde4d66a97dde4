# SPDX-License-Identifier: Apache-2.0
"""What an integer LSTM gives, out of its states: int16 to int8."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs
from ascmcu.ir.types import Tensor
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops.lstm_output import LstmOutput


@dataclass(frozen=True)
class Params:
    """Elements per step, and how many stand before them."""

    elements: int
    skipped: int


@kernel(LstmOutput, cost=Cost(output=4))
def lower(op: LstmOutput, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """A narrowing copy."""
    return Lowered(Params(output.row_elements, op.skipped))
