# SPDX-License-Identifier: Apache-2.0
"""CROP: some columns of a map, taken once another tensor is complete. Only passes make it."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs, present
from ascmcu.ir.types import Tensor
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops.crop import Crop


@dataclass(frozen=True)
class Params:
    """Where the columns begin in a row of the input, and how long they are, in elements."""

    first: int
    elements: int
    c_type: str


@kernel(Crop, cost=Cost(output=0.5))
def lower(op: Crop, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """A copy of a part of each row."""
    channels = present(inputs)[0].shape[3]
    return Lowered(Params(op.begin * channels, output.row_elements, output.dtype.c_name))
