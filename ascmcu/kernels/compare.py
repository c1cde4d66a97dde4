# SPDX-License-Identifier: Apache-2.0
"""GREATER, LESS, EQUAL and their relatives of computed tensors."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs, present
from ascmcu.ir.types import Tensor
from ascmcu.kernels import _broadcast
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops.compare import LEFT_SHIFT, Compare, scaling

_SYMBOLS = {
    "greater": ">",
    "greater_equal": ">=",
    "less": "<",
    "less_equal": "<=",
    "equal": "==",
    "not_equal": "!=",
}


@dataclass(frozen=True)
class Params:
    """Compile-time constants; ``fixed`` are multiplier and shift of each operand, none if not scaled."""

    loops: tuple[_broadcast.Loop, ...]
    function: str
    symbol: str
    a: _broadcast.Operand
    b: _broadcast.Operand
    fixed: tuple[tuple[int, int], ...]
    left_shift: int


@kernel(Compare, cost=Cost(output=30))
def lower(op: Compare, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """Constant operands go to flash."""
    a, b = present(inputs)
    fixed = (scaling(a), scaling(b)) if op.scales(a) else ()
    operands = (_broadcast.operand(a), _broadcast.operand(b))
    params = Params(
        _broadcast.loops(inputs, output), op.function, _SYMBOLS[op.function], *operands, fixed, LEFT_SHIFT
    )
    return Lowered(params, _broadcast.constant_operands(inputs))
