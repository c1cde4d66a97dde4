# SPDX-License-Identifier: Apache-2.0
"""SQRT of int16."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.op import Inputs, present
from ascmcu.ir.types import Tensor
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops.wide_sqrt import WideSqrt


@dataclass(frozen=True)
class Params:
    """Compile-time constants: both scales as float32; ``high`` is the greatest integer."""

    elements: int
    x_scale: float
    y_scale: float
    high: int


@kernel(WideSqrt, cost=Cost(output=50))
def lower(op: WideSqrt, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """No constants in flash."""
    (x,) = present(inputs)
    scales = (float(np.float32(x.scale)), float(np.float32(output.scale)))
    return Lowered(Params(output.row_elements, *scales, output.dtype.integer_range[1]))
