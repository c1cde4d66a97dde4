# SPDX-License-Identifier: Apache-2.0
"""ADD, SUB, MUL, DIV, FLOOR_DIV, FLOOR_MOD, MAXIMUM, MINIMUM of plain integers, with broadcasting."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs
from ascmcu.ir.types import Tensor
from ascmcu.kernels import _broadcast
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops.integer_binary import IntegerBinary


@dataclass(frozen=True)
class Params:
    """Compile-time constants; ``clamps`` where the clamp is narrower than the type."""

    loops: tuple[_broadcast.Loop, ...]
    function: str
    c_type: str
    unsigned_type: str
    clamps: bool
    low: int
    high: int


@kernel(IntegerBinary, cost=Cost(output=20))
def lower(op: IntegerBinary, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """Constant operands go to flash."""
    c_type = output.dtype.c_name
    params = Params(
        _broadcast.loops(inputs, output), op.function, c_type, f"uint{8 * output.dtype.size_bytes}_t",
        op.clamp != output.dtype.integer_range, *op.clamp,
    )  # fmt: skip
    return Lowered(params, _broadcast.constant_operands(inputs))
