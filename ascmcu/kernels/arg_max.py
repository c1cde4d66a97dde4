# SPDX-License-Identifier: Apache-2.0
"""ARG_MAX and ARG_MIN: the place of the extreme along one axis."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs, present
from ascmcu.ir.types import Tensor
from ascmcu.kernels._along_axis import Along, along
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops.arg_max import ArgMax


@dataclass(frozen=True)
class Params:
    """Compile-time constants."""

    walk: Along
    smallest: bool
    x_type: str
    y_type: str


@kernel(ArgMax, cost=Cost(input=6))
def lower(op: ArgMax, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """No constants."""
    (x,) = present(inputs)
    walk = along(x, op.axis, op.row_rule(inputs, output))
    return Lowered(Params(walk, op.smallest, x.dtype.c_name, output.dtype.c_name))
