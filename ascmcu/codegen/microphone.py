# SPDX-License-Identifier: Apache-2.0
"""A microphone's clock → ``microphone_config.h``."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from ascmcu import __version__
from ascmcu.boards import Board
from ascmcu.errors import BoardError
from ascmcu.jinja import render

# Parts whose I2S is known here: RM0390's. Others of the family have no divider of their own before PLLI2S.
PARTS = ("stm32f446re",)
HEADER = "microphone_config.h"
# Slots of a frame and bits of a slot.
_FRAME_BITS = 64
# RM0390 6.3.22: VCO of 100 to 432 MHz behind 1 MHz, R of 2 to 7; 26.6.5: dividers of 4 to 511.
_N, _R, _DIVIDERS = range(100, 433), range(2, 8), range(4, 512)
_MOST_HZ = 192_000_000
_BLOCK_S = 0.01


@dataclass(frozen=True)
class I2sClock:
    """PLLI2S and the divider behind it: 1 MHz × n / r / divider / 64 frames a second."""

    n: int
    r: int
    divider: int

    @property
    def rate_hz(self) -> Fraction:
        """Frames a second."""
        return Fraction(1_000_000 * self.n, self.r * self.divider * _FRAME_BITS)

    @property
    def half(self) -> int:
        """The divider's field without its lowest bit."""
        return self.divider // 2

    @property
    def odd(self) -> int:
        """Its lowest bit."""
        return self.divider % 2


def i2s_clock(rate_hz: int) -> I2sClock:
    """The setting whose rate is nearest."""
    found = []
    for n in _N:
        for r in _R:
            if n * 1_000_000 <= _MOST_HZ * r:
                exact = Fraction(1_000_000 * n, r * rate_hz * _FRAME_BITS)
                divider = min(max(round(exact), _DIVIDERS[0]), _DIVIDERS[-1])
                found.append(I2sClock(n, r, divider))
    return min(found, key=lambda c: (abs(c.rate_hz - rate_hz), c.n))


def render_microphone(board: Board, rate_hz: int, channels: int) -> dict[str, str]:
    """Text by file name.

    Raises:
        BoardError: the part's microphone is not known here, or it takes another rate, or two channels are wanted.
    """
    if board.chip.name not in PARTS:
        raise BoardError(
            "no microphone is known on this board",
            where=board.name,
            expected=f"a board with {', '.join(PARTS)}",
        )
    if channels != 1:
        raise BoardError("a microphone has one channel", where=board.name, found=f"{channels} channels")
    clock = i2s_clock(rate_hz)
    if abs(clock.rate_hz / rate_hz - 1) > Fraction(1, 1000) or board.clock.source_hz % 1_000_000:
        raise BoardError(
            "the board's clock gives no such rate",
            where=board.name,
            expected=rate_hz,
            found=float(clock.rate_hz),
        )
    return {
        HEADER: render(
            "listen/microphone_config.h.j2", c=clock, m=board.clock.source_hz // 1_000_000,
            block=round(_BLOCK_S * rate_hz), rate=f"{float(clock.rate_hz):g}", tool_version=__version__,
        )
    }  # fmt: skip
