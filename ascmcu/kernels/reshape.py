# SPDX-License-Identifier: Apache-2.0
"""RESHAPE, SQUEEZE, EXPAND_DIMS: the same elements under another shape."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs
from ascmcu.ir.types import Tensor
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops.reshape import Reshape


@dataclass(frozen=True)
class Params:
    """Elements that one step copies."""

    elements: int
    c_type: str


@kernel(Reshape, cost=Cost(output=0.5))
def lower(op: Reshape, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """A copy; the planner makes it an alias where it can."""
    rule = op.row_rule(inputs, output)
    return Lowered(Params(output.elements // rule.steps, output.dtype.c_name))
