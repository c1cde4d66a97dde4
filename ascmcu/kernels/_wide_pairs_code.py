# SPDX-License-Identifier: Apache-2.0
"""The assembly of 16x8 layers: int16 taps and int8 weights by SMLAD. Convolutions take two pixels by four channels at
a time, dense layers one vector by eight.

Two weights of two channels stand in one word: bytes 0 and 2 are the first channel's at two taps, bytes 1 and 3 the
second's, so that SXTB16 gives one and SXTB16 of the rotated word the other. A pair of taps is five loads' cycles, four
extensions and eight products: 18 cycles for 16 products. Of one vector by eight channels it is 23.

A sum stands in 32 bits. The reference multiplies it by 15 bits m of the scale and shifts it right by r, rounded once:
(sum · m + 2^(r−1)) >> r. Shifts nest without another rounding, so with M = m · 2^k and r + k = 32 + S that is
(((sum · M) >> 32) + 2^(S−1)) >> S: one SMMLA and one saturating shift, S alike for all channels.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

from ascmcu.m4.asm import Assembly
from ascmcu.m4.listing import Listing
from ascmcu.m4.registers import LR, PC, Core, Fpu

_X = Core(0, "x", "taps of the pixel that come next")
_WEIGHTS = Core(1, "w", "what comes next of a group: first sums, weights, M")
_OUT, _END = Core(2, "out", "of the pixel"), Core(3, "w end", "behind the last group")
_SAVED = tuple(Core(n, f"r{n}") for n in range(4, 12))
_F_X = Fpu(0, "x of the pixel", "its first tap")
_F_OUT = Fpu(1, "out", "of the group's first channel")
_F_W_END = Fpu(2, "w end", "behind the last group")
_F_C = Fpu(3, "C", "half a unit of the shift")
_F_STEP = Fpu(4, "out step", "from a pixel's output to its partner's")
_F_X_END = Fpu(5, "x end", "behind the taps that the loop takes")
_OWN = tuple(Core(2 + i, f"sum{i}", f"of channel {i}, pixel") for i in range(4))
_PARTNER = tuple(Core(6 + i, f"sum{i}'", f"of channel {i}, partner pixel") for i in range(4))
_LAST = 32767


@dataclass(frozen=True)
class Taps:
    """How the taps of two pixels, ``pixel_bytes`` apart, are taken: ``rest`` pairs, then ``unroll`` pairs ``turns``
    times."""

    unroll: int
    turns: int
    rest: int
    pixel_bytes: int

    @property
    def pairs(self) -> int:
        """Pairs of taps of a pixel."""
        return self.unroll * self.turns + self.rest

    @property
    def name(self) -> str:
        """Its part of a kernel's name (docs/kernels.md, Names)."""
        rest = f"_{self.rest}" if self.rest else ""
        apart = f"_x{self.pixel_bytes}" if self.pixel_bytes else ""
        return f"{self.unroll}x{self.turns}{rest}{apart}"


@dataclass(frozen=True)
class Finish:
    """What becomes of a sum times M: shifted right by ``shift``, saturated to ``low`` … 32,767."""

    shift: int
    low: int

    @property
    def name(self) -> str:
        """Its part of a kernel's name (docs/kernels.md, Names)."""
        return f"_s{self.shift}{'_from0' if self.low == 0 else ''}"


def finishes(low: int, high: int) -> bool:
    """Whether saturation is all that an activation asks for."""
    return low in (0, -_LAST - 1) and high == _LAST


@functools.lru_cache(maxsize=256)
def two_by_four(taps: Taps, finish: Finish) -> Listing:
    """``(x, weights, out, end, C, out step)``: two pixels through all groups of four channels to ``end``."""
    a = Assembly(f"wide_pairs_2x4_{taps.name}{finish.name}", enters=(_X, _WEIGHTS, _OUT, _END))
    a.push((*_SAVED, LR))
    c, step = Core(4, "C"), Core(5, "out step")
    a.ldrd(c, step, a.stack_argument(4))
    if taps.turns > 1:
        end = Core(6, "x end")
        a.addw(end, _X, 4 * taps.pairs)
        a.vmov(_F_X_END, end)
    for place, value in ((_F_X, _X), (_F_OUT, _OUT), (_F_W_END, _END), (_F_C, c), (_F_STEP, step)):
        a.vmov(place, value)
    a.align()
    group = a.place(a.label("group"))
    a.ldm(_WEIGHTS, _OWN)
    a.vmov(_X, _F_X)
    _taps(a, taps)
    _requantize(a, finish)
    _store(a)
    end = Core(10, "w end")
    a.vmov(end, _F_W_END)
    a.cmp(_WEIGHTS, end)
    a.b(group, "ne")
    a.pop((*_SAVED, PC))
    return a.finish()


def _taps(a: Assembly, taps: Taps) -> None:
    """All taps; the partner begins with the sums that are there of one pixel."""
    if taps.rest or taps.turns == 1:
        _pairs(a, taps.pixel_bytes, taps.rest or taps.unroll, begins=True)
    else:
        for own, partner in zip(_OWN, _PARTNER, strict=True):
            a.mov(partner, own)
    if taps.turns > 1 or taps.rest:
        top = a.loop("taps") if taps.turns > 1 else None
        _pairs(a, taps.pixel_bytes, taps.unroll)
        if top is None:
            return
        end = Core(10, "x end")
        a.vmov(end, _F_X_END)
        a.cmp(_X, end)
        a.b(top, "ne")


def _pairs(a: Assembly, pixel_bytes: int, pairs: int, *, begins: bool = False) -> None:
    """Pairs of taps. The first loads advance both pointers behind the block."""
    x, x_ = Core(10, "x", "two taps"), Core(11, "x'", "two taps of the partner pixel")
    for i in range(pairs):
        back = 4 * (i - pairs) if i else 0
        a.ldr(x_, _X.at(pixel_bytes + back))
        a.ldr(x, _X.at(back) if i else _X.post(4 * pairs))
        for two in (0, 2):
            word = Core(12, f"w{two} w{two + 1}", "of two taps")
            if two or i:
                a.ldr(word, _WEIGHTS.at(2 * back + 2 * two - (8 * pairs if not i else 0)))
            else:
                a.ldr(word, _WEIGHTS.post(8 * pairs))
            for channel, register, turn in ((two, Core(14, f"w{two}", "of two taps"), 0),
                                            (two + 1, Core(12, f"w{two + 1}", "of two taps"), 8)):  # fmt: skip
                own, partner = _OWN[channel], _PARTNER[channel]
                a.sxtb16(register, word, turn)
                a.smlad(partner, x_, register, own if begins and not i else partner)
                a.smlad(own, x, register, own)


def _requantize(a: Assembly, finish: Finish) -> None:
    """All eight sums."""
    factors = [Core(n, f"M{i}") for i, n in enumerate((10, 11, 12, 14))]
    c = Core(0, "C")
    a.ldm(_WEIGHTS, factors)
    a.vmov(c, _F_C)
    for sums in (_OWN, _PARTNER):
        for total, m in zip(sums, factors, strict=True):
            a.smmla(Core(total.number, f"{total.name} * M + C"), total, m, c)
    for total in (*_OWN, *_PARTNER):
        product, y = Core(total.number, f"{total.name} * M + C"), Core(total.number, _output(total))
        if finish.low == 0:
            a.usat(y, 15, product, finish.shift)
        else:
            a.ssat(y, 16, product, finish.shift)


def _output(total: Core) -> str:
    return total.name.replace("sum", "y")


def _store(a: Assembly) -> None:
    """The eight outputs; on to the next group's."""
    out, other, behind = Core(10, "out"), Core(11, "partner's out"), Core(12, "next group's out")
    step = Core(11, "out step")
    a.vmov(out, _F_OUT)
    a.vmov(step, _F_STEP)
    a.addw(behind, out, 8)
    a.add(other, step, out)
    a.vmov(_F_OUT, behind)
    for channel, (own, partner) in enumerate(zip(_OWN, _PARTNER, strict=True)):
        a.strh(Core(partner.number, _output(partner)), other.at(2 * channel))
        a.strh(Core(own.number, _output(own)), out.at(2 * channel))


_ALL = (*_OWN, *(Core(r.number, f"sum{4 + i}", f"of channel {4 + i}") for i, r in enumerate(_PARTNER)))


@functools.lru_cache(maxsize=64)
def one_by(channels: int, taps: Taps) -> Listing:
    """``(x, weights, sums)``: the sums of a vector by four or eight channels, which begin with what is there of the
    weights."""
    sums, totals = Core(2, "sums", "of the channels"), _ALL[:channels]
    a = Assembly(f"wide_pairs_1x{channels}_{taps.name}", enters=(_X, _WEIGHTS, sums))
    f_sums = Fpu(0, "sums", "of the channels")
    a.push((*_SAVED, LR))
    a.vmov(f_sums, sums)
    if taps.turns > 1:
        end, length = Core(3, "x end"), Core(3, "bytes of x")
        a.movw(length, 4 * taps.unroll * taps.turns)
        a.add(end, _X, length)
        a.vmov(_F_X_END, end)
    a.ldm(_WEIGHTS, totals)
    top = a.loop("taps") if taps.turns > 1 else None
    _vector(a, taps.unroll, channels)
    if top is not None:
        end = Core(10, "x end")
        a.vmov(end, _F_X_END)
        a.cmp(_X, end)
        a.b(top, "ne")
    _vector(a, taps.rest, channels)
    out = Core(10, "sums")
    a.vmov(out, f_sums)
    a.stm(out, totals, advance=False)
    a.pop((*_SAVED, PC))
    return a.finish()


def _vector(a: Assembly, pairs: int, channels: int) -> None:
    """Pairs of taps of one vector."""
    x = Core(14, "x", "two taps")
    for i in range(pairs):
        a.ldr(x, _X.at(4 * (i - pairs)) if i else _X.post(4 * pairs))
        for first in range(0, channels, 4):
            words = [Core(10 + n, f"w{first + 2 * n} w{first + 2 * n + 1}", "of two taps") for n in (0, 1)]
            for n, word in enumerate(words):
                back = 2 * channels * (i - pairs) + 4 * n + 2 * first
                a.ldr(word, _WEIGHTS.at(back) if i or first or n else _WEIGHTS.post(2 * channels * pairs))
            for n, word in enumerate(words):
                low, high = first + 2 * n, first + 2 * n + 1
                even = Core(12, f"w{low}", "of two taps")
                odd = Core(word.number, f"w{high}", "of two taps")
                a.sxtb16(even, word)
                a.smlad(_ALL[low], x, even, _ALL[low])
                a.sxtb16(odd, word, 8)
                a.smlad(_ALL[high], x, odd, _ALL[high])
