# SPDX-License-Identifier: Apache-2.0
"""The assembly of Winograd's short convolutions (``conv2d_winograd``).

Four pairs of neighbouring outputs by two channels are summed at a time, in four passes over the taps: P1, P2, P0 and
P3, each with its own vectors of the four pairs and its own weights. P1, and then P1 - P2, wait in FPU registers. One
stream holds all that two channels need, in the order of its use.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from ascmcu.kernels._packed_gemm_code import Finish, load_common, outputs
from ascmcu.m4.asm import MOST_OFFSET, Assembly
from ascmcu.m4.listing import Listing, Routine
from ascmcu.m4.registers import LR, PC, Core, Fpu

PAIRS = 4  # pairs of outputs at a time
CHANNELS = 2
_WORD = 4

_X = Core(0, "x", "taps of the first pair that come next")
_WEIGHTS = Core(1, "w", "what comes next of two channels: first sums, weights, constants")
_SAVED = tuple(Core(n, f"r{n}") for n in range(4, 12))
_SUMS = tuple(
    tuple(Core(2 + PAIRS * c + p, f"sum{c}" + "'" * p, f"of channel {c}, pair {p}") for p in range(PAIRS))
    for c in range(CHANNELS)
)
_ALL = tuple(total for row in _SUMS for total in row)
_KEPT = tuple(Fpu(i, f"kept {total.name}", "P1, then P1 - P2") for i, total in enumerate(_ALL))
_F_X = Fpu(8, "x of P1", "of the four pairs")
_F_OUT = Fpu(9, "out", "of the first output of these channels")
_F_BACK = Fpu(10, "back", "where the routine comes back to")
_F_END = Fpu(11, "x end", "behind the taps that the loop takes")
_F_LAST = Fpu(12, "x of P3", "of the four pairs")
_BACK = Core(10, "back")
SUMS = Routine(
    "winograd_sums",
    enters=(_X, _WEIGHTS, *_ALL, _F_BACK),
    leaves=(_X, _WEIGHTS, *_ALL),
    spoils=(*(Core(n, "") for n in (10, 11, 12, 14)), _F_END),
)


@dataclass(frozen=True)
class Vectors:
    """Those of a pass: ``unroll`` pairs of taps a turn, ``turns`` times, behind ``rest`` others. Vectors of
    neighbouring pairs of outputs lie side by side."""

    unroll: int
    turns: int
    rest: int

    @property
    def words(self) -> int:
        """Pairs of taps."""
        return self.unroll * self.turns + self.rest

    @property
    def size_bytes(self) -> int:
        """Of one vector."""
        return _WORD * self.words


@functools.lru_cache(maxsize=64)
def sums(v: Vectors) -> Listing:
    """The routine of one pass: adds to the sums of four pairs by two channels, 17 cycles for 16 products where weights
    and activations are in different memories, else 16."""
    rest = f"_{v.rest}" if v.rest else ""
    a = Assembly(f"winograd_sums_{v.unroll}x{v.turns}{rest}", routine=SUMS)
    if v.rest or v.turns == 1:
        _block(a, v, v.rest or v.unroll)
    if v.turns > 1:
        end = Core(10, "x end")
        a.addw(end, _X, _WORD * v.unroll * v.turns)
        a.vmov(_F_END, end)
        top = a.loop("taps")
        _block(a, v, v.unroll)
        a.vmov(end, _F_END)
        a.cmp(_X, end)
        a.b(top, "ne")
    a.vmov(_BACK, _F_BACK)
    a.return_(_BACK)
    return a.finish()


def _block(a: Assembly, v: Vectors, words: int) -> None:
    """Pairs of taps side by side. The first loads advance both pointers behind the block."""
    x = Core(10, "x0", "two taps"), Core(11, "x1", "two taps of the next pair of outputs")
    later = Core(10, "x2", "two taps"), Core(11, "x3", "two taps")
    w = Core(12, "w0", "two taps of channel 0"), Core(14, "w1", "two taps of channel 1")
    for i in range(words):
        back = _WORD * (i - words)
        first = 0 if i == 0 else back
        a.ldr(x[1], _X.at(v.size_bytes + first))
        a.ldr(x[0], _X.at(back) if i else _X.post(_WORD * words))
        a.ldr(w[1], _WEIGHTS.at(CHANNELS * first + _WORD))
        a.ldr(w[0], _WEIGHTS.at(CHANNELS * back) if i else _WEIGHTS.post(CHANNELS * _WORD * words))
        for pair in (0, 1):
            for row, weights in zip(_SUMS, w, strict=True):
                a.smlad(row[pair], x[pair], weights, row[pair])
        for pair in (2, 3):
            a.ldr(later[pair - 2], _X.at(pair * v.size_bytes + back))
        for pair in (2, 3):
            for row, weights in zip(_SUMS, w, strict=True):
                a.smlad(row[pair], later[pair - 2], weights, row[pair])


@functools.lru_cache(maxsize=64)
def group(finish: Finish, out_c: int, vectors: tuple[Vectors, Vectors]) -> Listing:
    """``winograd_…(x, weights, out, common, first, last, end)``: eight outputs side by side of all channels.
    ``vectors`` are those of P1 and P2, and of P0 and P3; ``out_c`` is the distance of neighbouring outputs."""
    first, last = vectors
    out, common = Core(2, "first out"), Core(3, "common")
    a = Assembly(
        f"winograd_{out_c}_{first.words}_{last.words}{finish.name}", enters=(_X, _WEIGHTS, out, common)
    )
    a.push((*_SAVED, LR))
    load_common(a, finish, common)
    a.vmov(_F_X, _X)
    a.vmov(_F_OUT, out)
    top = a.loop("channels")
    starts = tuple(row[0] for row in _SUMS)
    a.ldm(_WEIGHTS, starts)
    for row in _SUMS:
        for total in row[1:]:
            a.mov(total, row[0])
    a.vmov(_X, _F_X)
    _pass(a, 4, "P1 is added")
    for kept, total in zip(_KEPT, _ALL, strict=True):
        a.vmov(kept, total)
    _skip(a, first)
    _pass(a, 4, "P2 is added")
    u = Core(10, "P1"), Core(11, "P1 of the next sum")
    for i, (kept, total) in enumerate(zip(_KEPT, _ALL, strict=True)):
        a.vmov(u[i % 2], kept)
        a.rsb(u[i % 2], total, u[i % 2].lsl(1))
        a.vmov(kept, u[i % 2])
    _skip(a, first)
    _pass(a, 5, "P0 is added")
    _skip(a, last)
    a.vmov(_F_LAST, _X)
    _stored(a, finish, out_c, 0)
    for kept, total in zip(_KEPT, _ALL, strict=True):
        a.vmov(total, kept)
    a.vmov(_X, _F_LAST)
    _pass(a, 5, "P3 is added")
    out = _stored(a, finish, out_c, 1)
    behind, end = Core(11, "out of the next channels"), Core(10, "w end")
    a.ldr(end, a.stack_argument(6))
    a.addw(behind, out, CHANNELS)
    a.vmov(_F_OUT, behind)
    a.cmp(_WEIGHTS, end)
    a.b(top, "ne")
    a.pop((*_SAVED, PC))
    return a.finish()


def _pass(a: Assembly, argument: int, name: str) -> None:
    """Go to the routine that an argument points to, and come back here."""
    back, address, through = a.label(name), Core(10, "back"), Core(11, "sums")
    a.ldr(through, a.stack_argument(argument))
    a.adr(address, back)
    a.orr(address, address, 1)
    a.vmov(_F_BACK, address)
    a.call(SUMS, through, back)
    a.align()
    a.place(back)


def _skip(a: Assembly, v: Vectors) -> None:
    """From behind the first pair's vector to the next pass's first."""
    a.addw(_X, _X, (PAIRS - 1) * v.size_bytes)


def _stored(a: Assembly, finish: Finish, out_c: int, odd: int) -> Core:
    """Requantize the sums and store every other output, from ``odd`` on; where the outputs are."""
    ys = outputs(a, finish, _SUMS)
    out = Core(11, "out")
    a.vmov(out, _F_OUT)
    for channel, row in enumerate(ys):
        for pair, y in enumerate(row):
            a.strb(y, out.at((2 * pair + odd) * out_c + channel))
    return out


def reaches(vectors: Sequence[Vectors], in_c: int, out_c: int) -> bool:
    """Whether all that the code addresses lies within what its instructions encode."""
    first, last = (v.size_bytes for v in vectors)
    return max(2 * PAIRS * first, PAIRS * last, (2 * PAIRS + 2) * in_c, 2 * PAIRS * out_c) <= MOST_OFFSET


@functools.lru_cache(maxsize=64)
def columns(in_c: int, vectors: tuple[Vectors, Vectors]) -> Listing:
    """``winograd_columns_…(from, to, last, quads)``: ten input columns of one row, ``quads`` times four channels, into
    the vectors of four pairs: d1 + d2, d2 - d1 from ``to`` on, d0 - d2, d1 - d3 from ``last`` on: 28 cycles for
    four channels of a pair."""
    first, last = vectors
    x, to, to_last, quads = Core(0, "from"), Core(1, "to"), Core(2, "last"), Core(3, "quads")
    a = Assembly(f"winograd_columns_{in_c}_{first.words}_{last.words}", enters=(x, to, to_last, quads))
    a.push((*_SAVED, LR))
    p3 = Core(14, "to P3")
    a.addw(p3, to_last, PAIRS * last.size_bytes)
    top = a.loop("quads")
    ds = [_widened(a, x, in_c, 0, 4), _widened(a, x, in_c, 1, 6)]
    for pair in range(PAIRS):
        free = 8 if pair % 2 == 0 else 4
        ds += _widened_two(a, x, in_c, 2 * pair + 2, free)
        _transformed(a, ds[-4:], (to, to_last, p3), pair, vectors)
    a.add(x, x, _WORD)
    a.add(to, to, 2 * _WORD)
    a.add(to_last, to_last, 2 * _WORD)
    a.add(p3, p3, 2 * _WORD)
    a.subs(quads, quads, 1)
    a.b(top, "ne")
    a.pop((*_SAVED, PC))
    return a.finish()


def _word(column: int, number: int) -> Core:
    return Core(number, f"d{column}", "four channels of a column")


def _widened(a: Assembly, x: Core, in_c: int, column: int, number: int) -> tuple[Core, Core]:
    a.ldr(_word(column, number), x.at(column * in_c))
    return _halves(a, column, number)


def _widened_two(a: Assembly, x: Core, in_c: int, column: int, number: int) -> list[tuple[Core, Core]]:
    """Two columns, loaded one behind the other."""
    a.ldr(_word(column, number), x.at(column * in_c))
    a.ldr(_word(column + 1, number + 2), x.at((column + 1) * in_c))
    return [_halves(a, column, number), _halves(a, column + 1, number + 2)]


def _halves(a: Assembly, column: int, number: int) -> tuple[Core, Core]:
    even = Core(number, f"d{column} even", "channels 0 and 2")
    odd = Core(number + 1, f"d{column} odd", "channels 1 and 3")
    a.sxtb16(odd, _word(column, number), 8)
    a.sxtb16(even, _word(column, number))
    return even, odd


def _transformed(
    a: Assembly,
    ds: Sequence[tuple[Core, Core]],
    to: tuple[Core, Core, Core],
    pair: int,
    vectors: tuple[Vectors, Vectors],
) -> None:
    """A pair's four words of two channels, even and odd ones."""
    p1, p0, p3 = to
    first, last = (v.size_bytes for v in vectors)
    for half in (0, 1):
        d0, d1, d2, d3 = (d[half] for d in ds)
        at = _WORD * half
        total, other = Core(12, "d1 + d2"), Core(12, "d2 - d1")
        a.sadd16(total, d1, d2)
        a.str_(total, p1.at(pair * first + at))
        a.ssub16(other, d2, d1)
        a.str_(other, p1.at((PAIRS + pair) * first + at))
        ends = Core(d0.number, "d0 - d2"), Core(d1.number, "d1 - d3")
        a.ssub16(ends[0], d0, d2)
        a.ssub16(ends[1], d1, d3)
        a.str_(ends[0], p0.at(pair * last + at))
        a.str_(ends[1], p3.at(pair * last + at))
