# SPDX-License-Identifier: Apache-2.0
"""DEPTHWISE_CONV_2D on int16 with int8 weights: two channels of two pixels at a time, by SMLABB and SMLATT."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.op import Inputs
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.kernels import _wide, _wide_depthwise_code
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.kernels._wide_depthwise_code import Window
from ascmcu.kernels._wide_pairs_code import Finish, finishes
from ascmcu.kernels._work import work
from ascmcu.m4 import count
from ascmcu.m4.asm import MOST_OFFSET
from ascmcu.m4.listing import Listing
from ascmcu.ops._window import WindowParams
from ascmcu.ops.wide_depthwise_conv2d import WideDepthwiseConv2D

# More code would crowd the instruction cache of an STM32.
_MOST_INSTRUCTIONS = 600
# Of the C around a call: a call, and a kernel row.
_CALL_CYCLES, _ROW_CYCLES = 30, 12


@dataclass(frozen=True)
class Call:
    """From output ``first`` on, ``count`` calls whose windows lie in the map alike; the first's begin at input
    ``column``."""

    first: int
    count: int
    column: int
    taps: Window
    code: Listing


@dataclass(frozen=True)
class Params:
    """Compile-time constants; calls take ``pixels`` neighbouring outputs each. ``zero_elements`` zeros stand
    for a row beyond the map; 0 where none is."""

    window: WindowParams
    group_words: int
    pixels: int
    calls: tuple[Call, ...]
    zero_elements: int
    finish: Finish
    half: int
    high: int

    @property
    def column_step(self) -> int:
        """Input columns from a call to the next."""
        return self.pixels * self.window.stride_w

    @property
    def words(self) -> int:
        """Of all weights."""
        return self.window.out_c // 2 * self.group_words

    @property
    def codes(self) -> tuple[Listing, ...]:
        """The assembly, each once."""
        return tuple({call.code.name: call.code for call in self.calls}.values())


@kernel(WideDepthwiseConv2D, cost=Cost(mac=2.0, output=8))
def lower(op: WideDepthwiseConv2D, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered | None:
    """An even number of channels, each with one filter, sums that 32 bits hold, and one shift for all channels."""
    x, weights, bias = op.operands(inputs)
    vectors = weights.values[0].reshape(-1, weights.shape[3]).T
    window, requant = op.window_params(x, weights, output), op.requantization(inputs, output)
    scaling = _wide.common_shift(requant)
    if window.in_c != window.out_c or window.in_c % 2 or not _wide.fits_32_bits(vectors, bias.values):
        return None
    if scaling is None or not finishes(requant.low, requant.high):
        return None
    shift, factors = scaling
    finish = Finish(shift, requant.low)
    windows = _windows(window)
    if max(w.reach_bytes for w in windows) > MOST_OFFSET or 4 * windows[0].group_words > MOST_OFFSET:
        return None
    calls = _calls(window, windows, finish)
    zeros = max(w.stop - w.first for w in windows) * window.in_c
    params = Params(
        window, windows[0].group_words, windows[0].pixels, calls, zeros * (op.padding[0] + op.padding[1] > 0), finish,
        1 << (shift - 1), requant.high,
    )  # fmt: skip
    if sum(code.size_bytes // 4 for code in params.codes) > _MOST_INSTRUCTIONS:
        return None
    groups = window.out_c // 2
    instructions = sum(call.count * count.cycles(call.code, {"group": groups}) for call in calls)
    around = len(windows) * (_CALL_CYCLES + window.kernel_h * _ROW_CYCLES)
    parts = work({
        "instructions": instructions * output.rows,
        "calls": len(windows) * output.rows,
        "rows": len(windows) * window.kernel_h * output.rows,
    })  # fmt: skip
    return Lowered(
        params,
        (("weights", _stream(vectors, bias.values, factors)),),
        scratch=(DType.INT16, params.zero_elements) if params.zero_elements else None,
        cycles=(instructions + around) * output.rows,
        work=parts,
    )


def _windows(w: WindowParams) -> list[Window]:
    """Of the calls of a row, from left to right. An odd last output goes with the one before, which is summed again."""
    pixels = min(2, w.out_w)
    found = []
    for first in range(0, w.out_w, pixels):
        left = _left(w, min(first, w.out_w - pixels))
        span = (pixels - 1) * w.stride_w + (w.kernel_w - 1) * w.dilation_w + 1
        whole = Window(
            w.kernel_h, w.kernel_w, w.dilation_w, w.stride_w * (pixels - 1), 2 * w.in_c, max(0, -left),
            min(span, w.in_w - left),
        )  # fmt: skip
        found.append(whole)
    return found


def _left(w: WindowParams, ox: int) -> int:
    return ox * w.stride_w - w.pad_left


def _calls(w: WindowParams, windows: Sequence[Window], finish: Finish) -> tuple[Call, ...]:
    """Neighbouring calls of one code together."""
    pixels, found, at = windows[0].pixels, [], 0
    for own, alike in itertools.groupby(windows):
        n = len(list(alike))
        odd = at + n == len(windows) and len(windows) * pixels > w.out_w
        code = _wide_depthwise_code.two_channels(own, finish)
        for first, number in ((at * pixels, n - odd), (w.out_w - pixels, int(odd))):
            if number:
                column = _left(w, first) + own.first
                found.append(Call(first, number, column, own, code))
        at += n
    return tuple(found)


def _stream(vectors: Array, bias: Array, factors: Array) -> Array:
    """Words in the order of their use: by two channels the first sums, the weights tap by tap, M."""
    channels, taps = vectors.shape
    pairs = vectors.astype(np.int16).reshape(channels // 2, 2, taps).transpose(0, 2, 1)
    words = np.ascontiguousarray(pairs).view("<i4").astype(np.int32).reshape(-1, taps)
    ends = np.stack([bias.astype(np.int32), factors]).reshape(2, -1, 2)
    return np.concatenate([ends[0], words, ends[1]], axis=1).reshape(-1)
