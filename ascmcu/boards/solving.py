# SPDX-License-Identifier: Apache-2.0
"""What follows from a board's oscillator, clock and port: PLL factors, bus dividers, wait states, rates."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.boards.families import Family
from ascmcu.boards.records import Chip, Pll
from ascmcu.errors import BoardError

_DIVIDERS = (1, 2, 4, 8, 16)
_RATES = (1_000_000, 921_600, 460_800, 230_400, 115_200)
_FALLBACK = 115_200
_DEVIATION = 0.01


@dataclass(frozen=True)
class Tree:
    """A clock tree that keeps a chip's limits."""

    pll: Pll
    apb1_divider: int
    apb2_divider: int
    wait_states: int
    over_drive: bool


def tree(chip: Chip, source_hz: int, sysclk_hz: int, supply_mv: int) -> Tree:
    """The clock tree that makes a clock of an oscillator.

    Raises:
        BoardError: no factors give that clock, or the chip does not take it; says which clocks there are.
    """
    limits = chip.clock
    highest = max(limits.sysclk_hz, limits.over_drive_hz)
    if sysclk_hz > highest:
        raise BoardError(
            "the chip does not run as fast", where=chip.name, expected=f"≤ {highest} Hz", found=sysclk_hz
        )
    over_drive = sysclk_hz > limits.sysclk_hz
    found = factors(chip, source_hz, sysclk_hz)
    if found is None:
        raise BoardError(
            "no factors of the PLL give this clock", where=chip.name, found=f"{sysclk_hz} Hz from {source_hz} Hz",
            expected=_reachable(chip, source_hz, sysclk_hz),
        )  # fmt: skip
    rows = [w for w in chip.flash_wait if supply_mv >= w.min_mv and w.over_drive <= over_drive]
    row = max(rows, key=lambda w: (w.over_drive, w.min_mv), default=None)
    waits = None if row is None else next((n for n, hz in enumerate(row.max_hz) if sysclk_hz <= hz), None)
    if waits is None:
        raise BoardError(
            "the flash does not run at this clock and supply", where=chip.name, found=f"{supply_mv} mV"
        )
    return Tree(
        found, _divider(sysclk_hz, limits.apb1_hz), _divider(sysclk_hz, limits.apb2_hz), waits, over_drive
    )


def factors(chip: Chip, source_hz: int, sysclk_hz: int) -> Pll | None:
    """Factors that give exactly the clock, the fastest input of the VCO first; None where there are none."""
    limits = chip.clock.pll
    for m in range(limits.m[0], limits.m[1] + 1):
        vco_in_hz, rest = divmod(source_hz, m)
        if rest or not limits.vco_in_hz[0] <= vco_in_hz <= limits.vco_in_hz[1]:
            continue
        for p in limits.p:
            n, rest = divmod(sysclk_hz * p, vco_in_hz)
            if (
                not rest
                and limits.n[0] <= n <= limits.n[1]
                and (limits.vco_out_hz[0] <= vco_in_hz * n <= limits.vco_out_hz[1])
            ):
                return Pll(m, n, p)
    return None


def _reachable(chip: Chip, source_hz: int, wanted_hz: int) -> str:
    """Whole megahertz near the wanted clock that the oscillator gives."""
    highest = max(chip.clock.sysclk_hz, chip.clock.over_drive_hz)
    clocks = [mhz for mhz in range(1, highest // 1_000_000 + 1) if factors(chip, source_hz, mhz * 1_000_000)]
    near = sorted(clocks, key=lambda mhz: abs(mhz * 1_000_000 - wanted_hz))[:5]
    return f"such as {', '.join(f'{mhz} MHz' for mhz in sorted(near))}" if near else "another oscillator"


def _divider(clock_hz: int, limit_hz: int) -> int:
    return next(d for d in _DIVIDERS if clock_hz <= limit_hz * d)


def rates(family: Family, port: int, port_hz: int) -> tuple[int, int]:
    """The highest usual rate within 1 %, and the lower one.

    Raises:
        BoardError: the port's clock gives none.
    """
    exact = family.ports[port].rates
    found = [rate for rate in _RATES if abs(exact(port_hz, rate) - rate) <= _DEVIATION * rate]
    if not found or _FALLBACK not in found:
        raise BoardError(
            "the port's clock gives no usual rate", where=family.ports[port].name, found=f"{port_hz} Hz"
        )
    return found[0], _FALLBACK
