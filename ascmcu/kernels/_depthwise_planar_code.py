# SPDX-License-Identifier: Apache-2.0
"""The assembly of ``depthwise_planar``: one channel a turn, four outputs a block, three kernel rows of two words."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ascmcu.kernels._saturating import Constants, Saturating, outputs
from ascmcu.m4.asm import Assembly
from ascmcu.m4.listing import Label, Listing
from ascmcu.m4.registers import LR, PC, Core, Fpu

BLOCK = 4
_ROWS = 3

_SAVED = tuple(Core(n, f"r{n}") for n in range(4, 12))
_CONSTANTS = Core(1, "constants", "that come next")
_ARGUMENTS = Core(0, "rows"), _CONSTANTS, Core(2, "first out")

_SUMS = tuple(Core(2 + i, f"sum{i}", f"256 times the accumulator of output {i}") for i in range(5))
_W02 = tuple(
    Core(7 + row, f"w02 row {row}", f"left and right tap of kernel row {row}") for row in range(_ROWS)
)
_W1 = Core(10, "w1 rows 0, 1", "middle taps, bottom of row 0, top of row 1")
_ROW = Core(0, "row")
_OUT = Core(0, "out")
_X0, _X4, _X8 = Core(11, "x0-3", "four columns"), Core(12, "x4-7", "the next four"), Core(14, "x8-11")

_F_END = Fpu(0, "constants' end", "behind the last channel's")
_F_BIAS = Fpu(1, "bias", "of the channel, times 256")
_F_M, _F_C, _F_D = Fpu(2, "M"), Fpu(3, "C"), Fpu(4, "D")
_BIAS = Core(6, "bias", "256 times what the sums begin with")
_F_W1 = Fpu(5, "w1 row 2", "middle tap of kernel row 2")
_F_OUT = Fpu(6, "out", "of the channel")
_F_ROWS = tuple(
    Fpu(8 + row, f"row {row}", f"columns that come next under kernel row {row}") for row in range(_ROWS)
)
_F_BLOCK_OUT = Fpu(11, "block out", "of the block's first output")
_F_BLOCKS = Fpu(12, "blocks", "that are left")
_NARROW_REACH = 240  # bytes that a narrow branch goes back for certain


@dataclass(frozen=True)
class Shape(Saturating):
    """What the assembly depends on: a row's outputs are ``blocks`` times four and then ``last`` (1 … 5), of planes
    ``width`` bytes wide. ``may_miss`` says of each kernel row whether it lies in the padding at some step; its columns
    are then the zero point, ``fill`` four times in a word. An output takes ``y_bytes``."""

    stride: int
    width: int
    channels: int
    fill: int
    blocks: int
    last: int
    may_miss: tuple[bool, ...]
    y_bytes: int

    @property
    def channel_words(self) -> int:
        """Constants of one channel: perhaps D, the bias, five words of weights, M and C."""
        return self.scale_words + 6


@functools.lru_cache(maxsize=256)
def code(k: Shape) -> Listing:
    """The function: one output row, all channels."""
    a = Assembly("depthwise_planar", enters=_ARGUMENTS)
    rows, constants, out = _ARGUMENTS
    end = Core(3, "constants' end")
    a.push((*_SAVED, LR))
    a.vldm(rows, _F_ROWS)
    a.movw(end, 4 * k.channels * k.channel_words)
    a.add(end, end, constants)
    a.vmov(_F_END, end)
    a.vmov(_F_OUT, out)
    top = a.label("channels")
    missing = {(row, last): _missing(a, k, row, last=last) for last in (False, True) for row in range(_ROWS)}
    used = [m for (row, last), m in missing.items() if k.may_miss[row] and (last or k.blocks)]
    if used:
        # In front, where narrow branches reach.
        a.b(top)
        for each in used:
            each.write(a, k.fill)
    a.align()
    a.place(top)
    _constants(a, k)
    if k.blocks:
        _blocks(a, k, missing)
    _block(a, k, missing, k.last, k.width - BLOCK * k.stride * k.blocks, last=True)
    end = Core(2, "constants' end")
    a.vmov(end, _F_END)
    a.cmp(_CONSTANTS, end)
    a.b(top, "ne")
    a.pop((*_SAVED, PC))
    return a.finish()


def _constants(a: Assembly, k: Shape) -> None:
    """A channel's weights, each at 256 times its value in a halfword, and what its outputs need. The bias goes where
    the last sum will be: the others begin with it. Where all outputs are one block, M and C are read behind it."""
    m, c, d, w1 = Core(12, "M"), Core(14, "C"), Core(2, "D"), Core(11, "w1 row 2")
    a.ldm(_CONSTANTS, (*((d,) if k.signed else ()), _BIAS, *_W02, _W1, w1, *((m, c) if k.blocks else ())))
    if k.signed:
        a.vmov(_F_D, d)
    if k.blocks:
        a.vmov(_F_M, m)
        a.vmov(_F_C, c)
        a.vmov(_F_BIAS, _BIAS)
    else:
        a.vmov(_ROW, _F_ROWS[0])
        if k.last < len(_SUMS):
            a.mov(_bias(k.last), _BIAS)
    a.vmov(_F_W1, w1)


def _bias(count: int) -> Core:
    """The bias in the register of the last sum."""
    return Core(_SUMS[count - 1].number, _BIAS.name)


@dataclass(frozen=True)
class _Missing:
    """A kernel row in the padding: its columns are the zero point."""

    label: Label
    back: Label
    words: int

    def write(self, a: Assembly, fill: int) -> None:
        a.place(self.label)
        a.mov(_X0, fill)
        for word in (_X4, _X8)[: self.words - 1]:
            a.mov(word, _X0)
        a.b(self.back)


def _missing(a: Assembly, k: Shape, row: int, *, last: bool) -> _Missing:
    where = f"row {row} of {'last' if last else 'block'}"
    return _Missing(
        a.label(f"{where} is padding"), a.label(where), _words(k.last if last else BLOCK, k.stride)
    )


_AllMissing = Mapping[tuple[int, bool], _Missing]


def _blocks(a: Assembly, k: Shape, missing: _AllMissing) -> None:
    """All outputs but the last ones, four at a time."""
    left = Core(0, "blocks")
    a.vmov(_OUT, _F_OUT)
    a.vmov(_F_BLOCK_OUT, _OUT)
    top: Label | None = None
    if k.blocks > 1:
        a.mov(left, k.blocks)
        a.vmov(_F_BLOCKS, left)
        top = a.loop("blocks")
    _block(a, k, missing, BLOCK, BLOCK * k.stride, last=False)
    if top is not None:
        a.vmov(left, _F_BLOCKS)
        a.subs(left, left, 1)
        a.vmov(_F_BLOCKS, left)
        a.b(top, "ne")


def _block(a: Assembly, k: Shape, missing: _AllMissing, count: int, advance: int, *, last: bool) -> None:
    """``count`` outputs; the rows advance by so many bytes behind them."""
    words = _words(count, k.stride)
    if k.blocks:
        a.vmov(_ROW, _F_ROWS[0])
        a.vmov(_bias(count), _F_BIAS)
    for row in range(_ROWS):
        absent = missing[row, last] if k.may_miss[row] else None
        if absent:
            narrow = a.bytes_since(absent.label) < _NARROW_REACH
            a.cmp(_ROW, 0, narrow=narrow)
            a.b(absent.label, "eq", narrow=narrow)
        _columns(a, words, advance)
        a.vmov(_F_ROWS[row], _ROW)
        if absent:
            a.place(absent.back)
        w1 = _W1
        if row == 2:
            w1 = Core(10 if last else 6, "w1 row 2")
            a.vmov(w1, _F_W1)
        before = _SUMS if row else (_bias(count),) * count
        rows = _unit_stride if k.stride == 1 else _stride_of_two
        following = _F_ROWS[row + 1] if row < 2 else None
        rows(a, before, count, _W02[row], w1, "t" if row == 1 else "b", following)
    _store(a, k, count, last=last)


def _words(count: int, stride: int) -> int:
    """Words of four columns under ``count`` outputs."""
    return (stride * (count - 1) + _ROWS + 3) // 4


def _columns(a: Assembly, words: int, advance: int) -> None:
    if words > 2:
        a.ldr(_X8, _ROW.at(8))
    if words > 1:
        a.ldr(_X4, _ROW.at(4))
    a.ldr(_X0, _ROW.post(advance))


def _unit_stride(
    a: Assembly,
    before: Sequence[Core],
    count: int,
    w02: Core,
    w1: Core,
    half: str,
    following: Fpu | None,
) -> None:
    """One kernel row of up to five neighbouring outputs, added to what was before. The pointer to the ``following`` row
    comes as soon as its register is free: a load behind it would wait."""
    even, odd, even_, odd_ = Core(11, "x0 x2"), Core(0, "x1 x3"), Core(12, "x4 x6"), Core(14, "x5 x7")
    a.sxtb16(odd, _X0, 8)
    a.sxtb16(even, _X0)
    if count > 3:
        a.sxtb16(odd_, _X4, 8)
    if count > 2:
        a.sxtb16(even_, _X4)
    y = _SUMS
    a.smlad(y[0], even, w02, before[0])
    a.smlaxy(f"b{half}", y[0], odd, w1, y[0])
    if count > 1:
        a.smlad(y[1], odd, w02, before[1])
        a.smlaxy(f"t{half}", y[1], even, w1, y[1])
    if count > 2:
        pair = Core(11, "x4 x2")
        a.pkhtb(pair, even, even_)
        a.smladx(y[2], pair, w02, before[2])
        a.smlaxy(f"t{half}", y[2], odd, w1, y[2])
    if count > 3:
        pair = Core(0, "x5 x3")
        a.pkhtb(pair, odd, odd_)
        a.smladx(y[3], pair, w02, before[3])
        _next_row(a, following)
        a.smlaxy(f"b{half}", y[3], even_, w1, y[3])
    if count > 4:
        a.smlad(y[4], even_, w02, before[4])
        a.smlaxy(f"b{half}", y[4], odd_, w1, y[4])
    if count <= 3:
        _next_row(a, following)


def _next_row(a: Assembly, following: Fpu | None) -> None:
    if following:
        a.vmov(_ROW, following)


def _stride_of_two(
    a: Assembly,
    before: Sequence[Core],
    count: int,
    w02: Core,
    w1: Core,
    half: str,
    following: Fpu | None,
) -> None:
    """One kernel row of up to four outputs, two columns apart, added to what was before."""
    even, odd, even_ = Core(11, "x0 x2"), Core(0, "x1 x3"), Core(12, "x4 x6")
    a.sxtb16(odd, _X0, 8)
    a.sxtb16(even, _X0)
    y = _SUMS
    a.smlad(y[0], even, w02, before[0])
    a.smlaxy(f"b{half}", y[0], odd, w1, y[0])
    if count > 1:
        a.smlaxy(f"t{half}", y[1], odd, w1, before[1])
        odd = Core(0, "x5 x7")
        if count > 2:
            a.sxtb16(odd, _X4, 8)
        pair = Core(11, "x4 x2")
        a.sxtb16(even_, _X4)
        a.pkhtb(pair, even, even_)
        a.smladx(y[1], pair, w02, y[1])
    if count > 2:
        a.smlad(y[2], even_, w02, before[2])
        a.smlaxy(f"b{half}", y[2], odd, w1, y[2])
    if count > 3:
        even, pair = Core(14, "x8 x10"), Core(11, "x8 x6")
        a.sxtb16(even, _X8)
        a.pkhtb(pair, even_, even)
        a.smlaxy(f"t{half}", y[3], odd, w1, before[3])
        _next_row(a, following)
        a.smladx(y[3], pair, w02, y[3])
    else:
        _next_row(a, following)


def _store(a: Assembly, k: Shape, count: int, *, last: bool) -> None:
    m, c, d = Core(11, "M"), Core(12, "C"), Core(14, "D")
    a.note("256 times each sum, times M plus C; then shift and saturation.")
    a.vmov(_OUT, _F_BLOCK_OUT if k.blocks else _F_OUT)
    if k.signed:
        a.vmov(d, _F_D)
    if k.blocks:
        a.vmov(m, _F_M)
        a.vmov(c, _F_C)
    else:
        a.ldm(_CONSTANTS, (m, c))
    store, step = (a.strh if k.y_bytes == 2 else a.strb), k.channels * k.y_bytes
    ys = outputs(a, k, _SUMS[:count], Constants(m, c, d, Core(10 if last else 6, "spare")))
    for i, y in [*enumerate(ys)][1:]:
        store(y, _OUT.at(i * step))
    if k.blocks:
        store(ys[0], _OUT.at())
    else:
        store(ys[0], _OUT.post(k.y_bytes))
    if not last:
        a.addw(_OUT, _OUT, BLOCK * step)
        a.vmov(_F_BLOCK_OUT, _OUT)
        return
    if k.blocks:
        a.vmov(_OUT, _F_OUT)
        a.add(_OUT, _OUT, k.y_bytes)
    a.vmov(_F_OUT, _OUT)
