# SPDX-License-Identifier: Apache-2.0
"""SOFTMAX and LOG_SOFTMAX of float32 over the last axis."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs
from ascmcu.ir.types import Tensor
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops.float_softmax import FloatSoftmax


@dataclass(frozen=True)
class Params:
    """Compile-time constants: ``vectors`` of ``depth`` elements per step."""

    vectors: int
    depth: int
    beta: float
    logarithm: bool


@kernel(FloatSoftmax, cost=Cost(output=200))
def lower(op: FloatSoftmax, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """No constants."""
    depth = output.shape[-1]
    return Lowered(Params(output.row_elements // depth, depth, op.beta, op.logarithm))
