# SPDX-License-Identifier: Apache-2.0
"""QUANTIZE between integers of which one has 16 bits or more."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs, present
from ascmcu.ir.types import DType, Tensor
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops import _scales
from ascmcu.ops.quantize import Quantize


@dataclass(frozen=True)
class Params:
    """Compile-time constants; ``clamps`` is false where the output holds every result."""

    elements: int
    x_zero_point: int
    multiplier: int
    shift: int
    zero_point: int
    low: int
    high: int
    clamps: bool
    x_type: str
    y_type: str


@kernel(Quantize, cost=Cost(output=20))
def lower(op: Quantize, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered | None:
    """In fixed point."""
    (x,) = present(inputs)
    if x.dtype is DType.FLOAT32:
        return None
    scale = _scales.double_multiplier(x.scale, over=output.scale)
    clamps = output.dtype is not DType.INT32
    params = Params(
        output.row_elements, x.zero_point, *scale, output.zero_point, *output.dtype.integer_range, clamps,
        _c_type(x), _c_type(output),
    )  # fmt: skip
    return Lowered(params)


def _c_type(tensor: Tensor) -> str:
    """Words in the arena are read and written through an aliasing type."""
    return "model_int32" if tensor.dtype is DType.INT32 else tensor.dtype.c_name
