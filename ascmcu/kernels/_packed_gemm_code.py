# SPDX-License-Identifier: Apache-2.0
"""The assembly of the packed product (``_packed_gemm``).

A tile of pixels by channels is summed at a time: 2x4 (two pixels, four channels) fills fourteen core registers, 1x4 is
for what is left beside pairs, 1x8 for long vectors of dense layers. Pointers and bounds wait in FPU registers, one
cycle away. One stream holds all that a group of channels needs, in the order of its use: the sums before the first tap,
the weights, the constants of the requantization.

The sums of 2x4 are a routine of their own, which layers of the same pixel distance share; what requantizes and stores
is shared by layers of the same requantization. Where the taps are few, and the layer is much of the network, the sums
stand in the code itself, which saves the seven cycles of going there and back.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ascmcu.kernels._saturating import Saturating, saturate
from ascmcu.m4.asm import MOST_STEP, Assembly
from ascmcu.m4.listing import Label, Listing, Routine
from ascmcu.m4.registers import LR, PC, Core, Fpu, Register

EIGHT_PAIRS = 8  # pairs of taps side by side in the loop of 1x8

_X = Core(0, "x", "taps of the pixel that come next")
_WEIGHTS = Core(1, "w", "what comes next of a group: first sums, weights, constants")
_SAVED = tuple(Core(n, f"r{n}") for n in range(4, 12))

_F_X = Fpu(0, "x of the pixel", "its first tap")
_F_OUT = Fpu(1, "out", "of the group's first channel")
_F_X_END = Fpu(3, "x end", "behind the taps that the loop takes")
_F_W_END = Fpu(4, "w end", "behind the last group")
_F_TURNS = Fpu(5, "turns", "pixels, or pairs of pixels, that are left")
_F_W_FIRST = Fpu(6, "first w", "of the first group")
_F_NEXT_OUT = Fpu(8, "next out", "from behind the last output to the next pixel's first")
_F_NEXT_X = Fpu(9, "next x", "from a pixel to the next")
_F_SECOND = Fpu(10, "out step", "from a pixel's output to its partner's")
_F_SUMS = Fpu(11, "sums", "the routine that sums two pixels")
_F_BACK = Fpu(12, "back", "where it comes back to")
_F_C = Fpu(13, "C", "of all channels")
_F_BASE = Fpu(13, "base", "C without the early steps: D is counted from it")
_F_M = Fpu(14, "M", "of all channels")
_F_F = Fpu(15, "F", "of all channels")
_BACK = Core(LR.number, "back")


@dataclass(frozen=True)
class Finish(Saturating):
    """What the code behind the sums depends on: a requantization, whether it has the second word F (``two_words``),
    what of it all channels have in ``common`` ("", "c" or "mc"), and the distance of neighbouring channels' outputs."""

    two_words: bool
    common: str
    channel_step: int

    @property
    def name(self) -> str:
        """Its part of a kernel's name (docs/kernels.md, Names)."""
        step = f"_c{self.channel_step}" if self.channel_step > 1 else ""
        form = f"_s{self.shift}{'d' if self.signed else ''}{'w' if self.two_words else ''}{self.common}"
        bounds = f"_from{self.low}_to{self.high}".replace("-", "m") if self.clamps else ""
        return step + form + bounds


@dataclass(frozen=True)
class Loop:
    """How the taps of a vector are taken: ``unroll`` pairs a turn, as often as the call says where there are more
    turns than one, and ``rest`` pairs beside them: behind them for one pixel, before them for two."""

    unroll: int
    turns: bool
    rest: int

    @property
    def name(self) -> str:
        """Its part of a kernel's name."""
        return f"{self.unroll}{'x' if self.turns else ''}{f'_{self.rest}' if self.rest else ''}"


@dataclass(frozen=True)
class PairLoop(Loop):
    """The taps of two pixels, ``pixel_bytes`` apart."""

    pixel_bytes: int

    @property
    def name(self) -> str:
        """Its part of a kernel's name."""
        return f"{super().name}_x{self.pixel_bytes}"


@functools.lru_cache(maxsize=256)
def sums(loop: PairLoop) -> Listing:
    """The routine that sums two pixels by four channels."""
    a = Assembly(f"packed_gemm_sums_{loop.name}", routine=SUMS)
    _pair_taps(a, loop)
    # BX LR comes back a cycle earlier than BX of another register, unless LR is written right before it.
    a.vmov(_BACK, _F_BACK)
    _accumulators(a, _by_channel(_sums_of(2, 4), 2))
    a.return_(_BACK)
    return a.finish()


@functools.lru_cache(maxsize=256)
def two_by_four(finish: Finish, inside: PairLoop | None = None) -> Listing:
    """Two pixels by four channels a turn. A routine sums them, or the loop ``inside``."""
    a = Assembly(f"packed_gemm_2x4{f'_{inside.name}' if inside else ''}{finish.name}", enters=_ARGUMENTS)
    loops = inside is None or inside.turns
    _prologue(a, finish, two=True, loops=loops, calls=inside is None)
    if inside is None:
        back, address = a.label("summed"), Core(10, "back")
        a.adr(address, back)
        a.orr(address, address, 1)
        a.vmov(_F_BACK, address)
    pixel, group = _turn(a)
    totals = _sums_of(2, 4)
    # Before the sums: a load right behind the move of its address waits.
    a.vmov(_X, _F_X)
    a.ldm(_WEIGHTS, totals[:4])
    if inside is not None:
        _pair_taps(a, inside)
        ys = _scaled(a, finish, _by_channel(totals, 2))
    else:
        through = Core(10, "sums")
        a.vmov(through, _F_SUMS)
        a.call(SUMS, through, back)
        a.align()
        a.place(back)
        ys = _products(a, finish, _named_accumulators(_by_channel(totals, 2)))
    _store_two(a, finish, ys)
    _next_turn(a, pixel, group, loops=loops)
    return a.finish()


def _store_two(a: Assembly, finish: Finish, ys: _Rows) -> None:
    """Saturate and store the outputs of both pixels; out goes on to the next group. Each partner's output is stored
    before the pixel's, which may take its place. Addresses are made ahead, and the stores of both pixels alternate, so
    that none waits for a base that the instruction before has written."""
    out, other, behind = Core(11, "out"), Core(10, "partner's out"), Core(12, "next group's out")
    step = finish.channel_step
    a.vmov(out, _F_OUT)
    a.vmov(Core(10, "out step"), _F_SECOND)
    a.add(other, Core(10, "out step"), out)
    _saturated(a, finish, ys)
    advances = step <= MOST_STEP
    if not advances:
        a.addw(behind, out, 4 * step)
        a.vmov(_F_OUT, behind)
    for channel, (y, y_other) in enumerate(ys):
        a.strb(y_other, other.at(channel * step))
        a.strb(y, out.post(step) if advances else out.at(channel * step))
    if advances:
        a.vmov(_F_OUT, out)


@functools.lru_cache(maxsize=256)
def one_by_four(loop: Loop, finish: Finish) -> Listing:
    """One pixel by four channels a turn."""
    return _one(f"packed_gemm_1x4_{loop.name}{finish.name}", 4, loop, finish)


@functools.lru_cache(maxsize=256)
def one_by_eight(finish: Finish) -> Listing:
    """One pixel by eight channels a turn."""
    return _one(f"packed_gemm_1x8{finish.name}", 8, Loop(EIGHT_PAIRS, True, 0), finish)


def _one(name: str, channels: int, loop: Loop, finish: Finish) -> Listing:
    a = Assembly(name, enters=_ARGUMENTS)
    _prologue(a, finish, two=False, loops=loop.turns, calls=False)
    pixel, group = _turn(a)
    totals = _sums_of(1, channels)
    a.vmov(_X, _F_X)
    a.ldm(_WEIGHTS, totals)
    _taps(a, loop, functools.partial(_one_by_eight if channels == 8 else _one_by_four, a))
    ys = _scaled(a, finish, [(total,) for total in totals])
    _saturated(a, finish, ys)
    out, step = Core(11, "out"), finish.channel_step
    a.vmov(out, _F_OUT)
    for channel, (y,) in [*enumerate(ys)][1:]:
        a.strb(y, out.at(channel * step))
    advances = channels * step <= MOST_STEP
    a.strb(ys[0][0], out.post(channels * step) if advances else out.at())
    if not advances:
        a.addw(out, out, channels * step)
    a.vmov(_F_OUT, out)
    _next_turn(a, pixel, group, loops=loop.turns)
    return a.finish()


# ---- Registers ----


def _sums_of(pixels: int, channels: int) -> list[Core]:
    """B and A of each pair of channels, pixel by pixel, from r2 on."""
    found: list[Core] = []
    for pixel in range(pixels):
        for low in range(0, channels, 2):
            mark = "'" * pixel
            for name, what in (("B", "sum of x * w"), ("A", "sum of x * (256 w' + w)")):
                holds = f"{what} of channels {low} and {low + 1}, {'partner pixel' if pixel else 'pixel'}"
                found.append(Core(2 + len(found), f"{name}{low}{low + 1}{mark}", holds))
    return found


def _by_channel(totals: Sequence[Core], pixels: int) -> _Rows:
    """The registers of each channel, one a pixel."""
    channels = len(totals) // pixels
    return [tuple(totals[p * channels + c] for p in range(pixels)) for c in range(channels)]


def _named(register: Core, name: str, pixel: int) -> Core:
    return Core(register.number, name + "'" * pixel)


def _named_accumulators(channels: _Rows) -> _Rows:
    """The same registers once they hold 256 times the accumulators."""
    return [tuple(_named(r, f"256 acc{c}", p) for p, r in enumerate(row)) for c, row in enumerate(channels)]


_FIRST_X, _FIRST_OUT, _TURNS = Core(0, "first x"), Core(2, "first out"), Core(3, "turns")
_ARGUMENTS: tuple[Register, ...] = (_FIRST_X, _WEIGHTS, _FIRST_OUT, _TURNS)
SUMS = Routine(
    "packed_gemm_sums",
    enters=(_X, _WEIGHTS, *_sums_of(2, 4)[:4], _F_X_END, _F_BACK),
    leaves=(_WEIGHTS, *(r for row in _named_accumulators(_by_channel(_sums_of(2, 4), 2)) for r in row)),
    spoils=tuple(Core(n, "") for n in (0, 10, 11, 12, 14)),
)


# ---- Around the sums ----


def _prologue(a: Assembly, finish: Finish, *, two: bool, loops: bool, calls: bool) -> None:
    """Save the callee's registers; what the call never changes goes to FPU registers: the end of the taps where a loop
    takes them, the routine where one is called."""
    call, common = Core(12, "call"), Core(10, "common")
    a.push((*_SAVED, LR))
    a.ldrd(call, common, a.stack_argument(4))
    load_common(a, finish, common)
    loop_bytes, w_bytes, next_out, next_x, out_step, routine = (
        Core(4 + i, name)
        for i, name in enumerate(("loop bytes", "w bytes", "next out", "next x", "out step", "sums"))
    )
    fields = [loop_bytes, w_bytes, next_out, next_x, *([out_step, routine] if two else [])]
    a.ldm(call, fields, advance=False)
    x_end, w_end = Core(4, "x end"), Core(5, "w end")
    if loops:
        a.add(x_end, loop_bytes, _FIRST_X)
    a.add(w_end, w_bytes, _WEIGHTS)
    kept: list[tuple[Fpu, Core, bool]] = [
        (_F_X, _FIRST_X, True), (_F_OUT, _FIRST_OUT, True), (_F_X_END, x_end, loops), (_F_W_END, w_end, True),
        (_F_TURNS, _TURNS, True), (_F_W_FIRST, _WEIGHTS, True), (_F_NEXT_OUT, next_out, True),
        (_F_NEXT_X, next_x, True), (_F_SECOND, out_step, two), (_F_SUMS, routine, calls),
    ]  # fmt: skip
    for place, value, wanted in kept:
        if wanted:
            a.vmov(place, value)


def load_common(a: Assembly, finish: Finish, common: Core) -> None:
    """What all channels have in common, from where a register points, to s13, s14 and s15."""
    if not finish.common and not finish.signed:
        return
    if finish.common != "mc":
        a.vldr(_F_BASE if finish.signed else _F_C, common.at())
        return
    a.vldr(_F_M, common.at())
    if finish.two_words:
        a.vldr(_F_F, common.at(4))
    a.vldr(_F_C, common.at(8 if finish.two_words else 4))


def _turn(a: Assembly) -> tuple[Label, Label]:
    """Where a group of channels begins: the loops over pixels and over groups."""
    a.align()
    return a.place(a.label("pixel")), a.place(a.label("group"))


def _next_turn(a: Assembly, pixel: Label, group: Label, *, loops: bool) -> None:
    """Behind a group: the next one, or the next pixel's first, or the end. Where taps are a loop (``loops``), its end
    goes on as well."""
    end, turns, w, next_x = Core(10, "w end"), Core(12, "turns"), Core(1, "w"), Core(12, "next x")
    a.vmov(end, _F_W_END)
    a.cmp(w, end)
    a.b(group, "ne")
    a.note("On to the next pixels.")
    done = a.label("done")
    a.vmov(turns, _F_TURNS)
    a.subs(turns, turns, 1)
    a.b(done, "eq", leaves=pixel)
    a.vmov(_F_TURNS, turns)
    a.vmov(w, _F_W_FIRST)
    a.vmov(next_x, _F_NEXT_X)
    x, x_end = Core(2, "x of the pixel"), Core(3, "x end")
    a.vmov(x, _F_X)
    if loops:
        a.vmov(x_end, _F_X_END)
    a.add(x, x, next_x)
    if loops:
        a.add(x_end, x_end, next_x)
        a.vmov(_F_X_END, x_end)
    a.vmov(_F_X, x)
    out, next_out = Core(2, "out"), Core(3, "next out")
    a.vmov(out, _F_OUT)
    a.vmov(next_out, _F_NEXT_OUT)
    a.add(out, out, next_out)
    a.vmov(_F_OUT, out)
    a.b(pixel)
    a.place(done)
    a.pop((*_SAVED, PC))


# ---- Sums ----


def _taps(a: Assembly, loop: Loop, body: Callable[[int], None]) -> None:
    """All taps: the loop's pairs as long as x is before its end, where it has more turns than one, then the rest."""
    top = a.loop("taps") if loop.turns else None
    body(loop.unroll)
    if top is not None:
        end = Core(10, "x end")
        a.vmov(end, _F_X_END)
        a.cmp(_X, end)
        a.b(top, "ne")
    if loop.rest:
        body(loop.rest)


def _pair_taps(a: Assembly, loop: PairLoop) -> None:
    """All taps of two pixels. Both begin with the sums that are there of one: the first products of the partner go from
    there to its own sums. Where that would be in a loop, copies are made first."""
    totals = _sums_of(2, 4)
    if loop.rest or not loop.turns:
        _two_by_four(a, loop.pixel_bytes, loop.rest or loop.unroll, begins=True)
    else:
        for own, other in zip(totals[:4], totals[4:], strict=True):
            a.mov(other, own)
    if loop.turns:
        body = functools.partial(_two_by_four, a, loop.pixel_bytes)
        _taps(a, Loop(loop.unroll, True, 0), body)


def _two_by_four(a: Assembly, pixel_bytes: int, pairs: int, *, begins: bool = False) -> None:
    """Each pair of taps of two pixels by four channels: four loads, two extensions, eight products, 15 cycles. The
    first loads advance both pointers behind the block, so that later offsets count back from there."""
    b01, a01, b23, a23, *partner = _sums_of(2, 4)
    x, x_ = Core(10, "x", "two taps"), Core(11, "x'", "two taps of the partner pixel")
    h01, h23 = Core(12, "H01", "256 w1 + w0 of two taps"), Core(14, "H23", "256 w3 + w2 of two taps")
    w0, w2 = Core(12, "w0", "of two taps"), Core(14, "w2", "of two taps")
    for i in range(pairs):
        back = 4 * (i - pairs) if i else 0
        b01_, a01_, b23_, a23_ = (b01, a01, b23, a23) if begins and not i else partner
        a.ldr(x_, _X.at(pixel_bytes + back))
        a.ldr(x, _X.at(back) if i else _X.post(4 * pairs))
        a.ldr(h23, _WEIGHTS.at(2 * back + 4))
        a.ldr(h01, _WEIGHTS.at(2 * back) if i else _WEIGHTS.post(8 * pairs))
        a.smlad(partner[1], x_, h01, a01_)
        a.smlad(a01, x, h01, a01)
        a.sxtb16(w0, h01)
        a.smlad(partner[3], x_, h23, a23_)
        a.smlad(a23, x, h23, a23)
        a.sxtb16(w2, h23)
        a.smlad(partner[0], x_, w0, b01_)
        a.smlad(b01, x, w0, b01)
        a.smlad(partner[2], x_, w2, b23_)
        a.smlad(b23, x, w2, b23)


def _one_by_four(a: Assembly, pairs: int) -> None:
    """Two pairs of taps of one pixel by four channels at a time: 19 cycles for 16 products."""
    for i in range(0, pairs - 1, 2):
        _two_pairs(a, i, pairs)
    if pairs % 2:
        _one_pair(a, pairs - 1, pairs)


def _two_pairs(a: Assembly, i: int, pairs: int) -> None:
    b01, a01, b23, a23 = _sums_of(1, 4)
    xs = Core(6, "x", "two taps"), Core(7, "x of the next pair", "two taps")
    words = ((8, "H01"), (9, "H23")), ((12, "H01 of the next pair"), (14, "H23 of the next pair"))
    h = [[Core(n, name, "256 w' + w of two taps") for n, name in pair] for pair in words]
    back = 4 * (i - pairs) if i else 0
    a.ldr(xs[1], _X.at(back + 4))
    a.ldr(xs[0], _X.at(back) if i else _X.post(4 * pairs))
    a.ldr(h[0][1], _WEIGHTS.at(2 * back + 4))
    a.ldr(h[1][0], _WEIGHTS.at(2 * back + 8))
    a.ldr(h[1][1], _WEIGHTS.at(2 * back + 12))
    a.ldr(h[0][0], _WEIGHTS.at(2 * back) if i else _WEIGHTS.post(8 * pairs))
    for x, (h01, h23) in zip(xs, h, strict=True):
        w0, w2 = _low(h01), _low(h23)
        a.smlad(a01, x, h01, a01)
        a.smlad(a23, x, h23, a23)
        a.sxtb16(w0, h01)
        a.sxtb16(w2, h23)
        a.smlad(b01, x, w0, b01)
        a.smlad(b23, x, w2, b23)


def _one_pair(a: Assembly, i: int, pairs: int) -> None:
    b01, a01, b23, a23 = _sums_of(1, 4)
    x, h01, h23 = Core(6, "x", "two taps"), Core(12, "H01"), Core(14, "H23")
    back = 4 * (i - pairs) if i else 0
    a.ldr(x, _X.at(back) if i else _X.post(4 * pairs))
    a.ldr(h23, _WEIGHTS.at(2 * back + 4))
    a.ldr(h01, _WEIGHTS.at(2 * back) if i else _WEIGHTS.post(8 * pairs))
    a.smlad(a01, x, h01, a01)
    a.smlad(a23, x, h23, a23)
    a.sxtb16(_low(h01), h01)
    a.sxtb16(_low(h23), h23)
    a.smlad(b01, x, _low(h01), b01)
    a.smlad(b23, x, _low(h23), b23)


def _one_by_eight(a: Assembly, pairs: int) -> None:
    """Two pairs of taps of one vector by eight channels at a time: 37 cycles for 32 products. The first loads advance
    both pointers behind the block."""
    for i in range(0, pairs, 2):
        _two_pairs_by_eight(a, i, pairs)


def _two_pairs_by_eight(a: Assembly, i: int, pairs: int) -> None:
    """Three words of weights at a time, each in a register that the one before has left."""
    b01, a01, b23, a23, b45, a45, b67, a67 = _sums_of(1, 8)
    x, x_ = Core(10, "x", "two taps"), Core(12, "x of the next pair", "two taps")

    advanced = 0 if i == 0 else 16 * pairs

    def word(number: int, name: str, at: int) -> Core:
        loaded = Core(number, name, "256 w' + w of two taps")
        a.ldr(loaded, _WEIGHTS.at(16 * i + 4 * at - advanced))
        return loaded

    def high_then_low(total: Core, taps: Core, packed: Core) -> Core:
        a.smlad(total, taps, packed, total)
        a.sxtb16(_low(packed), packed)
        return _low(packed)

    a.ldr(x, _X.at(4 * (i - pairs)) if i else _X.post(4 * pairs))
    h23, h45 = word(12, "H23", 1), word(14, "H45", 2)
    if i == 0:
        h01, advanced = Core(11, "H01", "256 w' + w of two taps"), 16 * pairs
        a.ldr(h01, _WEIGHTS.post(16 * pairs))
    else:
        h01 = word(11, "H01", 0)
    w0, w2, w4 = high_then_low(a01, x, h01), high_then_low(a23, x, h23), high_then_low(a45, x, h45)
    for total, low in ((b01, w0), (b23, w2), (b45, w4)):
        a.smlad(total, x, low, total)
    a.ldr(x_, _X.at(4 * (i + 1 - pairs)))
    h67 = word(11, "H67", 3)
    h01 = word(14, "H01 of the next pair", 4)
    w6, w0 = high_then_low(a67, x, h67), high_then_low(a01, x_, h01)
    a.smlad(b67, x, w6, b67)
    a.smlad(b01, x_, w0, b01)
    h23, h45, h67 = (
        word(n, f"H{t} of the next pair", at) for n, t, at in ((10, 23, 5), (11, 45, 6), (14, 67, 7))
    )
    w2, w4, w6 = high_then_low(a23, x_, h23), high_then_low(a45, x_, h45), high_then_low(a67, x_, h67)
    for total, low in ((b23, w2), (b45, w4), (b67, w6)):
        a.smlad(total, x_, low, total)


def _low(packed: Core) -> Core:
    """What SXTB16 leaves of a packed word: the weights of the lower channel."""
    return Core(packed.number, f"w of {packed.name}", "of two taps")


# ---- Outputs ----

_Rows = Sequence[tuple[Core, ...]]  # each channel's registers, one a pixel


def _accumulators(a: Assembly, channels: _Rows) -> _Rows:
    """256 times each accumulator, of the sums."""
    found = _named_accumulators(channels)
    for c in range(0, len(channels), 2):
        for p, (low, high) in enumerate(zip(channels[c], channels[c + 1], strict=True)):
            a.sub(found[c + 1][p], high, low)
            a.lsl(found[c][p], low, 8)
    return found


def _scaled(a: Assembly, finish: Finish, channels: _Rows) -> _Rows:
    """256 times each accumulator, times M plus C, before it is shifted. The first constants are read ahead: behind a
    loop the fetch is late, and a load of several words gives it time."""
    own = _own_constants(finish)
    if own:
        a.ldm(_WEIGHTS, own)
    return _products(a, finish, _accumulators(a, channels), loaded=True)


def outputs(a: Assembly, finish: Finish, sums: _Rows) -> _Rows:
    """Each channel's outputs of 256 times its accumulators, a channel's pixels side by side. What channels have of
    their own is read from the stream of weights; r0, r10, r11, r12 and r14 are lost."""
    ys = _products(a, finish, sums)
    _saturated(a, finish, ys)
    return ys


def _saturated(a: Assembly, finish: Finish, ys: _Rows) -> None:
    """Shift and saturate; where there are two words, the products have done it."""
    for y in () if finish.two_words else (y for row in ys for y in row):
        saturate(a, finish, y, y)


_M, _F, _C = Core(10, "M"), Core(11, "F"), Core(12, "C")


def _own_constants(finish: Finish) -> tuple[Core, ...]:
    """What one load reads from the stream: of one channel, or of two at once. Nothing where all channels have the
    same."""
    if finish.two_words:
        return (() if finish.common == "mc" else (_M, _F)) + (() if finish.common else (_C,))
    if finish.signed:
        return _M, Core(11, "C")
    if finish.common:
        return () if finish.common == "mc" else (_M, Core(11, "M of the next channel"))
    return _M, Core(11, "C"), Core(12, "M of the next channel"), Core(14, "C of the next channel")


def _products(a: Assembly, finish: Finish, sums: _Rows, *, loaded: bool = False) -> _Rows:
    """Each sum times M plus C, in its own register; the outputs already where there are two words. The first constants
    that channels have of their own may be ``loaded``."""
    own = _own_constants(finish)
    ys = [tuple(_named(r, f"y{c}", p) for p, r in enumerate(row)) for c, row in enumerate(sums)]
    if finish.two_words:
        _two_word_products(a, finish, sums, ys, loaded)
    elif finish.signed:
        _signed_products(a, own, sums, ys, loaded)
    elif finish.common == "mc":
        m, c = _M, Core(11, "C")
        a.vmov(m, _F_M)
        a.vmov(c, _F_C)
        _scale(a, [*zip(sums, ys, strict=True)], [(m, c)] * len(sums))
    else:
        if finish.common:
            a.vmov(_C, _F_C)
        constants = [(m, _C) for m in own] if finish.common else [own[:2], own[2:]]
        for i in range(0, len(sums), 2):
            if i or not loaded:
                a.ldm(_WEIGHTS, own)
            _scale(a, [*zip(sums[i : i + 2], ys[i : i + 2], strict=True)], constants)
    return ys


def _scale(
    a: Assembly,
    rows: Sequence[tuple[tuple[Core, ...], tuple[Core, ...]]],
    constants: Sequence[Sequence[Core]],
) -> None:
    for (sums, ys), (m, c) in zip(rows, constants, strict=True):
        for total, y in zip(sums, ys, strict=True):
            a.smmla(y, total, m, c)


def _signed_products(a: Assembly, own: Sequence[Core], sums: _Rows, ys: _Rows, loaded: bool) -> None:
    """M and C of each channel; D, twice what C is beyond the base, is taken off where the sum is negative."""
    base, (m, c) = Core(0, "base"), own
    early, taken = Core(12, "D / 2"), Core(14, "D / 2 if negative")
    a.vmov(base, _F_BASE)
    for i, (row, outputs) in enumerate(zip(sums, ys, strict=True)):
        if i or not loaded:
            a.ldm(_WEIGHTS, own)
        a.sub(early, c, base)
        for total, y in zip(row, outputs, strict=True):
            a.and_(taken, early, total.asr(31))
            a.smmla(y, total, m, c)
            a.sub(y, y, taken.lsl(1))


def _two_word_products(a: Assembly, finish: Finish, sums: _Rows, ys: _Rows, loaded: bool) -> None:
    """The low word of the sum times F goes below that of the sum times M: SMLAL adds them to C."""
    m, f, c = _M, _F, _C
    low, high = Core(14, "sum * F >> 32"), Core(0, "C + its sign")
    y_low, y_high = Core(14, "product, low"), Core(0, "product, high")
    if finish.common == "mc":
        a.vmov(m, _F_M)
        a.vmov(f, _F_F)
    if finish.common:
        a.vmov(c, _F_C)
    own = _own_constants(finish)
    for i, (row, outputs) in enumerate(zip(sums, ys, strict=True)):
        if own and (i or not loaded):
            a.ldm(_WEIGHTS, own)
        for total, y in zip(row, outputs, strict=True):
            a.smmul(low, total, f)
            a.add(high, c, low.asr(31))
            a.smlal(low, high, total, m)
            a.rename(low, y_low)
            a.rename(high, y_high)
            if finish.signed:
                base, early = Core(14, "base"), Core(14, "D / 2 if negative")
                a.vmov(base, _F_BASE)
                a.sub(early, c, base)
                a.and_(early, early, total.asr(31))
                a.sub(y_high, y_high, early.lsl(1))
            saturate(a, finish, y, y_high)
