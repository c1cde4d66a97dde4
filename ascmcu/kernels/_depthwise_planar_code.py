# SPDX-License-Identifier: Apache-2.0
"""The assembly of ``depthwise_planar``: one channel a turn, four outputs a block, three kernel rows of two words."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from ascmcu.kernels._saturating import Constants, Saturating, outputs
from ascmcu.m4.asm import Assembly
from ascmcu.m4.listing import Label, Listing
from ascmcu.m4.registers import LR, PC, Core, Fpu

BLOCK = 4
_ROWS = 3

_SAVED = tuple(Core(n, f"r{n}") for n in range(4, 12))
_ARGUMENTS = Core(0, "rows"), Core(1, "first constants"), Core(2, "first out")

_SUMS = tuple(Core(2 + i, f"sum{i}", f"256 times the accumulator of output {i}") for i in range(5))
_W02 = tuple(
    Core(7 + row, f"w02 row {row}", f"left and right tap of kernel row {row}") for row in range(_ROWS)
)
_W1 = Core(10, "w1 rows 0, 1", "middle taps, bottom of row 0, top of row 1")
_ROW = Core(0, "row")
_OUT = Core(0, "out")
_X0, _X4, _X8 = Core(11, "x0-3", "four columns"), Core(12, "x4-7", "the next four"), Core(14, "x8-11")

_F_CONSTANTS = Fpu(0, "constants", "of the next channel")
_F_BIAS = Fpu(1, "bias", "of the channel, times 256")
_F_M, _F_C, _F_D = Fpu(2, "M"), Fpu(3, "C"), Fpu(4, "D")
_BIAS = Core(6, "bias", "256 times what the sums begin with")
_F_W1 = Fpu(5, "w1 row 2", "middle tap of kernel row 2")
_F_OUT = Fpu(6, "out", "of the channel")
_F_CHANNELS = Fpu(7, "channels", "that are left")
_F_ROWS = tuple(
    Fpu(8 + row, f"row {row}", f"columns that come next under kernel row {row}") for row in range(_ROWS)
)
_F_BLOCK_OUT = Fpu(11, "block out", "of the block's first output")
_F_BLOCKS = Fpu(12, "blocks", "that are left")


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


@functools.lru_cache(maxsize=256)
def code(k: Shape) -> Listing:
    """The function: one output row, all channels."""
    a = Assembly("depthwise_planar", enters=_ARGUMENTS)
    rows, constants, out = _ARGUMENTS
    channels = Core(3, "channels")
    a.push((*_SAVED, LR))
    a.vldm(rows, _F_ROWS)
    a.vmov(_F_CONSTANTS, constants)
    a.vmov(_F_OUT, out)
    a.movw(channels, k.channels)
    a.vmov(_F_CHANNELS, channels)
    top = a.loop("channels")
    _constants(a, k)
    ahead: list[_Missing] = []
    if k.blocks:
        ahead += _blocks(a, k)
    ahead += _block(a, k, k.last, k.width - BLOCK * k.stride * k.blocks, last=True)
    if k.blocks:
        a.vmov(_OUT, _F_OUT)
    a.add(_OUT, _OUT, k.y_bytes)
    a.vmov(_F_OUT, _OUT)
    left = Core(0, "channels")
    a.vmov(left, _F_CHANNELS)
    a.subs(left, left, 1)
    a.vmov(_F_CHANNELS, left)
    a.b(top, "ne")
    a.pop((*_SAVED, PC))
    for missing in ahead:
        missing.write(a, k.fill)
    return a.finish()


def _constants(a: Assembly, k: Shape) -> None:
    """A channel's weights, each at 256 times its value in a halfword, and what its outputs need. The bias goes where
    the last sum will be: the others begin with it."""
    constants = Core(0, "constants")
    m, c, d, w1 = Core(2, "M"), Core(3, "C"), Core(4, "D"), Core(11, "w1 row 2")
    a.vmov(constants, _F_CONSTANTS)
    a.ldm(constants, (m, c, *((d,) if k.signed else ()), _BIAS, *_W02, _W1, w1))
    a.vmov(_F_CONSTANTS, constants)
    a.vmov(_F_M, m)
    a.vmov(_F_C, c)
    if k.signed:
        a.vmov(_F_D, d)
    a.vmov(_F_W1, w1)
    if k.blocks:
        a.vmov(_F_BIAS, _BIAS)
    elif k.last < len(_SUMS):
        a.mov(_bias(k.last), _BIAS)


def _bias(count: int) -> Core:
    """The bias in the register of the last sum."""
    return Core(_SUMS[count - 1].number, _BIAS.name)


def _blocks(a: Assembly, k: Shape) -> list[_Missing]:
    """All outputs but the last ones, four at a time."""
    left = Core(0, "blocks")
    a.vmov(_OUT, _F_OUT)
    a.vmov(_F_BLOCK_OUT, _OUT)
    top: Label | None = None
    if k.blocks > 1:
        a.mov(left, k.blocks)
        a.vmov(_F_BLOCKS, left)
        top = a.loop("blocks")
    ahead = _block(a, k, BLOCK, BLOCK * k.stride, last=False)
    a.addw(_OUT, _OUT, BLOCK * k.channels * k.y_bytes)
    a.vmov(_F_BLOCK_OUT, _OUT)
    if top is not None:
        a.vmov(left, _F_BLOCKS)
        a.subs(left, left, 1)
        a.vmov(_F_BLOCKS, left)
        a.b(top, "ne")
    return ahead


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


def _block(a: Assembly, k: Shape, count: int, advance: int, *, last: bool) -> list[_Missing]:
    """``count`` outputs; the rows advance by so many bytes behind them."""
    ahead, words = [], _words(count, k.stride)
    if k.blocks:
        a.vmov(_bias(count), _F_BIAS)
    for row in range(_ROWS):
        a.vmov(_ROW, _F_ROWS[row])
        missing = None
        if k.may_miss[row]:
            where = "last" if last else "block"
            missing = _Missing(
                a.label(f"row {row} of {where} is padding"), a.label(f"row {row} of {where}"), words
            )
            a.cmp(_ROW, 0)
            a.b(missing.label, "eq")
            ahead.append(missing)
        _columns(a, words, advance)
        a.vmov(_F_ROWS[row], _ROW)
        if missing:
            a.place(missing.back)
        w1 = _W1
        if row == 2:
            w1 = Core(10 if last else 6, "w1 row 2")
            a.vmov(w1, _F_W1)
        before = _SUMS if row else (_bias(count),) * count
        rows = _unit_stride if k.stride == 1 else _stride_of_two
        rows(a, before, count, _W02[row], w1, "t" if row == 1 else "b")
    _store(a, k, count)
    return ahead


def _words(count: int, stride: int) -> int:
    """Words of four columns under ``count`` outputs."""
    return (stride * (count - 1) + _ROWS + 3) // 4


def _columns(a: Assembly, words: int, advance: int) -> None:
    if words > 2:
        a.ldr(_X8, _ROW.at(8))
    if words > 1:
        a.ldr(_X4, _ROW.at(4))
    a.ldr(_X0, _ROW.post(advance))


def _unit_stride(a: Assembly, before: Sequence[Core], count: int, w02: Core, w1: Core, half: str) -> None:
    """One kernel row of up to five neighbouring outputs, added to what was before."""
    even, odd, even_, odd_ = Core(11, "x0 x2"), Core(0, "x1 x3"), Core(12, "x4 x6"), Core(14, "x5 x7")
    pair = Core(1, "x4 x2")
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
        a.pkhtb(pair, even, even_)
        a.smladx(y[2], pair, w02, before[2])
        a.smlaxy(f"t{half}", y[2], odd, w1, y[2])
    if count > 3:
        pair = Core(1, "x5 x3")
        a.pkhtb(pair, odd, odd_)
        a.smladx(y[3], pair, w02, before[3])
        a.smlaxy(f"b{half}", y[3], even_, w1, y[3])
    if count > 4:
        a.smlad(y[4], even_, w02, before[4])
        a.smlaxy(f"b{half}", y[4], odd_, w1, y[4])


def _stride_of_two(a: Assembly, before: Sequence[Core], count: int, w02: Core, w1: Core, half: str) -> None:
    """One kernel row of up to four outputs, two columns apart, added to what was before."""
    even, odd, even_ = Core(11, "x0 x2"), Core(0, "x1 x3"), Core(1, "x4 x6")
    a.sxtb16(odd, _X0, 8)
    a.sxtb16(even, _X0)
    y = _SUMS
    a.smlad(y[0], even, w02, before[0])
    a.smlaxy(f"b{half}", y[0], odd, w1, y[0])
    if count > 1:
        pair = Core(11, "x4 x2")
        a.sxtb16(even_, _X4)
        a.pkhtb(pair, even, even_)
        a.smladx(y[1], pair, w02, before[1])
        a.smlaxy(f"t{half}", y[1], odd, w1, y[1])
    if count > 2:
        odd = Core(0, "x5 x7")
        a.sxtb16(odd, _X4, 8)
        a.smlad(y[2], even_, w02, before[2])
        a.smlaxy(f"b{half}", y[2], odd, w1, y[2])
    if count > 3:
        even, pair = Core(11, "x8 x10"), Core(1, "x8 x6")
        a.sxtb16(even, _X8)
        a.pkhtb(pair, even_, even)
        a.smladx(y[3], pair, w02, before[3])
        a.smlaxy(f"t{half}", y[3], odd, w1, y[3])


def _store(a: Assembly, k: Shape, count: int) -> None:
    m, c, d = Core(11, "M"), Core(12, "C"), Core(14, "D")
    a.note("256 times each sum, times M plus C; then shift and saturation.")
    a.vmov(m, _F_M)
    a.vmov(c, _F_C)
    if k.signed:
        a.vmov(d, _F_D)
    a.vmov(_OUT, _F_BLOCK_OUT if k.blocks else _F_OUT)
    store = a.strh if k.y_bytes == 2 else a.strb
    for i, y in enumerate(outputs(a, k, _SUMS[:count], Constants(m, c, d, Core(1, "spare")))):
        store(y, _OUT.at(i * k.channels * k.y_bytes))
