# SPDX-License-Identifier: Apache-2.0
"""MAX_POOL_2D and AVERAGE_POOL_2D of float32."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs, present
from ascmcu.ir.types import Tensor
from ascmcu.kernels import _float, _pool
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops import _window
from ascmcu.ops.float_pool import FloatPool


@dataclass(frozen=True)
class Params:
    """Compile-time constants of the row kernel."""

    maximum: bool
    window: _window.WindowParams
    clamp: _float.Clamp


@kernel(FloatPool, cost=Cost(input=8, output=10))
def lower(op: FloatPool, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """No constants."""
    (x,) = present(inputs)
    window = _window.params(x, output, op.kernel, op.stride, (1, 1), op.padding)
    counts = _pool.one_by_one(window, op.padding[2], output.shape[1])
    return Lowered(Params(op.maximum, window, _float.clamp(op.activation)), work=counts)
