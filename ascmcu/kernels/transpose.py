# SPDX-License-Identifier: Apache-2.0
"""TRANSPOSE: axes in another order."""

from __future__ import annotations

from ascmcu.ir.op import Inputs, RowMode, present
from ascmcu.ir.types import Tensor
from ascmcu.kernels import _loops
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.kernels._strided_copy import CopyParams
from ascmcu.ops.transpose import Transpose


@kernel(Transpose, cost=Cost(output=8))
def lower(op: Transpose, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """A strided copy."""
    (x,) = present(inputs)
    mapped = op.row_rule(inputs, output).mode is RowMode.MAP
    first = 2 if mapped else 0
    strides = _loops.contiguous_strides(x.shape)
    walk = [strides[p] for p in op.permutation[first:]]
    extents = output.shape[first:]
    levels = _loops.loops(extents, (_loops.contiguous_strides(extents), walk))
    return Lowered(CopyParams(levels, 0, int(mapped), 0, output.dtype.c_name))
