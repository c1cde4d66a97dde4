# SPDX-License-Identifier: Apache-2.0
"""RESIZE_BILINEAR of float32: two rows and two columns by tables of places and weights."""

from __future__ import annotations

import numpy as np

from ascmcu.ir.op import Inputs
from ascmcu.ir.types import Tensor
from ascmcu.kernels import _resize
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops.float_resize_bilinear import FloatResizeBilinear


@kernel(FloatResizeBilinear, cost=Cost(output=25))
def lower(op: FloatResizeBilinear, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """The tables go to flash."""
    rows, columns = _resize.tables(op, inputs)
    constants = (
        ("row_low", _resize.short(rows.low)),
        ("row_high", _resize.short(rows.high)),
        ("row_weight", rows.weight),
        ("column_low", columns.low.astype(np.int32)),
        ("column_high", columns.high.astype(np.int32)),
        ("column_weight", columns.weight),
    )
    return Lowered(_resize.params(op, inputs, output), constants)
