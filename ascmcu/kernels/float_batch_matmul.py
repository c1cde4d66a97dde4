# SPDX-License-Identifier: Apache-2.0
"""BATCH_MATMUL of float32: four vectors of the second operand side by side."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs
from ascmcu.ir.types import Tensor
from ascmcu.kernels import _matmul
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops.float_batch_matmul import FloatBatchMatmul


@dataclass(frozen=True)
class Params:
    """Compile-time constants."""

    vectors: _matmul.Vectors


@kernel(FloatBatchMatmul, cost=Cost(mac=3.5, output=15))
def lower(op: FloatBatchMatmul, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """Any operands; constant ones go to flash."""
    return Lowered(Params(_matmul.vectors(inputs, output)), _matmul.constants(inputs))
