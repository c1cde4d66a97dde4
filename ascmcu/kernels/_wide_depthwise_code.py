# SPDX-License-Identifier: Apache-2.0
"""The assembly of 16x8 depthwise convolutions: two channels of two neighbouring pixels at a time.

A word holds two channels of a tap, and so does a word of weights, widened to 16 bits at export: SMLABB and SMLATT sum
the two channels. A weight is loaded once for both pixels, an input once where the windows of the two overlap: of 3x3,
stride 1, a row of the kernel is seven loads and twelve products. Sums become outputs as in ``_wide_pairs_code``.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from ascmcu.kernels._wide_pairs_code import Finish
from ascmcu.m4.asm import Assembly
from ascmcu.m4.listing import Listing
from ascmcu.m4.registers import LR, PC, Core, Fpu

_ROWS, _WEIGHTS = Core(0, "rows", "of the window, by kernel row"), Core(1, "w", "first sums, weights, M")
_OUT, _END = Core(2, "out", "of the pixel"), Core(3, "w end", "behind the last group")
_SAVED = tuple(Core(n, f"r{n}") for n in range(4, 12))
_F_OUT = Fpu(0, "out", "of the group's channels")
_F_W_END = Fpu(1, "w end", "behind the last group")
_F_C = Fpu(2, "C", "half a unit of the shift")
_F_STEP = Fpu(3, "out step", "from a pixel's output to its partner's")
_TWO_CHANNELS = 4  # bytes
# Of a group beside the weights: two first sums, two M.
_ENDS = 4
# Kernel rows whose addresses stay in registers; of more, the table is read for each group.
_MOST_HELD = 4


@dataclass(frozen=True)
class Window:
    """The taps of one pixel, or of two that are ``stride`` columns apart; ``stride`` is 0 for one.

    Only columns ``first`` … ``stop`` − 1 of those under the windows lie in the map; the rows' addresses are those of
    ``first``.
    """

    kernel_h: int
    kernel_w: int
    dilation: int
    stride: int
    column_bytes: int
    first: int
    stop: int

    @property
    def pixels(self) -> int:
        """That are summed at a time."""
        return 2 if self.stride else 1

    @property
    def group_words(self) -> int:
        """Words of two channels: first sums, weights, M."""
        return self.kernel_h * self.kernel_w + _ENDS

    @property
    def held(self) -> bool:
        """Whether the rows' addresses stay in registers."""
        return self.kernel_h <= _MOST_HELD

    def offsets(self, kx: int) -> dict[int, int]:
        """Pixel → where its tap lies in a row, in bytes; pixels whose tap lies beyond the map are left out."""
        columns = {pixel: kx * self.dilation + pixel * self.stride for pixel in range(self.pixels)}
        return {
            pixel: (column - self.first) * self.column_bytes
            for pixel, column in columns.items()
            if self.first <= column < self.stop
        }

    @property
    def reach_bytes(self) -> int:
        """Where the last column lies in a row."""
        return (self.stop - self.first - 1) * self.column_bytes

    @property
    def taps(self) -> int:
        """Of all pixels, those in the map."""
        return self.kernel_h * sum(len(self.offsets(kx)) for kx in range(self.kernel_w))

    @property
    def name(self) -> str:
        """Its part of a kernel's name (docs/kernels.md, Names)."""
        apart = f"_x{self.stride}" if self.stride else ""
        dilated = f"_d{self.dilation}" if self.dilation > 1 else ""
        columns = f"_{self.first}to{self.stop}"
        return f"{self.kernel_h}x{self.kernel_w}{dilated}{apart}{columns}_b{self.column_bytes}"


@functools.lru_cache(maxsize=256)
def two_channels(window: Window, finish: Finish) -> Listing:
    """``(rows, weights, out, end, C, out step)``: one or two pixels through all groups of two channels to ``end``."""
    a = Assembly(f"wide_depthwise_{window.name}{finish.name}", enters=(_ROWS, _WEIGHTS, _OUT, _END))
    a.push((*_SAVED, LR))
    c, step = Core(4, "C"), Core(5, "out step")
    a.ldrd(c, step, a.stack_argument(4))
    # A single pixel has no partner to step to.
    for place, value in ((_F_OUT, _OUT), (_F_W_END, _END), (_F_C, c), (_F_STEP, step))[: 2 + window.pixels]:
        a.vmov(place, value)
    sums, behind = _sums(window), 2 + 2 * window.pixels
    if window.held:
        pointers = [Core(behind + ky, f"row{ky}", "its next two channels") for ky in range(window.kernel_h)]
        for ky, pointer in enumerate(pointers):
            a.ldr(pointer, _ROWS.at(4 * ky))
        free = [0, *range(behind + window.kernel_h, 13), 14]
    else:
        channel = Core(behind, "channel", "bytes before the group's two")
        a.mov(channel, 0)
        free = [*range(behind + 1, 13), 14]
    a.align()
    group = a.place(a.label("group"))
    for number, own in enumerate(sums[0]):
        a.ldr(own, _WEIGHTS.at(4 * number))
    for pixel in sums[1:]:
        for own, partner in zip(sums[0], pixel, strict=True):
            a.mov(partner, own)
    if window.held:
        for ky, pointer in enumerate(pointers):
            _row(a, window, ky, pointer, sums, free)
    else:
        _rows_of_table(a, window, channel, sums, free)
    _finish(a, window, finish, sums, free)
    a.b(group, "ne")
    a.pop((*_SAVED, PC))
    return a.finish()


def _sums(window: Window) -> list[tuple[Core, Core]]:
    """Of each pixel, the two channels'."""
    return [
        (Core(2 + 2 * p, f"sum0{mark}", f"of the first channel{of}"),
         Core(3 + 2 * p, f"sum1{mark}", f"of the second channel{of}"))
        for p, (mark, of) in enumerate((("", ""), ("'", ", partner pixel"))[: window.pixels])
    ]  # fmt: skip


def _row(
    a: Assembly,
    window: Window,
    ky: int,
    pointer: Core,
    sums: Sequence[tuple[Core, Core]],
    numbers: Sequence[int],
) -> None:
    """A kernel row: loads for as many taps as there are registers, then their products. Where addresses stay in
    registers, this one goes on to the next two channels with its first load."""
    columns: dict[int, Core] = {}
    kx, moved = 0, 0
    while kx < window.kernel_w:
        taps = _taps_at_once(window, kx, len(numbers))
        wanted = {offset for tap in taps for offset in window.offsets(tap).values()}
        columns = {offset: x for offset, x in columns.items() if offset in wanted}
        free = [n for n in numbers if n not in {x.number for x in columns.values()}]
        weights = {
            tap: Core(free.pop(0), f"w{ky}{tap}", "of two channels") for tap in taps if window.offsets(tap)
        }
        for offset in sorted(wanted - columns.keys()):
            columns[offset] = Core(free.pop(0), f"x{ky} + {offset}", "two channels")
            if window.held and not offset and not moved:
                a.ldr(columns[offset], pointer.post(_TWO_CHANNELS))
                moved = _TWO_CHANNELS
            else:
                a.ldr(columns[offset], pointer.at(offset - moved))
        for tap, weight in weights.items():
            a.ldr(weight, _WEIGHTS.at(4 * (2 + ky * window.kernel_w + tap)))
        for tap, weight in weights.items():
            for pixel, offset in window.offsets(tap).items():
                _products(a, columns[offset], weight, sums[pixel])
        kx = taps.stop
    if window.held and not moved:
        a.addw(pointer, pointer, _TWO_CHANNELS)


def _products(a: Assembly, x: Core, weight: Core, totals: tuple[Core, Core]) -> None:
    for halves, total in zip(("bb", "tt"), totals, strict=True):
        a.smlaxy(halves, total, x, weight, total)


def _taps_at_once(window: Window, first: int, registers: int) -> range:
    """Taps from ``first`` on whose inputs and weights there are registers for, at least one."""
    for stop in range(window.kernel_w, first + 1, -1):
        taps = range(first, stop)
        if len(taps) + len({o for kx in taps for o in window.offsets(kx).values()}) <= registers:
            return taps
    return range(first, first + 1)


def _rows_of_table(
    a: Assembly, window: Window, channel: Core, sums: Sequence[tuple[Core, Core]], free: Sequence[int]
) -> None:
    """All kernel rows, whose addresses are read from the table; of one column, several at a time."""
    if window.kernel_w == window.pixels == 1:
        at_once = len(free) // 2
        for first in range(0, window.kernel_h, at_once):
            rows = range(first, min(first + at_once, window.kernel_h))
            for ky, number in zip(rows, free, strict=False):
                a.ldr(Core(number, f"row{ky}"), _ROWS.at(4 * ky))
            loaded = list(zip(rows, free, free[at_once:], strict=False))
            for ky, number, _ in loaded:
                a.ldr(Core(number, f"x{ky}", "two channels"), Core(number, f"row{ky}").at(channel))
            for ky, _, other in loaded:
                a.ldr(Core(other, f"w{ky}", "of two channels"), _WEIGHTS.at(4 * (2 + ky)))
            for ky, number, other in loaded:
                _products(a, Core(number, f"x{ky}"), Core(other, f"w{ky}"), sums[0])
    else:
        for ky in range(window.kernel_h):
            pointer = Core(free[0], f"row{ky}", "its next two channels")
            a.ldr(pointer, _ROWS.at(4 * ky))
            a.add(pointer, pointer, channel)
            _row(a, window, ky, pointer, sums, free[1:])
    a.addw(channel, channel, _TWO_CHANNELS)


def _finish(
    a: Assembly, window: Window, finish: Finish, sums: Sequence[tuple[Core, Core]], numbers: Sequence[int]
) -> None:
    """The sums become outputs, one word a pixel; on to the next group."""
    factors = [Core(number, f"M{i}") for i, number in enumerate(numbers[:2])]
    c = Core(numbers[2], "C")
    for i, factor in enumerate(factors):
        a.ldr(factor, _WEIGHTS.at(4 * (window.group_words - 2 + i)))
    a.vmov(c, _F_C)
    for pixel in sums:
        for total, factor in zip(pixel, factors, strict=True):
            a.smmla(Core(total.number, f"{total.name} * M + C"), total, factor, c)
    words = []
    for pixel in sums:
        ys = [Core(total.number, total.name.replace("sum", "y")) for total in pixel]
        for y, total in zip(ys, pixel, strict=True):
            product = Core(total.number, f"{total.name} * M + C")
            if finish.low == 0:
                a.usat(y, 15, product, finish.shift)
            else:
                a.ssat(y, 16, product, finish.shift)
        words.append(Core(ys[0].number, f"{ys[0].name} {ys[1].name}"))
        a.pkhbt(words[-1], ys[0], ys[1], 16)
    out, step, end = (Core(n, name) for n, name in zip(numbers, ("out", "out step", "w end"), strict=False))
    a.vmov(out, _F_OUT)
    if window.stride:
        a.vmov(step, _F_STEP)
    a.vmov(end, _F_W_END)
    if window.stride:
        a.str_(words[1], out.at(step))
    a.str_(words[0], out.post(_TWO_CHANNELS))
    a.vmov(_F_OUT, out)
    a.addw(_WEIGHTS, _WEIGHTS, 4 * window.group_words)
    a.cmp(_WEIGHTS, end)
