# SPDX-License-Identifier: Apache-2.0
"""L2_NORMALIZATION of float32 over the last axis."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs
from ascmcu.ir.types import Tensor
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops.float_l2_normalization import LEAST, FloatL2Normalization


@dataclass(frozen=True)
class Params:
    """Compile-time constants: ``vectors`` of ``depth`` elements per step."""

    vectors: int
    depth: int
    least: float


@kernel(FloatL2Normalization, cost=Cost(output=24))
def lower(op: FloatL2Normalization, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """No constants."""
    depth = output.shape[-1]
    return Lowered(Params(output.row_elements // depth, depth, LEAST))
