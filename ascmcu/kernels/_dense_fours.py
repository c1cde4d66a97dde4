# SPDX-License-Identifier: Apache-2.0
"""Dense layers four taps at a time, whatever their accumulators: bytes 0 and 2 of a word of x and of one of weights are
extended and multiplied by one SMLAD, bytes 1 and 3 by another.

Four channels share what is done for x: 25 cycles for 16 products. Sums are plain int32, so no bound of the
accumulators matters, and so is what is added row by row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.kernels._work import Work, work
from ascmcu.ops._fixed import wrap32

GROUP = 4
CYCLES = 1.75  # of a product


@dataclass(frozen=True)
class Fours:
    """Compile-time constants of the sums.

    ``words`` groups of four taps and ``rest`` taps behind them, by ``groups`` times four channels and ``tail`` more.
    """

    words: int
    rest: int
    groups: int
    tail: int

    @property
    def depth(self) -> int:
        """Taps."""
        return 4 * self.words + self.rest

    @property
    def channels(self) -> int:
        """Output channels."""
        return GROUP * self.groups + self.tail


def fours(depth: int, channels: int) -> Fours:
    """The constants of ``depth`` taps by ``channels``."""
    return Fours(depth // 4, depth % 4, channels // GROUP, channels % GROUP)


def fits(x: Tensor, weights: Tensor) -> bool:
    """Whether both are int8, the weights centred on zero."""
    return x.dtype is DType.INT8 and weights.dtype is DType.INT8 and weights.zero_point == 0


def ordered(weights: Array) -> Array:
    """(O, depth) int8 in the order of the loops: groups of channels, words of taps, channels, taps; then the taps that
    fill no word, by channel; then the channels that fill no group."""
    channels, depth = weights.shape
    whole, words = channels // GROUP * GROUP, depth // 4 * 4
    groups = weights[:whole, :words].reshape(whole // GROUP, GROUP, words // 4, 4).transpose(0, 2, 1, 3)
    last = weights[whole:, :words].reshape(channels - whole, words // 4, 4).transpose(1, 0, 2)
    parts = (groups, weights[:whole, words:], last, weights[whole:, words:])
    return np.concatenate([part.reshape(-1) for part in parts])


def folded_bias(weights: Array, bias: Array, x: Tensor) -> Array:
    """The bias less what the input's zero point adds, modulo 2³² as the sums are."""
    folded = bias.astype(np.int64) - x.zero_point * weights.astype(np.int64).sum(axis=1)
    return wrap32(folded).astype(np.int32)


def counted(k: Fours, vectors: int) -> Work:
    """``vectors`` vectors through all channels, outputs left out."""
    counts = {
        "groups": vectors * k.groups,
        "group_words": vectors * k.groups * k.words,
        "group_rest": vectors * k.groups * k.rest,
        "tail_words": vectors * k.tail * k.words,
        "tail_rest": vectors * k.tail * k.rest,
        "words": vectors * k.words,
    }
    return work(counts)
