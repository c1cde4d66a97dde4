# SPDX-License-Identifier: Apache-2.0
"""The assembly of ``depthwise_time``: one channel a turn, four time steps of the output."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from ascmcu.ir.layout import TIME_STEPS
from ascmcu.kernels._along_time import CONSTANTS, OFFSET, ROWS, SUMS, Taps, sums
from ascmcu.kernels._saturating import Constants, Saturating, outputs
from ascmcu.m4.asm import Assembly
from ascmcu.m4.listing import Listing
from ascmcu.m4.registers import LR, PC, Core

_SAVED = tuple(Core(n, f"r{n}") for n in range(4, 12))
_OUT = Core(14, "out", "of the channel's first time step")
_ARGUMENTS = Core(0, "ends"), Core(1, "constants"), Core(2, "first out")


@dataclass(frozen=True)
class Shape(Saturating):
    """What the assembly depends on: ``words`` rows under the windows, the first of which begins ``lead`` time steps
    into the first; taps in words (``taps``). An output takes ``y_bytes``, time steps are ``pitch`` outputs apart."""

    stride: int
    lead: int
    words: int
    channels: int
    taps: tuple[Taps, ...]
    y_bytes: int
    pitch: int


@functools.lru_cache(maxsize=256)
def code(k: Shape) -> Listing:
    """The function: all channels of four time steps."""
    a = Assembly("depthwise_time", enters=_ARGUMENTS)
    ends, _, out = _ARGUMENTS
    a.push((*_SAVED, LR))
    a.vldm(ends, ROWS[: k.words])
    a.mov(_OUT, out)
    length = Core(0, "row's length")
    a.movw(length, TIME_STEPS * k.channels)
    a.rsb(OFFSET, length, 0)
    top = a.loop("channels")
    sums(a, k.taps, k.stride, k.lead)
    a.note("256 times each sum, times M plus C; then shift and saturation.")
    m, c, d = Core(6, "M"), Core(7, "C"), Core(8, "D")
    a.ldm(CONSTANTS, (m, c, *((d,) if k.signed else ())))
    ys = outputs(a, k, SUMS, Constants(m, c, d, Core(9, "spare")))
    store = a.strh if k.y_bytes == 2 else a.strb
    for step, y in enumerate(ys[1:], 1):
        store(y, _OUT.at(step * k.pitch * k.y_bytes))
    store(ys[0], _OUT.post(k.y_bytes))
    a.adds(OFFSET, OFFSET, 4)
    a.b(top, "ne")
    a.pop((*_SAVED, PC))
    return a.finish()
