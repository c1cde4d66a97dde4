# SPDX-License-Identifier: Apache-2.0
"""CAST: numbers to another element type, without scales."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs, present
from ascmcu.ir.types import DType, Tensor
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops.cast import Cast


@dataclass(frozen=True)
class Params:
    """Compile-time constants; ``saturates`` where float32 become integers: ``lowest`` and ``beyond`` are the least
    one and what lies above the largest, ``limit`` begins the names of both in C.
    ``truth`` where anything becomes a boolean."""

    elements: int
    x_type: str
    y_type: str
    saturates: bool
    truth: bool
    lowest: float
    beyond: float
    limit: str


@kernel(Cast, cost=Cost(output=8))
def lower(op: Cast, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """No constants."""
    (x,), target = present(inputs), output.dtype
    truth = target is DType.BOOL
    saturates = x.dtype is DType.FLOAT32 and target is not DType.FLOAT32 and not truth
    low, high = target.integer_range if saturates else (0, 0)
    limit = ("UINT" if target is DType.UINT8 else "INT") + str(8 * target.size_bytes)
    params = Params(
        output.row_elements, x.dtype.c_name, target.c_name, saturates, truth, float(low), float(high + 1), limit,
    )  # fmt: skip
    return Lowered(params)
