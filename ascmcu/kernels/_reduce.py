# SPDX-License-Identifier: Apache-2.0
"""Shared code of reductions: loops, and the number of rows per accumulator."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ascmcu.ir.op import Inputs, RowMode, present
from ascmcu.ir.types import Tensor
from ascmcu.kernels import _loops
from ascmcu.kernels._loops import Loop
from ascmcu.ops._reduce import Reduction


@dataclass(frozen=True)
class Geometry:
    """The loops over one input row (steps: input, output) and how many elements the output has.

    ``steps`` input rows are accumulated into ``outputs`` accumulators; when ``steps`` is 1 each step is complete.
    """

    loops: tuple[Loop, ...]
    outputs: int
    steps: int
    count: int


def geometry(op: Reduction, inputs: Inputs, output: Tensor) -> Geometry:
    """The loops over what one step reads."""
    (x,) = present(inputs)
    rule = op.row_rule(inputs, output)
    shape = x.shape if rule.mode is RowMode.WHOLE else x.row_shape
    first = len(x.shape) - len(shape)
    kept = [1 if first + i in op.axes else d for i, d in enumerate(shape)]
    out_strides = [
        0 if first + i in op.axes else stride for i, stride in enumerate(_loops.contiguous_strides(kept))
    ]
    levels = _loops.loops(shape, (_loops.contiguous_strides(shape), out_strides))
    steps = rule.steps if rule.mode is RowMode.ACCUMULATE else 1
    return Geometry(levels, math.prod(kept), steps, op.count(x))
