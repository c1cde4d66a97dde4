# SPDX-License-Identifier: Apache-2.0
"""MEAN, SUM, REDUCE_MAX, REDUCE_MIN and REDUCE_PROD of float32 over any axes."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs, present
from ascmcu.ir.types import DType, Tensor
from ascmcu.kernels import _reduce
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops.float_reduce import FloatReduce


@dataclass(frozen=True)
class Params:
    """Compile-time constants; sums are divided by ``divisor``."""

    geometry: _reduce.Geometry
    function: str
    divisor: float


@kernel(FloatReduce, cost=Cost(input=6, output=20))
def lower(op: FloatReduce, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """Accumulators as float32."""
    (x,) = present(inputs)
    geometry = _reduce.geometry(op, inputs, output)
    params = Params(geometry, op.function, op.divisor(x))
    return Lowered(params, state=(DType.FLOAT32, geometry.outputs))
