# SPDX-License-Identifier: Apache-2.0
"""GATHER with constant indices: slices, joined if the indices are not a progression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Op
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops import _quant
from ascmcu.ops.concatenation import Concatenation
from ascmcu.ops.reshape import Reshape
from ascmcu.ops.slice import Slice


@register("GATHER")
@dataclass(frozen=True)
class Gather(Op):
    """Never a node: the import emits what it stands for. Keras gathers from shapes, so most are constants."""

    KIND = "gather"
    REWRITTEN = True

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Define the output if everything is constant, else emit slices along the axis."""
        x, output = ctx.inputs[0], ctx.outputs[0]
        indices = ctx.const(1)
        if x is None or int(ctx.option("BatchDims", 0)) != 0:
            raise ctx.error("gathering in batches is not supported", x)
        axis = int(ctx.option("Axis", 0))
        axis += len(x.shape) if axis < 0 else 0
        if not 0 <= axis < len(x.shape) or not np.all((indices >= 0) & (indices < x.shape[axis])):
            raise ctx.error("an index or the axis is out of range", x, found=indices.reshape(-1)[:8].tolist())
        if output.dtype in (DType.INT32, DType.INT64):
            ctx.define(output, np.take(ctx.const(0), indices, axis=axis))
            return
        _quant.require_same(ctx, x, "gathering")
        _emit(ctx, x, output, indices.reshape(-1), axis)


def _emit(ctx: ImportContext, x: Tensor, output: Tensor, indices: Array, axis: int) -> None:
    runs = _progressions([int(i) for i in indices])
    joined = (*x.shape[:axis], len(indices), *x.shape[axis + 1 :])
    whole = output if output.shape == joined else ctx.temporary(output, joined, f"{output.name}.joined")
    parts = []
    for begin, step, count in runs:
        size = (*x.shape[:axis], count, *x.shape[axis + 1 :])
        first, strides = [0] * len(x.shape), [1] * len(x.shape)
        first[axis], strides[axis] = begin, step
        part = whole if len(runs) == 1 else ctx.temporary(output, size, f"{output.name}.part")
        ctx.emit(Slice(tuple(first), size, tuple(strides)), (x,), part)
        parts.append(part)
    if len(runs) > 1:
        ctx.emit(Concatenation(axis), parts, whole)
    if whole is not output:
        ctx.emit(Reshape(output.shape), (whole,), output)


def _progressions(indices: list[int]) -> list[tuple[int, int, int]]:
    """(begin, step, count) of runs that together are the indices; steps are not zero."""
    runs: list[tuple[int, int, int]] = []
    at = 0
    while at < len(indices):
        step = indices[at + 1] - indices[at] if at + 1 < len(indices) else 1
        count = 1
        while step != 0 and at + count < len(indices) and indices[at + count] == indices[at] + count * step:
            count += 1
        runs.append((indices[at], step or 1, count))
        at += count
    return runs
