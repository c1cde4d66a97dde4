# SPDX-License-Identifier: Apache-2.0
"""BATCH_MATMUL of int8: a vector is widened and centred once, then four of the other operand are summed side by side,
by SMLAD."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.op import Inputs, present
from ascmcu.ir.types import DType, Tensor
from ascmcu.kernels import _matmul
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._quads import QUAD
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.kernels._requant import RequantParams, lower_requantization
from ascmcu.ops.batch_matmul import BatchMatmul


@dataclass(frozen=True)
class Params:
    """Compile-time constants; the vector's ``quads`` groups of four lie as SXTB16 parts a word: 0, 2, 1, 3."""

    vectors: _matmul.Vectors
    a_zero_point: int
    b_zero_point: int
    requant: RequantParams

    @property
    def quads(self) -> int:
        """Whole groups of four elements."""
        return self.vectors.depth // QUAD

    @property
    def whole(self) -> int:
        """Elements in them."""
        return self.quads * QUAD


@kernel(BatchMatmul, cost=Cost(mac=2.2, output=25))
def lower(op: BatchMatmul, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """Any operands; constant ones go to flash."""
    a, b = present(inputs)
    ends = [[v - t.zero_point for v in t.dtype.integer_range] for t in (a, b)]
    depth = a.shape[-1]
    reached = [x * y * depth for x in ends[0] for y in ends[1]]
    bounds = np.array([min(reached)], np.int64), np.array([max(reached)], np.int64)
    requant, constants = lower_requantization(op.requantization(inputs, output), bounds)
    params = Params(_matmul.vectors(inputs, output), a.zero_point, b.zero_point, requant)
    return Lowered(params, (*_matmul.constants(inputs), *constants), scratch=(DType.INT16, depth))
