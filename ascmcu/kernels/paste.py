# SPDX-License-Identifier: Apache-2.0
"""PASTE: a strip put in its columns of a map. Only passes make it."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs, present
from ascmcu.ir.types import Tensor
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops.paste import Paste


@dataclass(frozen=True)
class Params:
    """Where the strip begins in a row of the map, and its elements in a row."""

    first: int
    elements: int
    c_type: str


@kernel(Paste, cost=Cost(input=0.5))
def lower(op: Paste, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """A copy of each row; the map's other columns are there, since the planner overwrites the second input."""
    strip = present(inputs)[0]
    first = op.begin * strip.shape[3]
    return Lowered(Params(first, strip.row_elements, output.dtype.c_name))
