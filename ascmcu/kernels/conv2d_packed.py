# SPDX-License-Identifier: Apache-2.0
"""CONV_2D by the packed product (``_packed_gemm``): input columns are widened to int16 a block of pixels at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.layout import CHANNEL_PLANAR, ROW_MAJOR, Layout
from ascmcu.ir.op import Inputs
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.kernels import _packed_work
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._packed_gemm import GemmParams, packed_gemm, pair_order
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.kernels._requant import accumulator_bounds
from ascmcu.kernels._work import Work, blocks, inside, work
from ascmcu.m4.asm import MOST_OFFSET
from ascmcu.ops._quant import word_of
from ascmcu.ops._window import WindowParams
from ascmcu.ops.conv2d import Conv2D

_MOST_CHANNELS = 4000


@dataclass(frozen=True)
class Params:
    """Compile-time constants: ``block`` pixels' input columns are widened at a time, each ``column`` int16 long (kernel
    rows of one column, made even), ``skip`` input bytes being left out between two. An output in ``planes`` is first
    filled with ``fill``, the zero point four times."""

    window: WindowParams
    x_zero_point: int
    x_type: str
    column: int
    skip: int
    block: int
    planes: Layout | None
    fill: int
    gemm: GemmParams

    @property
    def fours(self) -> bool:
        """Whether a pixel is widened four channels at a time."""
        return self.window.in_c % 4 == 0

    @property
    def taps(self) -> int:
        """Of a column, without what makes their number even."""
        return self.window.kernel_h * self.window.in_c

    @property
    def whole_blocks(self) -> bool:
        """Whether the pixels fill the last block."""
        return self.window.out_w % self.block == 0

    @property
    def plain(self) -> bool:
        """Whether a pixel's column is its channels, and nothing is padded."""
        w = self.window
        return (
            w.kernel_h == w.kernel_w == w.stride_w == 1
            and w.pad_top == w.pad_left == 0
            and (w.out_w == w.in_w and self.fours)
        )


@kernel(Conv2D, writes=(ROW_MAJOR, CHANNEL_PLANAR), cost=Cost(mac=0.94, output=15, input=2))
def lower(op: Conv2D, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered | None:
    """One group, no dilation along the row, and a requantization that is exact in one multiplication."""
    x, weights, bias = op.operands(inputs)
    channels, kernel_h, kernel_w, depth = weights.shape
    planes = output.layout if output.layout.planar else None
    if x.shape[3] != depth or op.dilation[1] != 1 or (planes and planes.width * channels > MOST_OFFSET):
        return None
    column = -(-kernel_h * depth // 2) * 2
    # Columns that no pixel reads are not widened.
    apart = kernel_w == 1 and depth % 4 == 0 and op.padding[2] == 0
    apart &= (output.shape[2] - 1) * op.stride[1] < x.shape[2]
    step = 1 if apart else op.stride[1]
    form = packed_gemm(
        column_order(weights.values, column),
        bias.values,
        x,
        op.requantization(inputs, output),
        accumulator_bounds(weights.values.reshape(channels, -1), bias.values, x),
        pixel_bytes=2 * column * step,
        out_step=1 if planes else channels,
        channel_step=planes.width if planes else 1,
        tuning=tuning,
    )
    if form is None or channels > _MOST_CHANNELS:
        return None
    block = _block(output.shape[2], kernel_w, step, column, tuning.scratch_bytes)
    params = Params(
        window=op.window_params(x, weights, output),
        x_zero_point=x.zero_point,
        x_type=x.dtype.c_name,
        column=column,
        skip=(op.stride[1] - step) * depth,
        block=block,
        planes=planes,
        fill=word_of(output.zero_point),
        gemm=form.params,
    )
    scratch = column * ((block - 1) * step + kernel_w)
    return Lowered(
        params,
        form.arrays,
        scratch=(DType.INT16, scratch),
        shift=form.params.shift,
        work=_work(params, output.shape[1]),
    )


def _work(k: Params, out_rows: int) -> Work:
    """All rows: their columns widened, then summed."""
    w = k.window
    rows_inside = inside(out_rows, w.kernel_h, w.stride_h, w.dilation_h, w.pad_top, w.in_h)
    reached = sum(rows_inside)
    found = _packed_work.row(k.gemm, w.out_w, k.block) * out_rows
    for ox, count in blocks(w.out_w, k.block):
        found += work({"blocks": out_rows})
        if _plain(w):
            found += _packed_work.widened(count * w.in_c // 4) * out_rows
            continue
        columns = count if k.skip else (count - 1) * w.stride_w + w.kernel_w
        first = ox * w.stride_w - w.pad_left
        within = columns if k.skip else min(first + columns, w.in_w) - max(first, 0)
        filled = reached * (columns - within) + (out_rows * w.kernel_h - reached) * columns
        found += _columns(k, within) * reached
        found += work({f"fill_{_form(w.in_c)}": filled, "fill_words": filled * w.in_c // 2})
        found += work({"zeroed": out_rows * columns if k.column != w.kernel_h * w.in_c else 0})
    return found


def _columns(k: Params, columns: int) -> Work:
    """One input row's part of neighbouring columns, widened."""
    w = k.window
    if w.in_c % 4 == 0:
        whole = w.kernel_h == 1 and k.skip == 0
        runs = (columns * w.in_c // 4, 1) if whole else (w.in_c // 4, columns)
        return work({"runs": 1}) + _packed_work.widened(*runs, side_by_side=k.skip == 0)
    form = _form(w.in_c)
    return work({f"{form}_runs": 1, f"{form}_columns": columns, f"{form}_bytes": columns * w.in_c})


def _form(channels: int) -> str:
    """How a column's part of one row is widened: by words, byte by byte without a loop, or in a loop."""
    return "words" if channels % 4 == 0 else f"narrow{channels}" if channels < 4 else "ragged"


def _plain(w: WindowParams) -> bool:
    """Whether a pixel's column is its channels, and nothing is padded."""
    alone = w.kernel_h == w.kernel_w == w.stride_w == 1 and w.pad_top == w.pad_left == 0
    return alone and w.out_w == w.in_w and w.in_c % 4 == 0


def column_order(weights: Array, column: int) -> Array:
    """(O, kernel_h, kernel_w, C) → (O, taps) in the order of the widened columns: kx, then ky and channels, ``column``
    of them."""
    channels, kernel_h, kernel_w, depth = weights.shape
    ordered = weights.transpose(0, 2, 1, 3)[..., pair_order(depth)].reshape(
        channels, kernel_w, kernel_h * depth
    )
    padded = np.zeros((channels, kernel_w, column), np.int8)
    padded[..., : kernel_h * depth] = ordered
    return padded.reshape(channels, -1)


def _block(out_w: int, kernel_w: int, stride: int, column: int, scratch_bytes: int) -> int:
    """Pixels per block: the whole row if its columns fit the scratch, else an even number that does, at least two."""
    fitting = max((scratch_bytes // (2 * column) - kernel_w) // stride + 1, 2)
    return out_w if out_w <= fitting else fitting // 2 * 2
