# SPDX-License-Identifier: Apache-2.0
"""RESIZE_NEAREST_NEIGHBOR: pixels are copied by a table of columns, equal rows as a whole."""

from __future__ import annotations

import numpy as np

from ascmcu.ir.op import Inputs
from ascmcu.ir.types import Tensor
from ascmcu.kernels import _resize
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops.resize_nearest import ResizeNearest


@kernel(ResizeNearest, cost=Cost(output=4))
def lower(op: ResizeNearest, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """The tables go to flash."""
    rows, columns = _resize.tables(op, inputs)
    constants = (("rows", _resize.short(rows.low)), ("columns", columns.low.astype(np.int32)))
    return Lowered(_resize.params(op, inputs, output), constants)
