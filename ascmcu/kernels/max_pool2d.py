# SPDX-License-Identifier: Apache-2.0
"""MAX_POOL_2D."""

from __future__ import annotations

from ascmcu.ir.op import Inputs
from ascmcu.ir.types import Tensor
from ascmcu.kernels import _pool
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops.max_pool2d import MaxPool2D


@kernel(MaxPool2D, cost=Cost(input=1.5, output=4))
def lower(op: MaxPool2D, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """No constants."""
    params = _pool.params(op, inputs, output)
    return Lowered(params, work=_pool.counted(params, op, output.shape[1], average=False))
