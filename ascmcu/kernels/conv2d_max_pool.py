# SPDX-License-Identifier: Apache-2.0
"""A convolution and the maximum over two by two of its outputs in one step: 3x3, of one or four input channels.

A larger accumulator never has a smaller output, so of the four sums under a window only the largest is requantized. The
two rows of the convolution are never stored.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.op import Inputs
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.kernels import _packed_work, _widen_code
from ascmcu.kernels._conv2d_max_pool_code import FOURS_WORDS, GROUP, PATCH, PLANE_WORDS, Shape, code
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._packed_gemm import channel_constants, folded_bias
from ascmcu.kernels._packed_work import open_bounds
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.kernels._requant import accumulator_bounds
from ascmcu.kernels._work import Work, inside, work
from ascmcu.m4.asm import MOST_OFFSET
from ascmcu.m4.listing import Listing
from ascmcu.ops._fixed import I64, wrap32
from ascmcu.ops._quant import word_of
from ascmcu.ops.conv2d_max_pool import Conv2DMaxPool

_KERNEL, _POOL = (3, 3), (2, 2)
_MOST_CHANNELS = 256


@dataclass(frozen=True)
class Params(Shape):
    """Compile-time constants of the row kernel, beyond what its assembly depends on: ``left`` columns of padding come
    before the input's first ``columns``, of ``in_w``."""

    pad_top: int
    left: int
    in_h: int
    in_w: int
    columns: int
    x_zero_point: int

    @property
    def code(self) -> Listing:
        """The assembly."""
        return code(self)

    @property
    def widening(self) -> Listing:
        """What widens four channels of the input."""
        return _widen_code.code()

    @property
    def calls(self) -> int:
        """Of the assembly, for one row of outputs."""
        return self.channels // GROUP if self.depth == 1 else 1

    @property
    def call_channels(self) -> int:
        """Output channels of a call."""
        return self.channels // self.calls

    @property
    def all_columns(self) -> int:
        """Under the windows of a row, padding included."""
        return 2 * self.out_w + PATCH - 2

    @property
    def fill(self) -> int:
        """The zero point, four times in a word."""
        return word_of(self.x_zero_point)

    @property
    def first_bytes(self) -> int:
        """Of a padded row of one channel, those of the input in the first word."""
        return min(4 - self.left, self.columns)

    @property
    def whole_words(self) -> int:
        """Words behind that which the input fills."""
        return (self.columns - self.first_bytes) // 4

    @property
    def rest(self) -> int:
        """Bytes of the input behind those."""
        return (self.columns - self.first_bytes) % 4

    @property
    def first_end(self) -> int:
        """Where the input ends in the first word."""
        return self.left + self.first_bytes

    @property
    def columns_end(self) -> int:
        """Where it ends in a padded row of more than a word."""
        return self.words_end + self.rest

    @property
    def first_column(self) -> int:
        """Of the input, under the first window."""
        return -self.left

    @property
    def call_weights(self) -> int:
        """Words of the weights that a call reads before its other constants, where the input has one channel."""
        return self.call_channels * self.weight_words

    @property
    def channel_words(self) -> int:
        """All of an output channel's."""
        return self.weight_words + self.constant_words

    @property
    def words_end(self) -> int:
        """Bytes of a padded row up to the end of its whole words."""
        return 4 + 4 * self.whole_words


@kernel(Conv2DMaxPool, cost=Cost(mac=1.2, output=12, input=5))
def lower(op: Conv2DMaxPool, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered | None:
    """3x3 by steps of one, windows of two by two, and a requantization that is exact in one multiplication; a multiple
    of four output channels where the input has one."""
    x, weights, bias = op.operands(inputs)
    channels, *kernel_size, depth = weights.shape
    if (
        x.shape[3] != depth
        or depth not in (1, 4)
        or (op.stride, op.dilation, op.pool) != ((1, 1), (1, 1), _POOL)
    ):
        return None
    if tuple(kernel_size) != _KERNEL or x.dtype is not DType.INT8 or weights.dtype is not DType.INT8:
        return None
    if channels > _MOST_CHANNELS or (depth == 1 and channels % GROUP) or not 0 <= op.padding[2] < _KERNEL[1]:
        return None
    requant, taps = op.requantization(inputs, output), weights.values.reshape(channels, -1)
    found = channel_constants(requant, accumulator_bounds(taps, bias.values, x), tuning)
    if found is None:
        return None
    out_w = output.shape[2]
    columns = 2 * out_w + PATCH - 2
    params = Params(
        shift=found.shift,
        signed=found.signed,
        low=requant.low,
        high=requant.high,
        depth=depth,
        pitch=-(-columns // 4) * 4,
        out_w=out_w,
        channels=channels,
        pad_top=op.padding[0],
        left=op.padding[2],
        in_h=x.shape[1],
        in_w=x.shape[2],
        columns=min(x.shape[2], columns - op.padding[2]),
        x_zero_point=x.zero_point,
    )
    if PATCH * params.pitch > MOST_OFFSET:
        return None
    kept = np.where(found.constant[:, np.newaxis], 0, taps).reshape(weights.shape)
    folded = folded_bias(found, taps.T, bias.values, x)
    scale = np.concatenate([found.columns[:, 2:], folded[:, np.newaxis], found.columns[:, :2]], axis=1)
    elements = PATCH * params.pitch // 2 if depth == 1 else columns * PATCH * depth
    return Lowered(
        params,
        (("constants", wrap32(_constants(kept, scale, params)).astype(np.int32)),),
        scratch=(DType.INT16, elements),
        shift=found.shift,
        work=_work(params, output.shape[1]),
    )


def _constants(weights: Array, scale: I64, k: Params) -> I64:
    """What each call reads, in its order: of one input channel the weights of four output channels and then what their
    outputs need; of four input channels the one behind the other, channel by channel."""
    packed = _plane_words(weights) if k.depth == 1 else _fours_words(weights)
    groups = k.channels // GROUP if k.depth == 1 else k.channels
    found: I64 = np.concatenate([packed.reshape(groups, -1), scale.reshape(groups, -1)], axis=1)
    return found


def _plane_words(weights: Array) -> I64:
    """(O, 3, 3, 1) → (O, 5) words of two taps times 256: left and right one of each kernel row, the middle ones of the
    first two, and that of the last."""
    w = weights[..., 0].astype(np.int64)
    pairs = [(w[:, row, 0], w[:, row, 2]) for row in range(3)]
    pairs += [(w[:, 0, 1], w[:, 1, 1]), (w[:, 2, 1], np.zeros_like(w[:, 2, 1]))]
    found = np.stack([_word(*pair) for pair in pairs], axis=1)
    assert found.shape[1] == PLANE_WORDS
    return found


def _fours_words(weights: Array) -> I64:
    """(O, 3, 3, 4) → (O, 18) words of one tap of two channels, 0 and 2 first, then 1 and 3, times 256."""
    w = weights.astype(np.int64)
    found = np.stack([_word(w[..., half], w[..., half + 2]) for half in range(2)], axis=1)
    return found.reshape(len(w), FOURS_WORDS)


def _word(low: I64, high: I64) -> I64:
    return (256 * low & 0xFFFF) | (256 * high & 0xFFFF) << 16


def _work(k: Params, out_rows: int) -> Work:
    """All rows: the input's rows padded, or widened by columns; then the windows."""
    rows = PATCH * out_rows
    there = sum(inside(out_rows, PATCH, 2, 1, k.pad_top, k.in_h))
    outputs = out_rows * k.out_w * k.channels
    found = work({"signed": outputs if k.signed else 0, "bounded": outputs * open_bounds(k)})
    if k.depth == 1:
        ends = k.first_bytes + k.rest
        counts = {
            "plane_calls": out_rows * k.calls,
            "plane_windows": out_rows * k.calls * k.out_w,
            "rows": there,
            "words": there * k.whole_words,
            "bytes": there * (ends + k.pitch - k.words_end),
            "empty_words": (rows - there) * k.pitch // 4,
        }
        return found + work(counts)
    filled = there * (k.all_columns - k.columns) + (rows - there) * k.all_columns
    counts = {
        "fours_calls": out_rows,
        "fours_windows": out_rows * k.out_w,
        "fours_outputs": outputs,
        "columns_runs": there,
        "columns_filled": filled,
    }
    widened = _packed_work.widened(1, k.columns, side_by_side=True) * there
    return found + work(counts) + widened
