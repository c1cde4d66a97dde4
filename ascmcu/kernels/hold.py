# SPDX-License-Identifier: Apache-2.0
"""HOLD: a tensor that nothing reads before all of its rows are there. Only passes make it."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs
from ascmcu.ir.types import Tensor
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops.hold import Hold


@dataclass(frozen=True)
class Params:
    """Bytes of the tensor."""

    size_bytes: int


@kernel(Hold, cost=Cost(output=0.5))
def lower(op: Hold, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """A copy of the tensor; the planner makes it an alias, but of an input of the network."""
    return Lowered(Params(output.size_bytes))
