# SPDX-License-Identifier: Apache-2.0
"""ADD, SUB and MUL of int16, with broadcasting."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs
from ascmcu.ir.types import Tensor
from ascmcu.kernels import _broadcast
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.kernels._work import work
from ascmcu.ops.wide_binary import LEFT_SHIFT, WideBinary


@dataclass(frozen=True)
class Fixed:
    """A scale as mantissa and shift."""

    multiplier: int
    shift: int


@dataclass(frozen=True)
class Params:
    """Compile-time constants of the row kernel; ``a`` and ``b`` scale the operands of a sum, which are ``unit`` times
    as fine."""

    loops: tuple[_broadcast.Loop, ...]
    function: str
    a: Fixed | None
    b: Fixed | None
    result: Fixed
    unit: int
    low: int
    high: int


@kernel(WideBinary, cost=Cost(output=45))
def lower(op: WideBinary, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """Constant operands go to flash."""
    a, b = (Fixed(*fixed) for fixed in op.operands) if op.operands else (None, None)
    params = Params(
        _broadcast.loops(inputs, output), op.function, a, b, Fixed(*op.result), 1 << LEFT_SHIFT, *op.clamp
    )
    counts = work(_broadcast.turns(params.loops, output, op.function))
    return Lowered(params, _broadcast.constant_operands(inputs), work=counts)
