# SPDX-License-Identifier: Apache-2.0
"""Shared code of average and max pooling."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs, present
from ascmcu.ir.types import DType, Tensor
from ascmcu.kernels._work import Work, inside, work
from ascmcu.ops import _window
from ascmcu.ops._pool import Pool


@dataclass(frozen=True)
class Params:
    """Compile-time constants of the row kernel."""

    window: _window.WindowParams
    low: int
    high: int
    c_type: str
    accumulate: bool
    fours: bool


# An activation that clamps below this takes maxima one by one.
_HIGHEST = 127


def params(op: Pool, inputs: Inputs, output: Tensor) -> Params:
    """The parameters of the row kernel."""
    (x,) = present(inputs)
    return Params(
        _window.params(x, output, op.kernel, op.stride, (1, 1), op.padding),
        *op.clamp,
        x.dtype.c_name,
        op.accumulates(inputs, output),
        # Four int8 channels at a time; the sums of a window's columns must fit 16 bits, and maxima need no clamp.
        x.dtype is DType.INT8 and x.shape[3] % 4 == 0 and op.kernel[1] <= 255,
    )


def counted(k: Params, op: Pool, out_rows: int, *, average: bool) -> Work:
    """All rows: taps in the map, four channels or one at a time, then outputs."""
    w = k.window
    columns = sum(inside(w.out_w, w.kernel_w, w.stride_w, 1, op.padding[2], w.in_w))
    rows = inside(out_rows, w.kernel_h, w.stride_h, 1, w.pad_top, w.in_h)
    if not k.accumulate:
        taps = sum(rows) * w.in_c
        counts = {
            "outputs": out_rows * w.out_w * w.in_c,
            "kernel_rows": taps * w.out_w,
            "taps": taps * columns,
        }
        return work(counts)
    fours = k.fours and (average or k.high == _HIGHEST)
    step, outputs = ("fours", w.in_c // 4) if fours else ("ones", w.in_c)
    counts = {
        "columns": sum(rows) * w.out_w,
        step: sum(rows) * w.out_w * outputs,
        f"{step}_taps": sum(rows) * columns * outputs,
        "finished": out_rows * w.out_w * w.in_c,
    }
    return work(counts)
