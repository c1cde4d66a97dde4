# SPDX-License-Identifier: Apache-2.0
"""Energy of a clip every so often: the core's work and the waiting in between, from measured currents alone."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass

from ascmcu.boards import Board
from ascmcu.errors import InputError
from ascmcu.results.schema import Benchmark, Energy
from ascmcu.results.words import digits, duration

_UNITS = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
Range = tuple[float, float]


@dataclass(frozen=True)
class Duty:
    """A clip every ``every_s`` seconds; all energies lowest and highest, in µJ of one period.

    ``idle`` is None where nobody has measured what the chip draws while it waits: the whole is not known then.
    ``layers`` are (name, energy), in the order of execution.
    """

    every_s: float
    busy: float
    supply_mv: int
    active: Range
    idle: Range | None
    idle_source: str
    layers: tuple[tuple[str, Range], ...]

    @property
    def whole(self) -> Range | None:
        """Of a period, work and waiting."""
        if self.idle is None:
            return None
        return self.active[0] + self.idle[0], self.active[1] + self.idle[1]

    @property
    def average_ua(self) -> Range | None:
        """The supply current on average."""
        if self.whole is None:
            return None
        low, high = (uj / self.every_s / (self.supply_mv / 1000) for uj in self.whole)
        return low, high

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        layers = [{"name": name, "microjoules": list(energy)} for name, energy in self.layers]
        return {
            **dataclasses.asdict(self),
            "layers": layers,
            "whole": self.whole,
            "average_ua": self.average_ua,
        }


def seconds(text: str) -> float:
    """A time with its unit: 500ms, 1s, 10min, 1h.

    Raises:
        InputError: another form.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|min|h)", text)
    if found is None or not float(found[1]):
        raise InputError("not a time", found=text, expected="500ms, 1s, 10min, 1h")
    return float(found[1]) * _UNITS[found[2]]


def require_current(board: Board) -> None:
    """Refuse a board whose current nobody has measured.

    Raises:
        InputError: it is one.
    """
    if board.chip.power.measured is None:
        raise _no_current(board.name)


def _no_current(board: str) -> InputError:
    return InputError(
        "no energy: nobody has measured what this chip draws", where=board,
        expected="a table [power.measured] with its source, in the chip's description",
    )  # fmt: skip


def of(b: Benchmark, every_s: float, idle_ua: float | None = None) -> Duty:
    """A result's duty cycle.

    Args:
        b: with cycles, on a chip whose current was measured.
        every_s: from one clip to the next.
        idle_ua: the current in between, as the user has measured it, in place of the chip description's.

    Raises:
        InputError: no cycles, no measured current, or a clip takes longer than that.
    """
    if b.counts is None or b.seconds is None:
        raise InputError(
            "no energy: the runner counts no cycles", where=b.runner, expected="a board, or --on sim",
            found=f"{b.count_kind} counted",
        )  # fmt: skip
    if b.energy is None:
        raise _no_current(b.board)
    if b.seconds > every_s:
        raise InputError(
            f"a {b.run_title} takes longer than that",
            where=f"{b.model} on {b.board}",
            expected=f"≥ {duration(b.seconds)}",
            found=duration(every_s),
        )
    energy = b.energy
    if idle_ua is not None:
        energy = dataclasses.replace(
            energy, idle_ua_low=idle_ua, idle_ua_high=idle_ua, idle_source="as given"
        )
    cycles = b.counts.network + b.counts.frontend
    layers = tuple((x.name, energy.of(x.count)) for x in b.layers if x.count is not None)
    waiting_s = every_s - b.seconds
    return Duty(
        every_s,
        b.seconds / every_s,
        energy.supply_mv,
        energy.of(cycles),
        _waiting(energy, waiting_s),
        energy.idle_source,
        layers,
    )


def _waiting(energy: Energy, waiting_s: float) -> Range | None:
    """µA times mV times seconds is 1e-3 µJ."""
    if energy.idle_ua_low is None or energy.idle_ua_high is None:
        return None
    per_ua = energy.supply_mv * waiting_s * 1e-3
    return energy.idle_ua_low * per_ua, energy.idle_ua_high * per_ua


def sentences(duty: Duty, title: str) -> list[str]:
    """For the terminal.

    Args:
        duty: what is told.
        title: clip or step.
    """
    lines = [
        f"a {title} every {duration(duty.every_s)}: {100 * duty.busy:.3g} % busy, {_energy(duty.active)} for the work"
    ]
    if duty.whole is None or duty.average_ua is None or duty.idle is None:
        lines.append("idle current: nobody has measured it for this chip; --idle-ua takes your own figure")
        return lines
    lines.append(
        f"{_energy(duty.idle)} for waiting ({duty.idle_source}); {_energy(duty.whole)} together, "
        f"{_range(duty.average_ua)} µA on average at {duty.supply_mv / 1000:g} V"
    )
    return lines


def _energy(microjoules: Range) -> str:
    per, unit = (1e3, "mJ") if microjoules[0] >= 1e3 else (1.0, "µJ")
    return f"{_range((microjoules[0] / per, microjoules[1] / per))} {unit}"


def _range(values: Range) -> str:
    low, high = (digits(value) for value in values)
    return low if low == high else f"{low}–{high}"
