# SPDX-License-Identifier: Apache-2.0
"""PRELU: a leaky ReLU whose slope is learnt, usually per channel."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs, present
from ascmcu.ir.types import Tensor
from ascmcu.kernels import _broadcast
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.kernels._work import work
from ascmcu.ops.prelu import Prelu


@dataclass(frozen=True)
class Params:
    """Compile-time constants: one multiplier for x ≥ 0, one for x × slope."""

    loops: tuple[_broadcast.Loop, ...]
    a: _broadcast.Operand
    b: _broadcast.Operand
    positive_multiplier: int
    positive_shift: int
    negative_multiplier: int
    negative_shift: int
    y_zero_point: int
    low: int
    high: int
    y_type: str


@kernel(Prelu, cost=Cost(output=45))
def lower(op: Prelu, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """Constant slopes go to flash."""
    x, slope = present(inputs)
    positive, negative = op.multipliers(inputs, output)
    params = Params(
        _broadcast.loops(inputs, output),
        _broadcast.operand(x),
        _broadcast.operand(slope),
        *positive,
        *negative,
        output.zero_point,
        *output.dtype.integer_range,
        output.dtype.c_name,
    )
    counts = work(_broadcast.turns(params.loops, output))
    return Lowered(params, _broadcast.constant_operands(inputs), work=counts)
