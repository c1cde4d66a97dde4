# SPDX-License-Identifier: Apache-2.0
"""SOFTMAX of int16 over the last axis, by tables of 513 entries."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs
from ascmcu.ir.types import Tensor
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops.wide_softmax import WideSoftmax, exp_table, reciprocal_table


@dataclass(frozen=True)
class Params:
    """Compile-time constants: ``vectors`` of ``depth`` elements per step."""

    vectors: int
    depth: int
    multiplier: int
    shift: int


@kernel(WideSoftmax, cost=Cost(output=80))
def lower(op: WideSoftmax, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """The tables go to flash."""
    depth = output.shape[-1]
    params = Params(output.row_elements // depth, depth, op.multiplier, op.shift)
    return Lowered(params, (("exponentials", exp_table()), ("reciprocals", reciprocal_table())))
