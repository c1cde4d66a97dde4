# SPDX-License-Identifier: Apache-2.0
"""RESIZE_BILINEAR of integers: two rows and two columns by tables of places and weights."""

from __future__ import annotations

import numpy as np

from ascmcu.ir.op import Inputs
from ascmcu.ir.types import DType, Tensor
from ascmcu.kernels import _resize
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops.resize_bilinear import ResizeBilinear


@kernel(ResizeBilinear, cost=Cost(output=30))
def lower(op: ResizeBilinear, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """The tables go to flash; sums of int8 fit 32 bits."""
    rows, columns = _resize.tables(op, inputs)
    constants = (
        ("row_low", _resize.short(rows.low)),
        ("row_high", _resize.short(rows.high)),
        ("row_weight", _resize.short(rows.weight)),
        ("column_low", columns.low.astype(np.int32)),
        ("column_high", columns.high.astype(np.int32)),
        ("column_weight", _resize.short(columns.weight)),
    )
    sum_type = "int32_t" if output.dtype is DType.INT8 else "int64_t"
    return Lowered(_resize.params(op, inputs, output, sum_type), constants)
