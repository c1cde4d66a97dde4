# SPDX-License-Identifier: Apache-2.0
"""LOGISTIC and TANH of int16, between the entries of a table."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs
from ascmcu.ir.types import Tensor
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops.wide_function import TABLE, WideFunction


@dataclass(frozen=True)
class Params:
    """Compile-time constants; ``half`` rounds the input."""

    elements: int
    function: str
    multiplier: int
    shift: int
    half: int


@kernel(WideFunction, cost=Cost(output=30))
def lower(op: WideFunction, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """The table goes to flash, once for all layers."""
    half = (1 << op.shift) >> 1
    params = Params(output.row_elements, op.function, op.multiplier, op.shift, half)
    return Lowered(params, (("sigmoid", TABLE),))
