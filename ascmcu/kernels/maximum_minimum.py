# SPDX-License-Identifier: Apache-2.0
"""MAXIMUM and MINIMUM, which differ only in the comparison."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs
from ascmcu.ir.types import Tensor
from ascmcu.kernels import _broadcast
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.kernels._work import work
from ascmcu.ops._extremum import Extremum
from ascmcu.ops.maximum import Maximum
from ascmcu.ops.minimum import Minimum


@dataclass(frozen=True)
class Params:
    """Compile-time constants of the row kernel."""

    loops: tuple[_broadcast.Loop, ...]
    c_type: str
    maximum: bool


@kernel(Maximum, Minimum, cost=Cost(output=12))
def lower(op: Extremum, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """Constant operands go to flash."""
    params = Params(_broadcast.loops(inputs, output), output.dtype.c_name, op.LARGER)
    counts = work(_broadcast.turns(params.loops, output))
    return Lowered(params, _broadcast.constant_operands(inputs), work=counts)
