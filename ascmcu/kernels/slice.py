# SPDX-License-Identifier: Apache-2.0
"""SLICE, STRIDED_SLICE, SPLIT, SPLIT_V, UNPACK: parts of a tensor."""

from __future__ import annotations

from ascmcu.ir.op import Inputs, RowMode, present
from ascmcu.ir.types import Tensor
from ascmcu.kernels import _loops
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.kernels._strided_copy import CopyParams
from ascmcu.kernels._work import work
from ascmcu.ops.slice import Slice


@kernel(Slice, cost=Cost(output=6))
def lower(op: Slice, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """A strided copy."""
    (x,) = present(inputs)
    mapped = op.row_rule(inputs, output).mode is RowMode.MAP
    first = 2 if mapped else 0
    strides = _loops.contiguous_strides(x.shape)[first:]
    walk = [a * b for a, b in zip(strides, op.strides[first:], strict=True)]
    size = op.size[first:]
    base = sum(a * b for a, b in zip(strides, op.begin[first:], strict=True))
    rows = (op.strides[1], op.begin[1]) if mapped else (0, 0)
    levels = _loops.loops(size, (_loops.contiguous_strides(size), walk))
    counts = {"elements": output.elements, "runs": output.elements // levels[-1].extent}
    return Lowered(CopyParams(levels, base, *rows, output.dtype.c_name), work=work(counts))
