# SPDX-License-Identifier: Apache-2.0
"""DEQUANTIZE: 8 bits to float32."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs, present
from ascmcu.ir.types import Tensor
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops.dequantize import Dequantize


@dataclass(frozen=True)
class Params:
    """Compile-time constants."""

    elements: int
    scale: float
    zero_point: int
    x_type: str


@kernel(Dequantize, cost=Cost(output=10))
def lower(op: Dequantize, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """No constants."""
    (x,) = present(inputs)
    return Lowered(Params(output.row_elements, x.scale, x.zero_point, x.dtype.c_name))
