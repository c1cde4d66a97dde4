# SPDX-License-Identifier: Apache-2.0
"""CONV_2D on int16 with int8 weights: two pixels by four channels at a time, by SMLAD."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.op import Inputs
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.kernels import _wide, _wide_pairs_code
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.kernels._wide_pairs_code import Finish, Taps
from ascmcu.kernels._work import work
from ascmcu.m4 import count
from ascmcu.m4.asm import MOST_OFFSET
from ascmcu.m4.listing import Listing
from ascmcu.ops._window import WindowParams
from ascmcu.ops.wide_conv2d import WideConv2D

_GROUP = 4
# Of the C around a call: a pair of pixels, and what a patch costs besides its elements.
_PAIR_CYCLES, _PATCH_CYCLES, _TAIL_CYCLES = 30, 25, 40


@dataclass(frozen=True)
class Params:
    """Compile-time constants; a pixel's ``pairs`` of taps lie in the input as they are where it is read ``direct``.
    ``groups`` of four channels are whole, ``tail`` channels are left."""

    window: WindowParams
    taps: int
    pairs: int
    groups: int
    tail: int
    direct: bool
    loop: Taps
    finish: Finish
    half: int
    high: int

    @property
    def code(self) -> Listing:
        """The assembly."""
        return _wide_pairs_code.two_by_four(self.loop, self.finish)

    @property
    def row_taps(self) -> int:
        """Elements of one row of a window."""
        return self.window.kernel_w * self.window.in_c

    @property
    def vector(self) -> int:
        """Elements from a pixel's vector to its partner's."""
        return self.loop.pixel_bytes // 2

    @property
    def group_words(self) -> int:
        """Words of a group: first sums, weights, M."""
        return 2 * _GROUP + 2 * self.pairs

    @property
    def tail_first(self) -> int:
        """The first channel behind the whole groups."""
        return _GROUP * self.groups


@kernel(WideConv2D, cost=Cost(mac=1.3, output=10))
def lower(op: WideConv2D, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered | None:
    """One group, no dilation along the row, sums that 32 bits hold, and one shift for all channels."""
    x, weights, bias = op.operands(inputs)
    vectors = weights.values.reshape(weights.shape[0], -1)
    window, requant = op.window_params(x, weights, output), op.requantization(inputs, output)
    if op.groups(x, weights) != 1 or window.dilation_w != 1 or not _wide.fits_32_bits(vectors, bias.values):
        return None
    scaling = _wide.common_shift(requant)
    channels, taps = vectors.shape
    pairs = -(-taps // 2)
    whole = window.kernel_h == window.kernel_w == 1 and taps % 2 == 0 and window.out_w > 1
    direct = whole and not any(op.padding)
    pixel_bytes = 2 * window.stride_w * taps if direct else 4 * pairs
    reach = pixel_bytes + 4 * pairs
    if scaling is None or reach > MOST_OFFSET or not _wide_pairs_code.finishes(requant.low, requant.high):
        return None
    shift, factors = scaling
    unroll = min(pairs, tuning.unroll)
    loop = Taps(unroll, pairs // unroll, pairs % unroll, pixel_bytes)
    params = Params(
        window, taps, pairs, channels // _GROUP, channels % _GROUP, direct, loop, Finish(shift, requant.low),
        1 << (shift - 1), requant.high,
    )  # fmt: skip
    scratch = None if direct else (DType.INT16, 2 * params.vector)
    cycles = _cycles(params) * output.rows
    groups = -(-channels // _GROUP) * -(-window.out_w // 2) * output.rows
    parts = work({"pair_taps": groups * pairs, "groups": groups, "pixels": window.out_w * output.rows})
    constants = (("weights", _stream(vectors, bias.values, factors)),)
    return Lowered(params, constants, scratch=scratch, cycles=cycles, work=parts)


def _stream(vectors: Array, bias: Array, factors: Array) -> Array:
    """Words in the order of their use: group by group the first sums, the weights by pairs of taps, M. What fills is
    zero."""
    ends = np.zeros((2, -(-len(vectors) // _GROUP) * _GROUP), np.int32)
    ends[:, : len(vectors)] = bias.astype(np.int32), factors
    sums, scales = ends.reshape(2, -1, _GROUP)
    return np.concatenate([sums, _wide.in_pairs(vectors, _GROUP), scales], axis=1).reshape(-1)


def _cycles(k: Params) -> int:
    """Of a row."""
    calls = -(-k.window.out_w // 2)
    turns = {"taps": k.loop.turns} if k.loop.turns > 1 else {}
    total = 0
    for groups in ([k.groups] if k.groups else []) + ([1] if k.tail else []):
        total += calls * (count.cycles(k.code, {**turns, "group": groups}) + _PAIR_CYCLES)
    if not k.direct:
        total += 2 * calls * (k.window.kernel_h * _PATCH_CYCLES + k.taps)
    return total + calls * _TAIL_CYCLES * bool(k.tail)
