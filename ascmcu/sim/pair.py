# SPDX-License-Identifier: Apache-2.0
"""Two programs on one machine, side by side: cycles, instructions, bytes and functions, whatever made them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ascmcu.errors import AscmcuError, InputError
from ascmcu.jinja import render
from ascmcu.sim import profile, session
from ascmcu.sim.image import Image
from ascmcu.sim.profile import FunctionRow
from ascmcu.sim.session import DEFAULT_LIMIT_CYCLES, Result
from ascmcu.version import tool

_RAM = 0x2000_0000
# Functions below this part of both programs' cycles are summed up in the page.
_LEAST = 0.002


@dataclass(frozen=True)
class Run:
    """One of the two. ``flash_bytes`` are all that is loaded, ``ram_bytes`` what is given an address in RAM; a heap and
    a stack without a section are in neither."""

    name: str
    result: Result
    functions: tuple[FunctionRow, ...]
    flash_bytes: int
    ram_bytes: int

    @property
    def cycles_per_instruction(self) -> float:
        """What an instruction takes on average."""
        return self.result.cycles / max(self.result.instructions, 1)


@dataclass(frozen=True)
class Row:
    """A function of one program or of both: exclusive cycles and calls, None where it is not run."""

    name: str
    cycles: tuple[int | None, int | None]
    calls: tuple[int | None, int | None]

    @property
    def most(self) -> int:
        """The larger of the two."""
        return max(cycles or 0 for cycles in self.cycles)


@dataclass(frozen=True)
class Pair:
    """``second`` against ``first``."""

    first: Run
    second: Run

    @property
    def ratio(self) -> float:
        """Cycles of the second, as a fraction of the first's."""
        return self.second.result.cycles / max(self.first.result.cycles, 1)

    @property
    def rows(self) -> tuple[Row, ...]:
        """Every function, the most cycles first."""
        by_name = [{row.name: row for row in run.functions} for run in (self.first, self.second)]
        rows = []
        for name in dict.fromkeys([*by_name[0], *by_name[1]]):
            found = [functions.get(name) for functions in by_name]
            cycles = [None if row is None else row.exclusive_cycles for row in found]
            calls = [None if row is None else row.calls for row in found]
            rows.append(Row(name, (cycles[0], cycles[1]), (calls[0], calls[1])))
        return tuple(sorted(rows, key=lambda row: (-row.most, row.name)))


def run(
    elfs: tuple[Path, Path],
    between: tuple[tuple[str, str] | None, tuple[str, str] | None],
    *,
    board: str | None = None,
    wait_states: int | None = None,
    limit_cycles: int = DEFAULT_LIMIT_CYCLES,
) -> Pair:
    """Run both programs; arguments are those of ``session.run``, for each program its own symbols.

    Raises:
        InputError: without ``board`` they are taken for different machines, and whatever ``session.run`` raises.
    """
    first, second = (
        _named(elf, symbols, board, wait_states, limit_cycles)
        for elf, symbols in zip(elfs, between, strict=True)
    )
    if board is None and first.result.machine != second.result.machine:
        raise InputError(
            "the two programs are for different machines",
            where=f"{first.name}, {second.name}",
            found=f"{first.result.machine}; {second.result.machine}",
            hint="--board runs both on one",
        )
    return Pair(first, second)


def _named(
    elf: Path, between: tuple[str, str] | None, board: str | None, wait_states: int | None, limit_cycles: int
) -> Run:
    """One of the two; what goes wrong in it says in which."""
    try:
        return _run(elf, between, board, wait_states, limit_cycles)
    except AscmcuError as error:
        where = "" if error.where is None else str(error.where)
        if str(elf) not in where:
            error.where = f"{elf}: {where}" if where else str(elf)
        raise


def _run(
    elf: Path, between: tuple[str, str] | None, board: str | None, wait_states: int | None, limit_cycles: int
) -> Run:
    machine = session.build(elf, board, wait_states)
    machine.engine.profile((s.address for s in machine.image.functions), windowed=bool(between))
    result = session.finish(machine, between, limit_cycles)
    functions = tuple(profile.functions(machine.engine, machine.image))
    return Run(elf.name, result, functions, *_sizes(machine.image))


def _sizes(image: Image) -> tuple[int, int]:
    loaded = sum(len(s.data) for s in image.segments)
    return loaded, sum(s.memory_bytes for s in image.segments if s.run_address >= _RAM)


@dataclass(frozen=True)
class _Bar:
    """A function in the page: for each program cycles, the share of its whole, and the bar's percent."""

    name: str
    cells: tuple[tuple[int, float, float] | None, ...]


def html(pair: Pair) -> str:
    """The comparison as one page without references to others."""
    runs = (pair.first, pair.second)
    least = _LEAST * max(run.result.cycles for run in runs)
    told = [row for row in pair.rows if row.most >= least]
    rest = [sum(row.cycles[i] or 0 for row in pair.rows if row.most < least) for i in range(len(runs))]
    most = max((row.most for row in told), default=1)
    bars = [_Bar(row.name, _cells(row.cycles, runs, most)) for row in told]
    if any(rest):
        bars.append(_Bar("all others", _cells((rest[0], rest[1]), runs, most)))
    return render("sim_pair.html.j2", pair=pair, runs=runs, bars=bars, tool=tool())


def _cells(
    cycles: Sequence[int | None], runs: Sequence[Run], most: int
) -> tuple[tuple[int, float, float] | None, ...]:
    return tuple(
        None if c is None else (c, 100 * c / max(run.result.cycles, 1), 100 * c / max(most, 1))
        for c, run in zip(cycles, runs, strict=True)
    )
