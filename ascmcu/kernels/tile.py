# SPDX-License-Identifier: Apache-2.0
"""TILE and BROADCAST_TO: a tensor several times along its axes."""

from __future__ import annotations

from ascmcu.ir.op import Inputs, RowMode, present
from ascmcu.ir.types import Tensor
from ascmcu.kernels import _loops
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.kernels._strided_copy import CopyParams
from ascmcu.ops.tile import Tile


@kernel(Tile, cost=Cost(output=6))
def lower(op: Tile, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """A strided copy: each axis is two, of which the input has the second."""
    (x,) = present(inputs)
    mapped = op.row_rule(inputs, output).mode is RowMode.MAP
    first = 2 if mapped else 0
    source, target = (_loops.contiguous_strides(t.shape)[first:] for t in (x, output))
    extents, reads, writes = [], [], []
    for extent, times, read, write in zip(x.shape[first:], op.times[first:], source, target, strict=True):
        extents += [times, extent]
        reads += [0, read]
        writes += [extent * write, write]
    row_stride = int(mapped and x.rows > 1)
    return Lowered(CopyParams(_loops.loops(extents, (writes, reads)), 0, row_stride, 0, output.dtype.c_name))
