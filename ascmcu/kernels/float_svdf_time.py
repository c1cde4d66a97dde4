# SPDX-License-Identifier: Apache-2.0
"""What a float32 SVDF gives, out of its memory."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs, present
from ascmcu.ir.types import Tensor
from ascmcu.kernels import _float
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops.float_svdf_time import FloatSvdfTime


@dataclass(frozen=True)
class Params:
    """Compile-time constants: ``taps`` entries of memory make one of ``units`` outputs."""

    units: int
    taps: int
    clamp: _float.Clamp


@kernel(FloatSvdfTime, cost=Cost(mac=5, output=20))
def lower(op: FloatSvdfTime, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """Weights as they are."""
    memory, weights, bias = present(inputs)
    params = Params(output.elements, memory.elements // output.elements, _float.clamp(op.activation))
    return Lowered(params, (("weights", weights.values), ("bias", bias.values)))
