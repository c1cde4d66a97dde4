# SPDX-License-Identifier: Apache-2.0
"""BATCH_MATMUL of int16, summed in 64 bits."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs
from ascmcu.ir.types import Tensor
from ascmcu.kernels import _matmul, _wide
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops.wide_batch_matmul import WideBatchMatmul


@dataclass(frozen=True)
class Params:
    """Compile-time constants."""

    vectors: _matmul.Vectors
    low: int
    high: int


@kernel(WideBatchMatmul, cost=Cost(mac=3, output=40))
def lower(op: WideBatchMatmul, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """Any operands; constant ones go to flash."""
    requant = op.requantization(inputs, output)
    params = Params(_matmul.vectors(inputs, output), requant.low, requant.high)
    return Lowered(params, (*_matmul.constants(inputs), *_wide.scales(requant)))
