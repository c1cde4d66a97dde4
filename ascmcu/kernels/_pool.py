# SPDX-License-Identifier: Apache-2.0
"""What the kernels of average and max pooling share."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs, present
from ascmcu.ir.types import DType, Tensor
from ascmcu.ops import _window
from ascmcu.ops._pool import Pool


@dataclass(frozen=True)
class Params:
    """Compile-time constants of the row kernel."""

    window: _window.WindowParams
    low: int
    high: int
    c_type: str
    accumulate: bool
    fours: bool


def params(op: Pool, inputs: Inputs, output: Tensor) -> Params:
    """The parameters of the row kernel."""
    (x,) = present(inputs)
    return Params(
        _window.params(x, output, op.kernel, op.stride, (1, 1), op.padding),
        *op.clamp,
        x.dtype.c_name,
        op.accumulates(inputs, output),
        # Four int8 channels at a time; the sums of a window's columns must fit 16 bits, and maxima need no clamp.
        x.dtype is DType.INT8 and x.shape[3] % 4 == 0 and op.kernel[1] <= 255,
    )
