# SPDX-License-Identifier: Apache-2.0
"""DEPTHWISE_CONV_2D three columns wide: SMLAD on two neighbouring columns of one channel.

A block of channels is brought into planes of int16, one per channel and kernel row, the padding filled in. Per plane
two words then hold four columns, enough for two outputs (stride 1), and two words of weights, P = (w0, w1) and
Q = (w1, w2), serve both outputs:

    out0 += x0·w0 + x1·w1   SMLAD  (word 0, P)        out1 += x1·w0           SMLATB (word 0, P)
    out0 += x2·w2           SMLABT (word 1, Q)        out1 += x2·w1 + x3·w2   SMLAD  (word 1, Q)

Weights and bias are stored times 256, which leaves the sums where the requantization of the packed product wants them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.op import Inputs
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.kernels._depthwise_im2row_code import Shape, code
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._packed_gemm import channel_constants, folded_bias
from ascmcu.kernels._packed_work import open_bounds
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.kernels._requant import accumulator_bounds
from ascmcu.kernels._work import Work, blocks, inside, work
from ascmcu.m4.listing import Listing
from ascmcu.ops._fixed import I64, wrap32
from ascmcu.ops._window import WindowParams
from ascmcu.ops.depthwise_conv2d import DepthwiseConv2D

KERNEL_W = 3
_MOST_CHANNELS = 2000
_MOST_ROW_BYTES = 4000
# Blocks of a depthwise layer share nothing: smaller ones cost next to nothing.
_SCRATCH_BYTES = 1024
_MOST_ROWS = 3  # weights of three kernel rows fill six registers
_UNROLLED_WIDTH = 8


@dataclass(frozen=True)
class Channels(Shape):
    """Compile-time constants of the inner kernel, which takes ``block`` channels at a time. A channel's constants are
    two words of weights per row, the bias, M, C and, where ``signed``, D."""

    block: int

    @property
    def code(self) -> Listing:
        """The assembly."""
        return code(self)

    @property
    def channel_words(self) -> int:
        """Constants of one channel."""
        return self.bias_word + 1 + self.scale_words

    @property
    def bias_word(self) -> int:
        """Where the bias is among them; M, C and D follow."""
        return 2 * self.rows

    @property
    def channel_elements(self) -> int:
        """int16 elements of one channel's planes."""
        return self.rows * self.plane

    @property
    def scratch(self) -> int:
        """int16 elements of one block's planes."""
        return self.block * self.channel_elements


@dataclass(frozen=True)
class Params:
    """Compile-time constants of the row kernel."""

    window: WindowParams
    x_zero_point: int
    x_type: str
    planar: Channels

    @property
    def columns_end(self) -> int:
        """Of a plane, where the input's columns end."""
        return min(self.window.pad_left + self.window.in_w, self.planar.plane)

    @property
    def columns(self) -> int:
        """The input's columns in a plane."""
        return self.columns_end - self.window.pad_left

    @property
    def last_block(self) -> bool:
        """Whether the last block has fewer channels."""
        return self.window.in_c % self.planar.block != 0


@kernel(DepthwiseConv2D, cost=Cost(mac=1.7, output=15, input=6))
def lower(op: DepthwiseConv2D, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered | None:
    """Up to three kernel rows, one output per input channel, and a requantization that is exact in one
    multiplication."""
    x, weights, bias = op.operands(inputs)
    _, rows, width, channels = weights.shape
    stride, out_w = op.stride[1], output.shape[2]
    if channels != x.shape[3] or op.dilation[1] != 1 or width != KERNEL_W or rows > _MOST_ROWS:
        return None
    if stride not in (1, 2) or x.dtype is not DType.INT8 or weights.values.min() < -127:
        return None
    requant = op.requantization(inputs, output)
    taps = weights.values.reshape(-1, channels)
    found = channel_constants(requant, accumulator_bounds(taps.T, bias.values, x), tuning)
    if found is None or channels > _MOST_CHANNELS:
        return None
    columns = (2 * -(-out_w // 2) - 1) * stride + KERNEL_W
    plane = columns + columns % 2
    if rows * plane * 2 > _MOST_ROW_BYTES:
        return None
    fitting = min(tuning.scratch_bytes, _SCRATCH_BYTES) // (2 * rows * plane)
    params = Channels(
        rows=rows,
        plane=plane,
        block=max(min(fitting, channels) // 4 * 4, min(channels, 4)),
        stride=stride,
        out_w=out_w,
        channels=channels,
        shift=found.shift,
        signed=found.signed,
        low=requant.low,
        high=requant.high,
        unrolled=out_w <= _UNROLLED_WIDTH,
    )
    words = _words(weights.values[0])
    words[found.constant] = 0
    folded = folded_bias(found, taps, bias.values, x)
    constants = np.concatenate([words, folded[:, np.newaxis], found.columns], axis=1)
    row = Params(op.window_params(x, weights, output), x.zero_point, x.dtype.c_name, params)
    return Lowered(
        row,
        (("constants", wrap32(constants).astype(np.int32)),),
        scratch=(DType.INT16, params.scratch),
        shift=params.shift,
        work=_work(row, output.shape[1]),
    )


def _work(k: Params, out_rows: int) -> Work:
    """All rows, a block of channels at a time: brought into planes, then summed."""
    p, w = k.planar, k.window
    channels, outputs = out_rows * p.channels, out_rows * p.channels * p.out_w
    inside_rows = sum(inside(out_rows, w.kernel_h, w.stride_h, 1, w.pad_top, w.in_h))
    rows, columns = out_rows * w.kernel_h, min(w.in_w, p.plane - w.pad_left)
    done = [count for _, count in blocks(p.channels, p.block)]
    fours, rest = sum(c // 4 for c in done), sum(c % 4 for c in done)
    filled = inside_rows * (p.plane - columns) + (rows - inside_rows) * p.plane
    odd = channels * (p.out_w % 2)
    counts = {
        "blocks": out_rows * len(done),
        "planes": rows * p.channels,
        "filled": filled * p.channels,
        "fours": inside_rows * fours,
        "four_columns": inside_rows * fours * columns,
        "rests": inside_rows * rest,
        "rest_columns": inside_rows * rest * columns,
        "channels": channels,
        "pairs": channels * p.pairs,
        f"pair_rows_by_{p.stride}": channels * p.pairs * p.rows,
        "pair_loops": 0 if p.unrolled else channels * p.pairs,
        "odd": odd,
        "odd_rows": odd * p.rows,
        "signed": outputs if p.signed else 0,
        "bounded": outputs * open_bounds(p),
    }
    return work(counts)


def _words(weights: Array) -> I64:
    """(kernel rows, 3, channels) → (channels, two words a row): P and Q, each weight times 256."""
    taps = weights.astype(np.int64).transpose(2, 0, 1) * 256
    first = (taps[..., 0] & 0xFFFF) | (taps[..., 1] << 16)
    second = (taps[..., 1] & 0xFFFF) | (taps[..., 2] << 16)
    words: I64 = np.stack([first, second], axis=-1).reshape(weights.shape[2], -1)
    return words
