# SPDX-License-Identifier: Apache-2.0
"""SELECT and SELECT_V2: elements of one tensor where a condition holds, else of another."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs, present
from ascmcu.ir.types import Tensor
from ascmcu.kernels import _loops
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops.select import Select


@dataclass(frozen=True)
class Params:
    """Compile-time constants; loops have steps (output, condition, a, b)."""

    loops: tuple[_loops.Loop, ...]
    c_type: str


@kernel(Select, cost=Cost(output=12))
def lower(op: Select, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """Constant operands go to flash."""
    target = output.row_shape
    strides = [_loops.contiguous_strides(target)]
    for t in present(inputs):
        strides.append(_loops.broadcast_strides(_loops.row_shape_of(output, t.shape), target))
    constants = tuple(
        (name, t.data)
        for name, t in zip(("condition", "a", "b"), present(inputs), strict=True)
        if t.data is not None
    )
    return Lowered(Params(_loops.loops(target, strides), output.dtype.c_name), constants)
