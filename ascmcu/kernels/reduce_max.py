# SPDX-License-Identifier: Apache-2.0
"""REDUCE_MAX and REDUCE_MIN over any axes, of booleans too."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs
from ascmcu.ir.types import Tensor
from ascmcu.kernels import _reduce
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops.reduce_max import ReduceMax


@dataclass(frozen=True)
class Params:
    """Compile-time constants; ``start`` is what every element replaces."""

    geometry: _reduce.Geometry
    smallest: bool
    start: int
    c_type: str


@kernel(ReduceMax, cost=Cost(input=5))
def lower(op: ReduceMax, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """The output itself holds the running extreme."""
    geometry = _reduce.geometry(op, inputs, output)
    return Lowered(
        Params(geometry, op.smallest, output.dtype.integer_range[op.smallest], output.dtype.c_name)
    )
