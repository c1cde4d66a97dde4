# SPDX-License-Identifier: Apache-2.0
"""Shared code of average and max pooling."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs, present
from ascmcu.ir.types import DType, Tensor
from ascmcu.kernels._work import Work, inside, work
from ascmcu.ops import _window
from ascmcu.ops._pool import Pool
from ascmcu.ops._window import WindowParams


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
    rows, columns = _inside(w, op.padding[2], out_rows)
    if not k.accumulate:
        return one_by_one(w, op.padding[2], out_rows)
    fours = k.fours and (average or k.high == _HIGHEST)
    step, outputs = ("fours", w.in_c // 4) if fours else ("ones", w.in_c)
    counts = {
        "columns": rows * w.out_w,
        step: rows * w.out_w * outputs,
        f"{step}_taps": rows * columns * outputs,
        "finished": out_rows * w.out_w * w.in_c,
    }
    return work(counts)


def one_by_one(w: WindowParams, left: int, out_rows: int) -> Work:
    """All rows where each output looks at all of its window: outputs, their kernel rows, and taps in the map.

    Args:
        w: the window.
        left: columns of padding in front.
        out_rows: rows of the output.
    """
    rows, columns = _inside(w, left, out_rows)
    counts = {
        "outputs": out_rows * w.out_w * w.in_c,
        "kernel_rows": rows * w.in_c * w.out_w,
        "taps": rows * w.in_c * columns,
    }
    return work(counts)


def _inside(w: WindowParams, left: int, out_rows: int) -> tuple[int, int]:
    """Kernel rows of all output rows, and kernel columns of all output columns, that lie in the map."""
    rows = inside(out_rows, w.kernel_h, w.stride_h, 1, w.pad_top, w.in_h)
    columns = inside(w.out_w, w.kernel_w, w.stride_w, 1, left, w.in_w)
    return sum(rows), sum(columns)
