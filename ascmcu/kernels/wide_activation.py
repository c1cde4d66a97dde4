# SPDX-License-Identifier: Apache-2.0
"""RELU, RELU6, LEAKY_RELU and ABS of int16."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs
from ascmcu.ir.types import Tensor
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops.wide_activation import WideActivation


@dataclass(frozen=True)
class Params:
    """Compile-time constants: multiplier and shift of positive and of negative elements."""

    elements: int
    above: tuple[int, int]
    below: tuple[int, int]
    negated: bool
    absolute: bool
    low: int
    high: int


@kernel(WideActivation, cost=Cost(output=22))
def lower(op: WideActivation, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """No constants in flash."""
    return Lowered(Params(output.row_elements, op.above, op.below, op.negated, op.absolute, *op.clamp))
