# SPDX-License-Identifier: Apache-2.0
"""Functions of one float32 element: RELU and its like, LOGISTIC, TANH, HARD_SWISH, LEAKY_RELU, ABS, ROUND, SIN, …"""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs
from ascmcu.ir.types import Tensor
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.kernels._work import work
from ascmcu.ops.float_unary import FloatUnary


@dataclass(frozen=True)
class Params:
    """Compile-time constants."""

    function: str
    alpha: float
    elements: int


@kernel(FloatUnary, cost=Cost(output=30))
def lower(op: FloatUnary, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """No constants."""
    params = Params(op.function, op.alpha, output.row_elements)
    return Lowered(params, work=work({f"outputs_{op.function}": output.elements}))
