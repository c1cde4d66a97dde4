# SPDX-License-Identifier: Apache-2.0
"""Dense layers four taps at a time, whatever their accumulators: bytes 0 and 2 of a word of x and of one of weights are
extended and multiplied by one SMLAD, bytes 1 and 3 by another.

Four channels share what is done for x: 25 cycles for 16 products. Sums are plain int32, so no bound of the
accumulators matters, and so is what is added row by row.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.kernels._work import Work, work
from ascmcu.m4.asm import Assembly
from ascmcu.m4.listing import Listing
from ascmcu.m4.registers import LR, PC, Core, Fpu
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
        return self.whole_channels + self.tail

    @property
    def whole_channels(self) -> int:
        """Channels in whole groups."""
        return GROUP * self.groups

    @property
    def whole_weights(self) -> int:
        """Weights of whole words and whole groups."""
        return GROUP * 4 * self.words * self.groups

    @property
    def code(self) -> Listing:
        """The assembly, which all layers share."""
        return code()


def fours(depth: int, channels: int) -> Fours:
    """The constants of ``depth`` taps by ``channels``."""
    return Fours(depth // 4, depth % 4, channels // GROUP, channels % GROUP)


_SAVED = tuple(Core(n, f"r{n}") for n in range(4, 12))
_X = Core(0, "x", "four taps that come next")
_SUMS = Core(1, "sums", "of the group")
_W = Core(2, "w", "weights that come next")
_WORDS = Core(3, "words")
_TOTALS = tuple(Core(4 + c, f"sum{c}", f"of channel {c} of the group") for c in range(GROUP))
_F_X = Fpu(0, "first x")
_F_GROUPS = Fpu(1, "groups", "that are left")
_F_FOURS_END = Fpu(2, "x behind fours", "behind the turns of four words")
_F_END = Fpu(3, "x end", "behind all whole words")
_UNROLL = 4


@functools.cache
def code() -> Listing:
    """``dense_fours(x, sums, w, words, groups)``: adds ``words`` groups of four taps to the sums of ``groups`` groups
    of four channels."""
    a = Assembly("dense_fours", enters=(_X, _SUMS, _W, _WORDS))
    groups, end, fours_end, reached = (
        Core(4, "groups"),
        Core(4, "x end"),
        Core(3, "x behind fours"),
        Core(3, "end"),
    )
    a.push((*_SAVED, LR))
    a.ldr(groups, a.stack_argument(4))
    a.vmov(_F_X, _X)
    a.vmov(_F_GROUPS, groups)
    a.add(end, _X, _WORDS.lsl(2))
    a.bic(_WORDS, _WORDS, _UNROLL - 1)
    a.add(fours_end, _X, _WORDS.lsl(2))
    a.vmov(_F_FOURS_END, fours_end)
    a.vmov(_F_END, end)
    group, rest, done = a.place(a.label("groups")), a.label("words"), a.label("summed")
    a.vmov(_X, _F_X)
    a.vmov(reached, _F_FOURS_END)
    a.ldm(_SUMS, _TOTALS, advance=False)
    a.cmp(_X, reached)
    a.b(rest, "eq")
    fours = a.loop("fours of words")
    for i in range(_UNROLL):
        _word(a, i, _UNROLL)
    a.vmov(reached, _F_FOURS_END)
    a.cmp(_X, reached)
    a.b(fours, "ne")
    a.place(rest)
    a.vmov(reached, _F_END)
    a.cmp(_X, reached)
    a.b(done, "eq", leaves=rest)
    _word(a, 0, 1)
    a.b(rest)
    a.place(done)
    a.stm(_SUMS, _TOTALS)
    left = Core(3, "groups")
    a.vmov(left, _F_GROUPS)
    a.subs(left, left, 1)
    a.vmov(_F_GROUPS, left)
    a.b(group, "ne")
    a.pop((*_SAVED, PC))
    return a.finish()


def _word(a: Assembly, i: int, words: int) -> None:
    """One word of x, ``i`` of so many, by four channels: 25 cycles for 16 products."""
    x, even_x, odd_x = Core(8, "x0-3", "bytes"), Core(8, "x0 x2"), Core(14, "x1 x3")
    weights = [Core(9 + c, f"w of channel {c}", "bytes") for c in range(GROUP)]
    a.ldr(x, _X.at(4 * (i - words)) if i else _X.post(4 * words))
    for c, w in enumerate(weights):
        a.ldr(w, _W.at(4 * c))
    a.sxtb16(odd_x, x, 8)
    a.sxtb16(even_x, x)
    for c, (w, total) in enumerate(zip(weights, _TOTALS, strict=True)):
        even_w, odd_w = Core(3, f"w0 w2 of channel {c}"), Core(w.number, f"w1 w3 of channel {c}")
        a.sxtb16(even_w, w)
        a.sxtb16(odd_w, w, 8)
        a.smlad(total, even_w, even_x, total)
        a.smlad(total, odd_w, odd_x, total)
    a.add(_W, _W, 4 * GROUP)


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
