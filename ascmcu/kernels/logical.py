# SPDX-License-Identifier: Apache-2.0
"""LOGICAL_AND, LOGICAL_OR and LOGICAL_NOT of computed booleans."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs
from ascmcu.ir.types import Tensor
from ascmcu.kernels import _broadcast
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops.logical import Logical

_SYMBOLS = {"and": "&&", "or": "||", "not": "!="}


@dataclass(frozen=True)
class Params:
    """Compile-time constants."""

    loops: tuple[_broadcast.Loop, ...]
    function: str
    symbol: str


@kernel(Logical, cost=Cost(output=12))
def lower(op: Logical, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """Constant operands go to flash."""
    loops = _broadcast.loops(inputs, output)
    return Lowered(Params(loops, op.function, _SYMBOLS[op.function]), _broadcast.constant_operands(inputs))
