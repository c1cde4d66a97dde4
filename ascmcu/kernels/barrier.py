# SPDX-License-Identifier: Apache-2.0
"""BARRIER: a tensor whose rows are read again after all of them are complete. Only passes make it."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs
from ascmcu.ir.types import Tensor
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops.barrier import Barrier


@dataclass(frozen=True)
class Params:
    """Elements of a row."""

    elements: int
    c_type: str


@kernel(Barrier, cost=Cost(output=0.5))
def lower(op: Barrier, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """A copy of a row; the planner makes it an alias."""
    return Lowered(Params(output.row_elements, output.dtype.c_name))
