# SPDX-License-Identifier: Apache-2.0
"""The assembly of ``conv2d_max_pool``: four outputs of a 3x3 convolution at a time, of which the largest is kept.

``plane`` is for one input channel. A word of a row holds four columns, of which SXTB16 makes E = (x0, x2) and O =
(x1, x3). The weights of four output channels stay in FPU registers for a whole row of outputs:

    sum(row, 0) += x0·w0 + x2·w2  SMLAD (E, w02)        sum(row, 0) += x1·w1  SMLABB (O, w1)
    sum(row, 1) += x1·w0 + x3·w2  SMLAD (O, w02)        sum(row, 1) += x2·w1  SMLATB (E, w1)

``fours`` is for four input channels. The four by four pixels under a window, two words each, stay in FPU registers for
all output channels; each of them is moved to the core once per output channel and adds to up to four sums.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

from ascmcu.kernels._saturating import Constants, Saturating, outputs
from ascmcu.m4.asm import Assembly
from ascmcu.m4.listing import Listing
from ascmcu.m4.registers import LR, PC, SP, Core, Fpu

PATCH = 4  # rows and columns of the input under a window
GROUP = 4  # output channels whose weights fit the FPU's registers
PLANE_WORDS = 5  # of an output channel's weights
FOURS_WORDS = 18
_COLUMN_WORDS = 8  # of four rows by four channels, widened
_KERNEL = 3

_SAVED = tuple(Core(n, f"r{n}") for n in range(4, 12))
_ARGUMENTS = _X, _CONSTANTS, _OUT = Core(0, "x"), Core(1, "constants"), Core(2, "out")
_SUMS = tuple(
    Core(2 * i + j, f"sum {i}{j}", f"256 times the accumulator of row {i}, column {j}")
    for i in range(2)
    for j in range(2)
)
_LARGEST = Core(0, "largest", "of the four sums")


@dataclass(frozen=True)
class Shape(Saturating):
    """What the assembly depends on: ``out_w`` outputs a row of ``channels`` channels, from ``depth`` input channels. A
    row of the input is ``pitch`` bytes long where it has one channel."""

    depth: int
    pitch: int
    out_w: int
    channels: int

    @property
    def weight_words(self) -> int:
        """Of one output channel."""
        return PLANE_WORDS if self.depth == 1 else FOURS_WORDS

    @property
    def constant_words(self) -> int:
        """Of one output channel: perhaps D, the bias, M and C."""
        return self.scale_words + 1

    @property
    def words(self) -> int:
        """Of what one call takes: four output channels, or all of them."""
        return (GROUP if self.depth == 1 else self.channels) * (self.weight_words + self.constant_words)


@functools.lru_cache(maxsize=64)
def code(k: Shape) -> Listing:
    """``conv2d_max_pool(x, constants, out)``: one row of outputs, four channels of it where the input has one."""
    return _plane(k) if k.depth == 1 else _fours(k)


def _plane(k: Shape) -> Listing:
    a = Assembly("conv2d_max_pool", enters=_ARGUMENTS)
    even = [Core(4 + r, f"x0 x2 row {r}") for r in range(PATCH)]
    odd = [Core(8 + r, f"x1 x3 row {r}") for r in range(PATCH)]
    scale = Core(14, "scale", "bias, M and C of the channels that come next")
    weights = [Fpu(i, f"w{i % PLANE_WORDS} of {i // PLANE_WORDS}") for i in range(GROUP * PLANE_WORDS)]
    f_x, f_out, f_end = Fpu(20, "x", "of the pixel"), Fpu(21, "out", "of the pixel"), Fpu(22, "x's end")
    kept = [Fpu(n, f"s{n}") for n in range(16, 23)]
    x, end = Core(2, "x"), Core(3, "x's end")
    a.push((*_SAVED, LR))
    a.vpush(kept)
    a.vldm(_CONSTANTS, weights)
    a.add(scale, _CONSTANTS, 4 * len(weights))
    a.vmov(f_out, _OUT)
    a.addw(end, _X, 2 * k.out_w)
    a.vmov(f_end, end)
    a.mov(x, _X)
    top = a.loop("pixels")
    words = [Core(4 + r, f"x0-3 row {r}", "four columns") for r in range(PATCH)]
    for r, word in enumerate(words):
        a.ldr(word, x.at(r * k.pitch))
    a.add(x, x, 2)
    a.vmov(f_x, x)
    for r, word in enumerate(words):
        a.sxtb16(odd[r], word, 8)
        a.sxtb16(even[r], word)
    for channel in range(GROUP):
        _plane_sums(a, weights[PLANE_WORDS * channel :][:PLANE_WORDS], even, odd)
        out = _scaled(a, k, scale, f_out, channel)
    a.sub(scale, scale, 4 * GROUP * k.constant_words)
    a.add(out, out, k.channels)
    a.vmov(f_out, out)
    a.vmov(x, f_x)
    a.vmov(end, f_end)
    a.cmp(x, end)
    a.b(top, "ne")
    a.vpop(kept)
    a.pop((*_SAVED, PC))
    return a.finish()


def _plane_sums(a: Assembly, weights: list[Fpu], even: list[Core], odd: list[Core]) -> None:
    """The four sums of one channel: for each kernel row its outer taps, then the middle ones."""
    s = _SUMS
    for ky in range(_KERNEL):
        w02 = Core(12, f"w02 row {ky}", f"left and right tap of kernel row {ky}")
        a.vmov(w02, weights[ky])
        for i in range(2):
            for j, x in enumerate((even[i + ky], odd[i + ky])):
                if ky:
                    a.smlad(s[2 * i + j], x, w02, s[2 * i + j])
                else:
                    a.smuad(s[2 * i + j], x, w02)
    w1 = Core(12, "w1 rows 0, 1", "middle taps, bottom of row 0, top of row 1")
    a.vmov(w1, weights[3])
    for ky in range(_KERNEL):
        if ky == 2:
            w1 = Core(12, "w1 row 2", "middle tap")
            a.vmov(w1, weights[4])
        half = "bt"[ky % 2]
        for i in range(2):
            a.smlaxy(f"b{half}", s[2 * i], odd[i + ky], w1, s[2 * i])
            a.smlaxy(f"t{half}", s[2 * i + 1], even[i + ky], w1, s[2 * i + 1])


def _scaled(a: Assembly, k: Shape, scale: Core, f_out: Fpu, channel: int) -> Core:
    """The largest sum's output, stored; the register of its address."""
    _largest(a)
    d, m, c = Core(1, "D"), Core(3 if k.signed else 2, "M"), Core(12 if k.signed else 3, "C")
    bias, out = Core(2 if k.signed else 1, "bias"), Core(1, "out")
    a.ldm(scale, (*((d,) if k.signed else ()), bias, m, c))
    a.add(_LARGEST, _LARGEST, bias)
    if not k.signed:
        a.vmov(out, f_out)
    (y,) = outputs(a, k, (_LARGEST,), Constants(m, c, d, Core(2, "spare")))
    if k.signed:
        a.vmov(out, f_out)
    a.strb(y, out.at(channel))
    return out


def _largest(a: Assembly) -> None:
    for other in _SUMS[1:]:
        a.cmp(_SUMS[0], other, narrow=True)
        a.mov_if("lt", _SUMS[0], other)
    a.rename(_SUMS[0], _LARGEST)


def _fours(k: Shape) -> Listing:
    a = Assembly("conv2d_max_pool", enters=_ARGUMENTS)
    pixels = [
        [[Fpu(_COLUMN_WORDS * c + 2 * r + h, f"x{c}{r}.{h}") for h in range(2)] for c in range(PATCH)]
        for r in range(PATCH)
    ]
    kept = [Fpu(n, f"s{n}") for n in range(16, 32)]
    constants, out = Core(11, "constants", "that come next"), Core(12, "out", "that comes next")
    end, out_end = Core(14, "constants' end"), Core(3, "out's end")
    a.push((*_SAVED, LR))
    a.vpush(kept)
    a.mov(out, _OUT)
    a.movw(out_end, k.out_w * k.channels)
    a.add(out_end, out_end, out)
    a.movw(end, 4 * k.words)
    a.add(end, end, _CONSTANTS)
    a.push((_X, _CONSTANTS, Core(2, "r2"), out_end))
    top = a.loop("pixels")
    x = Core(10, "x", "the first column under the window")
    a.ldr(x, SP.at())
    a.ldr(constants, SP.at(4))
    a.vldm(x, [Fpu(n, _name(pixels, n)) for n in range(32)])
    a.add(x, x, 2 * 4 * _COLUMN_WORDS)
    a.str_(x, SP.at())
    channels = a.loop("channels")
    for half in range(2):
        _fours_sums(a, constants, pixels, half)
    _largest(a)
    d, bias, m, c = Core(4, "D"), Core(5, "bias"), Core(6, "M"), Core(7, "C")
    a.ldm(constants, (*((d,) if k.signed else ()), bias, m, c))
    a.add(_LARGEST, _LARGEST, bias)
    (y,) = outputs(a, k, (_LARGEST,), Constants(m, c, d, Core(5, "spare")))
    a.strb(y, out.post(1))
    a.cmp(constants, end)
    a.b(channels, "ne")
    a.ldr(out_end, SP.at(12))
    a.cmp(out, out_end)
    a.b(top, "ne")
    a.pop(tuple(Core(n, f"r{n}") for n in range(4)))
    a.vpop(kept)
    a.pop((*_SAVED, PC))
    return a.finish()


def _name(pixels: list[list[list[Fpu]]], number: int) -> str:
    column, rest = divmod(number, _COLUMN_WORDS)
    return pixels[rest // 2][column][rest % 2].name


def _fours_sums(a: Assembly, constants: Core, pixels: list[list[list[Fpu]]], half: int) -> None:
    """What two of the four input channels add to the sums: of each pixel, with every tap that has an output there. The
    first two kernel rows are loaded first; the last one takes the place of the first, which is done by then."""
    weights = [
        [Core(4 + (3 * ky) % 6 + kx, f"w{ky}{kx}.{half}", "one tap of two channels") for kx in range(_KERNEL)]
        for ky in range(_KERNEL)
    ]
    begun = [half > 0] * len(_SUMS)
    for r in range(PATCH):
        if r == 0:
            a.ldm(constants, (*weights[0], *weights[1]))
        if r == 2:
            a.ldm(constants, weights[2])
        for column in range(PATCH):
            x = Core(10, pixels[r][column][half].name)
            a.vmov(x, pixels[r][column][half])
            for n, total in enumerate(_SUMS):
                ky, kx = r - n // 2, column - n % 2
                if not (0 <= ky < _KERNEL and 0 <= kx < _KERNEL):
                    continue
                if begun[n]:
                    a.smlad(total, x, weights[ky][kx], total)
                else:
                    a.smuad(total, x, weights[ky][kx])
                begun[n] = True
