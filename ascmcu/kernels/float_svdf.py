# SPDX-License-Identifier: Apache-2.0
"""SVDF on float32: the memory moves on by one entry."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs, present
from ascmcu.ir.types import Tensor
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops.float_svdf import FloatSvdf


@dataclass(frozen=True)
class Params:
    """Compile-time constants."""

    depth: int
    filters: int
    memory: int


@kernel(FloatSvdf, cost=Cost(mac=5, output=4))
def lower(op: FloatSvdf, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """Weights as they are."""
    _, x, weights = present(inputs)
    return Lowered(Params(x.elements, weights.shape[0], op.memory), (("weights", weights.values),))
