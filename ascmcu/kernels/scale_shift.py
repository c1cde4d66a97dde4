# SPDX-License-Identifier: Apache-2.0
"""SCALE_SHIFT: x × factor + offset in one step, made by a pass of MUL and ADD (a batch normalization)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.op import Inputs, present
from ascmcu.ir.types import Tensor
from ascmcu.kernels import _loops
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops import _sum
from ascmcu.ops._fixed import multiply_by_quantized_multiplier
from ascmcu.ops.mul import Mul
from ascmcu.ops.scale_shift import ScaleShift


@dataclass(frozen=True)
class Params:
    """Compile-time constants of the row kernel; loops have steps (output and x, factor, offset).

    The flash arrays hold factor − zero point, and the offset as ADD scales it.
    """

    loops: tuple[_loops.Loop, ...]
    x_zero_point: int
    factor_multiplier: int
    factor_shift: int
    middle_zero_point: int
    middle_low: int
    middle_high: int
    left_shift: int
    middle_multiplier: int
    middle_shift: int
    y_multiplier: int
    y_shift: int
    y_zero_point: int
    low: int
    high: int
    x_type: str
    y_type: str


@kernel(ScaleShift, cost=Cost(output=90))
def lower(op: ScaleShift, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """Constants go to flash, centred and scaled."""
    x, factor, offset = present(inputs)
    middle = op.middle(x)
    m_middle, m_offset, m_y = _sum.multipliers(middle, offset, output)
    centred = (offset.values.astype(np.int64) - offset.zero_point) << _sum.LEFT_SHIFT
    scaled = multiply_by_quantized_multiplier(centred, *m_offset) * (-1 if op.subtract else 1)
    params = Params(
        _row_loops(factor, offset, output), x.zero_point, *Mul.multiplier((x, factor), middle),
        op.middle_zero_point, *op.middle_clamp, _sum.LEFT_SHIFT, *m_middle, *m_y,
        output.zero_point, *op.clamp, x.dtype.c_name, output.dtype.c_name,
    )  # fmt: skip
    factors = factor.values.astype(np.int16) - np.int16(factor.zero_point)
    return Lowered(params, (("factor", factors), ("offset", scaled.astype(np.int32))))


def _row_loops(factor: Tensor, offset: Tensor, output: Tensor) -> tuple[_loops.Loop, ...]:
    target = output.row_shape
    strides = [_loops.contiguous_strides(target)]
    for t in (factor, offset):
        strides.append(_loops.broadcast_strides(_loops.row_shape_of(output, t.shape), target))
    return _loops.loops(target, strides)
