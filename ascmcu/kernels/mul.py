# SPDX-License-Identifier: Apache-2.0
"""MUL: x × y with broadcasting."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs, present
from ascmcu.ir.types import Tensor
from ascmcu.kernels import _broadcast
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.kernels._work import work
from ascmcu.ops.mul import Mul


@dataclass(frozen=True)
class Params:
    """Compile-time constants of the row kernel."""

    loops: tuple[_broadcast.Loop, ...]
    a: _broadcast.Operand
    b: _broadcast.Operand
    multiplier: int
    shift: int
    y_zero_point: int
    low: int
    high: int
    y_type: str


@kernel(Mul, cost=Cost(output=35))
def lower(op: Mul, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """Constant operands go to flash."""
    a, b = present(inputs)
    params = Params(
        _broadcast.loops(inputs, output),
        _broadcast.operand(a),
        _broadcast.operand(b),
        *op.multiplier(inputs, output),
        output.zero_point,
        *op.clamp,
        output.dtype.c_name,
    )
    work_done = work(_broadcast.turns(params.loops, output))
    return Lowered(params, _broadcast.constant_operands(inputs), work=work_done)
