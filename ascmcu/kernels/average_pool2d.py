# SPDX-License-Identifier: Apache-2.0
"""AVERAGE_POOL_2D."""

from __future__ import annotations

from ascmcu.ir.op import Inputs
from ascmcu.ir.types import DType, Tensor
from ascmcu.kernels import _pool
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops.average_pool2d import AveragePool2D


@kernel(AveragePool2D, cost=Cost(input=2.5, output=10))
def lower(op: AveragePool2D, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """No constants; sums are int32."""
    params = _pool.params(op, inputs, output)
    state = (DType.INT32, output.row_elements) if params.accumulate else None
    return Lowered(params, state=state, work=_pool.counted(params, op, output.shape[1], average=True))
