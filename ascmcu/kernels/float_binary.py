# SPDX-License-Identifier: Apache-2.0
"""ADD, SUB, MUL, DIV, FLOOR_DIV, FLOOR_MOD, MAXIMUM, MINIMUM and SQUARED_DIFFERENCE of float32, with broadcasting."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.op import Inputs
from ascmcu.ir.types import Tensor
from ascmcu.kernels import _broadcast, _float
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.kernels._work import work
from ascmcu.ops.float_binary import FloatBinary


@dataclass(frozen=True)
class Params:
    """Compile-time constants."""

    function: str
    loops: tuple[_broadcast.Loop, ...]
    clamp: _float.Clamp


@kernel(FloatBinary, cost=Cost(output=12))
def lower(op: FloatBinary, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """Constant operands go to flash as float32."""
    constants = tuple((name, data.astype(np.float32)) for name, data in _broadcast.constant_operands(inputs))
    loops = _broadcast.loops(inputs, output)
    counts = work(_broadcast.turns(loops, output, op.function))
    return Lowered(Params(op.function, loops, _float.clamp(op.activation)), constants, work=counts)
