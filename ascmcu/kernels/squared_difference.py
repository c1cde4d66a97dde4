# SPDX-License-Identifier: Apache-2.0
"""SQUARED_DIFFERENCE: operands are brought to a common fine scale, the square of their difference requantized."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs, present
from ascmcu.ir.types import Tensor
from ascmcu.kernels import _broadcast
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops.squared_difference import LEFT_SHIFT, SquaredDifference, multipliers


@dataclass(frozen=True)
class Params:
    """Compile-time constants: multipliers and shifts of the operands and of the output."""

    loops: tuple[_broadcast.Loop, ...]
    a: _broadcast.Operand
    b: _broadcast.Operand
    a_fixed: tuple[int, int]
    b_fixed: tuple[int, int]
    y_fixed: tuple[int, int]
    y_zero_point: int
    left_shift: int
    low: int
    high: int
    y_type: str


@kernel(SquaredDifference, cost=Cost(output=55))
def lower(op: SquaredDifference, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """Constant operands go to flash."""
    a, b = present(inputs)
    params = Params(
        _broadcast.loops(inputs, output),
        _broadcast.operand(a),
        _broadcast.operand(b),
        *multipliers(a, b, output),
        output.zero_point,
        LEFT_SHIFT,
        *output.dtype.integer_range,
        output.dtype.c_name,
    )
    return Lowered(params, _broadcast.constant_operands(inputs))
