# SPDX-License-Identifier: Apache-2.0
"""The assembly of ``depthwise_window``: four channels of one pixel a turn, the taps that lie on the map one after the
other."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

from ascmcu.kernels._saturating import Constants, Saturating, outputs
from ascmcu.m4.asm import MOST_STEP, Assembly
from ascmcu.m4.listing import Label, Listing
from ascmcu.m4.registers import LR, PC, Address, Core, Fpu

_SAVED = tuple(Core(n, f"r{n}") for n in range(4, 12))
_ARGUMENTS = (
    Core(0, "rows", "pointers to the map's rows under the window"),
    Core(1, "weights", "of the first tap on the map"),
    Core(2, "constants", "of the first group"),
    Core(3, "run", "the words of _RUN"),
)
_F_ROWS, _F_WEIGHTS, _F_CONSTANTS = (Fpu(i, r.name, r.holds) for i, r in enumerate(_ARGUMENTS[:3]))
# What the function is given in memory, in this order.
_RUN = (
    Fpu(3, "offset", "of the first tap in a row"),
    Fpu(4, "taps", "of a kernel row that lie on the map"),
    Fpu(5, "kernel rows", "that lie on the map"),
    Fpu(6, "skip", "from behind a kernel row's weights to those of the next"),
    Fpu(7, "groups", "of four channels that are left"),
    Fpu(8, "out", "of the next group"),
)
_F_OFFSET, _F_TAPS, _F_KERNEL_ROWS, _F_SKIP, _F_GROUPS, _F_OUT = _RUN
_X = Core(0, "x", "of the next tap")
_W = Core(1, "w", "weights of the next tap")
_SUMS = tuple(Core(2 + i, f"sum{i}", f"the accumulator of channel {i}") for i in range(4))
_MINUS = Core(6, "-zero points", "of the input, in both halves")
_ROWS = Core(7, "row", "pointer to the next row")
_ROWS_LEFT = Core(12, "kernel rows", "that are left")
_X_WORD, _W_WORD = Core(8, "x0-x3"), Core(9, "w0-w3")
_TAPS_LEFT = Core(14, "taps", "of the kernel row that are left")


@dataclass(frozen=True)
class Shape(Saturating):
    """What the assembly depends on: taps are ``step`` bytes apart; a kernel row has ``kernel_w`` of them, which are
    unrolled. Weights of a group of four channels take ``group_bytes``. An input channel is that of ``shared`` outputs
    of a group (1, 2 or 4); the next group's begin ``advance`` bytes further on."""

    kernel_w: int
    step: int
    group_bytes: int
    minus_zero_points: int
    shared: int
    advance: int

    @property
    def group_words(self) -> int:
        """Constants of a group: four biases, then M, C and perhaps D of each channel."""
        return 4 + 4 * self.scale_words


@functools.lru_cache(maxsize=256)
def code(k: Shape) -> Listing:
    """The function: some groups of four channels of one pixel."""
    a = Assembly("depthwise_window", enters=_ARGUMENTS)
    a.push((*_SAVED, LR))
    for f, register in zip((_F_ROWS, _F_WEIGHTS, _F_CONSTANTS), _ARGUMENTS, strict=False):
        a.vmov(f, register)
    a.vldm(_ARGUMENTS[3], _RUN)
    a.mov(_MINUS, k.minus_zero_points)
    top = a.loop("groups")
    constants = Core(8, "constants")
    a.vmov(constants, _F_CONSTANTS)
    a.ldm(constants, _SUMS)
    a.vmov(_F_CONSTANTS, constants)
    a.vmov(_ROWS, _F_ROWS)
    a.vmov(_W, _F_WEIGHTS)
    a.vmov(_ROWS_LEFT, _F_KERNEL_ROWS)
    partial: tuple[Label, Label] | None = None
    if k.kernel_w == 1:
        _narrow_rows(a, k)
    else:
        partial = _kernel_rows(a, k)
    _outputs(a, k)
    _advance(a, k, top)
    a.pop((*_SAVED, PC))
    if partial:
        _partial(a, k, *partial)
    return a.finish()


def _narrow_rows(a: Assembly, k: Shape) -> None:
    """Kernel rows of one tap."""
    offset, row = Core(14, "offset"), Core(8, "row")
    a.vmov(offset, _F_OFFSET)
    top = a.loop("kernel rows")
    a.ldr(row, _ROWS.post(4))
    a.ldr(_W_WORD, _W.post(4))
    _load(a, k)(_X_WORD, row.at(offset))
    _products(a, k)
    a.subs(_ROWS_LEFT, _ROWS_LEFT, 1)
    a.b(top, "ne")


def _kernel_rows(a: Assembly, k: Shape) -> tuple[Label, Label]:
    """The taps of all kernel rows; answers where rows of fewer taps go, and where they come back."""
    rows = a.loop("kernel rows")
    offset, skip = Core(8, "offset"), Core(8, "skip")
    partial, behind = a.label("fewer taps"), a.label("behind the taps")
    row = Core(0, "row")
    a.ldr(row, _ROWS.post(4))
    a.vmov(offset, _F_OFFSET)
    a.vmov(_TAPS_LEFT, _F_TAPS)
    a.add(_X, row, offset)
    a.cmp(_TAPS_LEFT, k.kernel_w)
    a.b(partial, "ne")
    for _ in range(k.kernel_w):
        _tap(a, k)
    a.place(behind)
    a.vmov(skip, _F_SKIP)
    a.add(_W, _W, skip)
    a.subs(_ROWS_LEFT, _ROWS_LEFT, 1)
    a.b(rows, "ne")
    return partial, behind


def _partial(a: Assembly, k: Shape, partial: Label, behind: Label) -> None:
    """Those of a kernel row that the map's edge cuts."""
    a.place(partial)
    top = a.loop("taps")
    _tap(a, k)
    a.subs(_TAPS_LEFT, _TAPS_LEFT, 1)
    a.b(top, "ne")
    a.b(behind)


def _tap(a: Assembly, k: Shape) -> None:
    """One tap of four channels."""
    _load(a, k)(_X_WORD, _X.post(k.step) if k.step <= MOST_STEP else _X.at())
    a.ldr(_W_WORD, _W.post(4))
    if k.step > MOST_STEP:
        a.addw(_X, _X, k.step)
    _products(a, k)


def _load(a: Assembly, k: Shape) -> Callable[[Core, Address], None]:
    """As many input channels as a group has: four, two or one."""
    return {1: a.ldr, 2: a.ldrh, 4: a.ldrb}[k.shared]


def _products(a: Assembly, k: Shape) -> None:
    """Of a group's input channels and its word of weights."""
    x02, x13 = Core(8, "x0 x2", "less the zero point"), Core(10, "x1 x3", "less the zero point")
    w02, w13 = Core(9, "w0 w2"), Core(11, "w1 w3")
    y0, y1, y2, y3 = _SUMS
    if k.shared < 4:
        a.sxtab16(x13, _MINUS, _X_WORD, ror=8)
    a.sxtab16(x02, _MINUS, _X_WORD)
    a.sxtb16(w13, _W_WORD, ror=8)
    a.sxtb16(w02, _W_WORD)
    # The registers and halves that hold the input channels of the outputs.
    sources = {
        1: ((x02, "b"), (x13, "b"), (x02, "t"), (x13, "t")),
        2: ((x02, "b"), (x02, "b"), (x13, "b"), (x13, "b")),
        4: ((x02, "b"),) * 4,
    }[k.shared]
    for y, (x, half), w, of in zip((y0, y1, y2, y3), sources, (w02, w13, w02, w13), "bbtt", strict=True):
        a.smlaxy(half + of, y, x, w, y)


def _outputs(a: Assembly, k: Shape) -> None:
    """Four sums to outputs."""
    constants, out = Core(0, "constants"), Core(1, "out")
    m, c, d, spare = Core(8, "M"), Core(9, "C"), Core(10, "D"), Core(11, "spare")
    a.vmov(constants, _F_CONSTANTS)
    a.vmov(out, _F_OUT)
    for i, total in enumerate(_SUMS):
        times = Core(total.number, f"256 sum{i}")
        a.lsl(times, total, 8)
        a.ldm(constants, (m, c, d) if k.signed else (m, c))
        (y,) = outputs(a, k, (times,), Constants(m, c, d, spare))
        a.strb(y, out.at(i))
    a.vmov(_F_CONSTANTS, constants)
    after = Core(1, "next out")
    a.add(after, out, 4)
    a.vmov(_F_OUT, after)


def _advance(a: Assembly, k: Shape, top: Label) -> None:
    """On to the next group."""
    offset, weights, left = Core(2, "offset"), Core(3, "weights"), Core(4, "groups")
    a.vmov(offset, _F_OFFSET)
    a.vmov(weights, _F_WEIGHTS)
    a.vmov(left, _F_GROUPS)
    if k.advance:
        a.add(offset, offset, k.advance)
    a.addw(weights, weights, k.group_bytes)
    a.vmov(_F_OFFSET, offset)
    a.vmov(_F_WEIGHTS, weights)
    a.subs(left, left, 1)
    a.vmov(_F_GROUPS, left)
    a.b(top, "ne")
