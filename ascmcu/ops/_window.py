# SPDX-License-Identifier: Apache-2.0
"""Window geometry shared by convolutions and pooling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import RowReads
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops._quant import incompatible

Pair = tuple[int, int]
Shape = tuple[int, ...]
# (top, bottom, left, right)
Padding = tuple[int, int, int, int]
SAME = 0  # tflite.Padding


@dataclass(frozen=True)
class WindowParams:
    """Compile-time constants of a window on an input map."""

    kernel_h: int
    kernel_w: int
    stride_h: int
    stride_w: int
    dilation_h: int
    dilation_w: int
    pad_top: int
    pad_left: int
    in_h: int
    in_w: int
    in_c: int
    out_w: int
    out_c: int


def same_padding(size: int, kernel: int, stride: int, dilation: int) -> Pair:
    """Rows (or columns) that SAME padding adds before and after (tflite/kernels/padding.h)."""
    output = -(-size // stride)
    total = max((output - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
    return total // 2, total - total // 2


def import_padding(ctx: ImportContext, size: Pair, kernel: Pair, stride: Pair, dilation: Pair) -> Padding:
    """Explicit padding of an operator with a ``Padding`` option."""
    if min(*stride, *dilation, *kernel) < 1:
        raise ctx.error("stride, dilation and kernel must be positive", found=(stride, dilation, kernel))
    if int(ctx.option("Padding", SAME)) != SAME:
        return 0, 0, 0, 0
    top, bottom = same_padding(size[0], kernel[0], stride[0], dilation[0])
    left, right = same_padding(size[1], kernel[1], stride[1], dilation[1])
    return top, bottom, left, right


def import_strides(ctx: ImportContext) -> Pair:
    """(vertical, horizontal) stride."""
    return int(ctx.option("StrideH", 1)), int(ctx.option("StrideW", 1))


def import_dilations(ctx: ImportContext) -> Pair:
    """(vertical, horizontal) dilation."""
    return int(ctx.option("DilationHFactor", 1)), int(ctx.option("DilationWFactor", 1))


def import_pool(ctx: ImportContext) -> tuple[Tensor, Pair, Pair, Padding]:
    """Input, kernel, stride and padding of a pooling operator."""
    x = ctx.inputs[0]
    if x is None or len(x.shape) != 4:
        raise ctx.error("input must have four dimensions", x)
    kernel = (int(ctx.option("FilterHeight", 1)), int(ctx.option("FilterWidth", 1)))
    stride = import_strides(ctx)
    return x, kernel, stride, import_padding(ctx, (x.shape[1], x.shape[2]), kernel, stride, (1, 1))


def output_size(size: Shape, kernel: Shape, stride: Pair, dilation: Pair, padding: Padding) -> Pair:
    """Output height and width.

    Raises:
        ModelError: the window is larger than the padded input.
    """
    top, bottom, left, right = padding
    height = size[0] + top + bottom - (kernel[0] - 1) * dilation[0] - 1
    width = size[1] + left + right - (kernel[1] - 1) * dilation[1] - 1
    if height < 0 or width < 0:
        raise incompatible("the window is larger than the padded input", f"at most {size}", kernel)
    return height // stride[0] + 1, width // stride[1] + 1


def params(
    x: Tensor, output: Tensor, kernel: Pair, stride: Pair, dilation: Pair, padding: Padding
) -> WindowParams:
    """The constants of a window on ``x`` whose results are ``output``, both (1, H, W, C)."""
    _, in_h, in_w, in_c = x.shape
    _, _, out_w, out_c = output.shape
    top, _, left, _ = padding
    return WindowParams(*kernel, *stride, *dilation, top, left, in_h, in_w, in_c, out_w, out_c)


def swap_padding(padding: Padding) -> Padding:
    """(left, right, top, bottom)."""
    top, bottom, left, right = padding
    return left, right, top, bottom


def window_reads(kernel: int, stride: int, dilation: int, pad_before: int) -> RowReads:
    """The rows under a window."""
    return RowReads(stride, -pad_before, (kernel - 1) * dilation + 1)


def windows(x: Array, kernel: Pair, stride: Pair, dilation: Pair, padding: Padding, fill: float = 0) -> Array:
    """Views of shape (N, out_h, out_w, C, kernel_h, kernel_w) on the padded input (N, H, W, C)."""
    top, bottom, left, right = padding
    padded = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=fill)
    span = ((kernel[0] - 1) * dilation[0] + 1, (kernel[1] - 1) * dilation[1] + 1)
    view = sliding_window_view(padded, span, axis=(1, 2))
    return view[:, :: stride[0], :: stride[1], :, :: dilation[0], :: dilation[1]]
