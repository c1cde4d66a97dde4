# SPDX-License-Identifier: Apache-2.0
"""QUANTIZE of float32 to int16."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs, present
from ascmcu.ir.types import DType, Tensor
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops.quantize import Quantize


@dataclass(frozen=True)
class Params:
    """Compile-time constants."""

    elements: int
    scale: float
    zero_point: int


@kernel(Quantize, cost=Cost(output=40))
def lower(op: Quantize, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered | None:
    """By the quotient itself: its last bits decide."""
    (x,) = present(inputs)
    if x.dtype is not DType.FLOAT32 or output.dtype is not DType.INT16:
        return None
    return Lowered(Params(output.row_elements, output.scale, output.zero_point))
