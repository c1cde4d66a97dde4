# SPDX-License-Identifier: Apache-2.0
"""What a layer is predicted to cost: its work (``_work``) times the cycles of each part (``cycles.toml``),
and what the part waits for the memories (``waits.toml``)."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ascmcu.boards import FlashCache
from ascmcu.errors import VerifyError
from ascmcu.kernels import _waits
from ascmcu.kernels._work import Work

Optimize = Literal["cycles", "flash", "balanced"]

# The order of the columns in the table: cycles at each of the compiler's levels.
COLUMNS = ("cycles", "balanced", "flash")
_COMPILER = "compiler"
STEPS = "steps"
# How far nine in ten predictions of a kernel are off at most, as a fraction.
ERROR = "error"
_UNMEASURED = 0.5
# What runs around the layers.
SCHEDULE = "schedule"


@dataclass(frozen=True)
class Target:
    """For what cycles are predicted.

    Attributes:
        optimize: the compiler's level goes with it.
        wait_states: of the flash.
        flash: what stands before it; unless said, an STM32F4's.
        weights_in_ram: the constants are read from RAM, in the memory of the activations.
        code_in_ram: the code is fetched without waiting, and not over the bus of the data.
    """

    optimize: Optimize = "cycles"
    wait_states: int = 0
    flash: FlashCache = _waits.ASSUMED
    weights_in_ram: bool = False
    code_in_ram: bool = False

    @functools.cached_property
    def mix(self) -> _waits.Mix:
        """Its columns of ``waits.toml``."""
        return _waits.mix(
            self.wait_states, self.flash, weights_in_ram=self.weights_in_ram, code_in_ram=self.code_in_ram
        )


DEFAULT_TARGET = Target()


def predicted(kernel: str, steps: int, work: Work, target: Target) -> int | None:
    """Cycles of an inference, the calls of ``steps`` steps included; ``None`` where a part was never measured."""
    own = _table().get(kernel)
    if own is None or unmeasured(kernel, work):
        return None
    return round(sum(n * _part(kernel, part, target) for part, n in ((STEPS, steps), *work.parts)))


def with_waits(cycles: float, target: Target) -> int:
    """A kernel's own estimate, which is of zero wait states, with what kernels wait on average."""
    return round(cycles * (1.0 + _waits.typical(target.mix)))


def error(kernel: str, work: Work, target: Target) -> float:
    """How far a prediction of the kernel may be off, as a fraction; of one that was never measured, by half."""
    costs = _table().get(kernel, {}).get(ERROR)
    return _UNMEASURED if costs is None or unmeasured(kernel, work) else costs[COLUMNS.index(target.optimize)]


def around(work: Work, target: Target) -> int:
    """Cycles of what runs around the layers."""
    return round(sum(n * _part(SCHEDULE, part, target) for part, n in work.parts))


def measured_with() -> str:
    """The compiler that the costs of C were measured with, as it names itself."""
    return str(_raw().get(_COMPILER, ""))


def unmeasured(kernel: str, work: Work) -> list[str]:
    """The parts of a layer's work that the table does not know."""
    return [part for part in (STEPS, *work.names) if part_of(kernel, part) not in _known()]


def part_of(kernel: str, part: str) -> tuple[str, str]:
    """Where the table has a part: (section, name)."""
    section, dot, name = part.partition(".")
    return (section, name) if dot else (kernel, part)


def _part(kernel: str, part: str, target: Target) -> float:
    section, name = part_of(kernel, part)
    costs = _table().get(section, {}).get(name)
    own = 0.0 if costs is None else costs[COLUMNS.index(target.optimize)]
    return own + _waits.cycles(section, name, own, target.mix)


@functools.cache
def _known() -> frozenset[tuple[str, str]]:
    return frozenset((section, name) for section, parts in _table().items() for name in parts)


@functools.cache
def _table() -> Mapping[str, Mapping[str, tuple[float, ...]]]:
    """Section → part → costs in the order of ``COLUMNS``.

    Raises:
        VerifyError: the file of this package is not what tools/cycles writes.
    """
    raw = _raw()
    return {section: dict(_rows(section, parts)) for section, parts in raw.items() if section != _COMPILER}


@functools.cache
def _raw() -> dict[str, object]:
    path = Path(__file__).with_name("cycles.toml")
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _rows(section: str, parts: object) -> Iterable[tuple[str, tuple[float, ...]]]:
    assert isinstance(parts, dict)
    for name, costs in parts.items():
        if len(costs) != len(COLUMNS):
            raise VerifyError("a part has a cost for each column", where=f"cycles.toml, {section}.{name}")
        yield name, tuple(float(cost) for cost in costs)
