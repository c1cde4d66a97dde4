# SPDX-License-Identifier: Apache-2.0
"""Shared code of the 16x8 kernels: weights for SMLAD four channels side by side, and how wide sums become."""

from __future__ import annotations

import numpy as np

from ascmcu.ir.types import Array
from ascmcu.kernels._quads import QUAD, interleaved
from ascmcu.ops._fixed import I64
from ascmcu.ops._wide import WideRequantization

# Output channels whose sums run side by side, so that an input is loaded once for all.
GROUP = 4
_MOST_SUM = (1 << 31) - 1
_LARGEST = 1 << 15
_MOST_SHIFT = 30


class InQuads:
    """Base of parameters whose vectors lie in ``quads`` groups of four taps."""

    quads: int

    @property
    def group_words(self) -> int:
        """Words of four channels' weights."""
        return self.quads * QUAD

    @property
    def filled(self) -> int:
        """Elements of a vector with what fills it."""
        return self.quads * QUAD


def bounds(vectors: Array, bias: Array) -> tuple[I64, I64]:
    """Lowest and highest sum of each channel of (channels, taps) weights with int16 inputs, bias included."""
    reach = np.abs(vectors.astype(np.int64)).sum(axis=1) * _LARGEST
    return bias - reach, bias + reach


def fits_32_bits(vectors: Array, bias: Array) -> bool:
    """Whether no sum of (channels, taps) weights with int16 inputs leaves 32 bits, bias included."""
    low, high = bounds(vectors, bias)
    return bool(low.min(initial=0) >= -_MOST_SUM and high.max(initial=0) <= _MOST_SUM)


def grouped(vectors: Array) -> Array:
    """(channels, taps) as words: group by group, quad by quad, channel by channel; what fills is zero."""
    channels, taps = vectors.shape
    groups = -(-channels // GROUP)
    filled = np.zeros((groups * GROUP, taps), np.int8)
    filled[:channels] = vectors
    ordered = filled.reshape(groups, GROUP, taps).transpose(1, 0, 2).reshape(-1, taps)
    return interleaved(np.ascontiguousarray(ordered), GROUP)


def in_pairs(vectors: Array, group: int) -> Array:
    """(channels, taps) as words, (groups, words): group by group of channels, by pairs of taps; two channels' weights
    of two taps make a word, tap by tap. What fills is zero."""
    channels, taps = vectors.shape
    groups, pairs = -(-channels // group), -(-taps // 2)
    filled = np.zeros((groups * group, 2 * pairs), np.int8)
    filled[:channels, :taps] = vectors
    ordered = filled.reshape(groups, group // 2, 2, pairs, 2).transpose(0, 3, 1, 4, 2)
    words: Array = np.ascontiguousarray(ordered).reshape(-1, 4).view("<i4").astype(np.int32)
    return words.reshape(groups, -1)


def scales(requant: WideRequantization) -> tuple[tuple[str, Array], ...]:
    """A convolution's scales in flash: what the 64-bit form takes of mantissas and shifts."""
    mantissa = np.array(requant.multipliers, np.int64)
    reduced = np.where(mantissa < 0x7FFF0000, (mantissa + (1 << 15)) >> 16, 0x7FFF)
    right = 15 - np.array(requant.shifts, np.int64)
    return (("multiplier", reduced.astype(np.int32)), ("shift", right.astype(np.int8)))


def common_shift(requant: WideRequantization) -> tuple[int, Array] | None:
    """S and each channel's M, with (sum · M) >> 32 rounded and shifted by S; ``None`` if there is no S for all.

    M = m · 2^k with r + k = 32 + S, and 0 ≤ k ≤ 16 keeps M in 31 bits.
    """
    arrays = dict(scales(requant))
    m, right = arrays["multiplier"].astype(np.int64), arrays["shift"].astype(np.int64)
    # What is zero whatever its shift takes any.
    used = right[m != 0]
    if not len(used):
        used = np.array([32])
    shift = max(1, int(used.max()) - 32)
    if shift > _MOST_SHIFT or shift > int(used.min()) - 16:
        return None
    return shift, (m << np.where(m != 0, 32 + shift - right, 0)).astype(np.int32)
