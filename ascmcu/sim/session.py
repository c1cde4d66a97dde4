# SPDX-License-Identifier: Apache-2.0
"""One run of one program, start to end: the Python interface of the simulator."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from ascmcu.errors import InputError, LimitError
from ascmcu.sim.engine import Mark
from ascmcu.sim.image import Image
from ascmcu.sim.layout import Layout, guessed, named, with_wait_states
from ascmcu.sim.machine import End, Machine

DEFAULT_LIMIT_CYCLES = 20_000_000_000  # two minutes at 168 MHz
GRACE_CYCLES = 200_000_000  # for what a program still prints behind the measured stretch
# A program that sleeps so much of so many such stretches, and says nothing, waits for what does not come.
_ASLEEP, _WAITED = 0.99, 3


@dataclass(frozen=True)
class Result:
    """What a run came to.

    ``cycles`` and ``instructions`` are between the two symbols when ``between`` was given, else of the whole
    run from reset. ``total_cycles`` and ``total_instructions`` are always of the whole run. ``flash`` is what the
    cycles hold of it, in words.
    """

    cycles: int
    instructions: int
    exit_code: int
    ended: str
    console: bytes
    total_cycles: int
    total_instructions: int
    machine: str
    wait_states: int
    flash: str
    host_s: float
    exited: bool = True

    @property
    def ending(self) -> str:
        """How it ended, in words, and the program's own exit code."""
        return (
            f"{self.ended} (exit code {self.exit_code})"
            if self.exited
            else f"{self.ended}, without an exit code"
        )

    @property
    def instructions_per_host_second(self) -> float:
        """The simulator's speed."""
        return self.total_instructions / self.host_s if self.host_s > 0 else 0.0


def run(
    elf: Path | str,
    *,
    between: tuple[str, str] | None = None,
    board: str | Layout | None = None,
    wait_states: int | None = None,
    limit_cycles: int = DEFAULT_LIMIT_CYCLES,
) -> Result:
    """Run a program to its end.

    Args:
        elf: a linked bare-metal program with a vector table.
        between: count from the first execution of the first symbol's first instruction to the first
            execution of the second's behind it; the same name twice: its first call, up to its return.
        board: a board's or part's name, or a machine; guessed from the ELF when absent.
        wait_states: of the flash; None: those of the board's clock, 0 where no board is named.
        limit_cycles: give up there.

    Raises:
        InputError: not a program, no such symbol, a symbol that was never reached.
        GuestFault: the program crashed.
        LimitError: it did not end within ``limit_cycles``.
    """
    machine = build(Path(elf), board, wait_states)
    return finish(machine, between, limit_cycles)


def build(elf: Path, board: str | Layout | None = None, wait_states: int | None = None) -> Machine:
    """A machine with the program in it, at reset.

    Args:
        elf: a linked bare-metal program.
        board: a board's or part's name, or a machine; guessed from the ELF when absent.
        wait_states: of the flash; None: those of the board's clock, 0 where no board is named.
    """
    image = Image(elf)
    layout = guessed(image) if board is None else board
    if isinstance(layout, str):
        layout = named(layout)
    return Machine(image, layout if wait_states is None else with_wait_states(layout, wait_states))


def finish(
    machine: Machine,
    between: tuple[str, str] | None = None,
    limit_cycles: int = DEFAULT_LIMIT_CYCLES,
) -> Result:
    """Run a machine to its end; see ``run``."""
    engine = machine.engine
    machine.ends_when_bitten = True
    if between is not None:
        first, last = (machine.image.symbol(name).address & ~1 for name in between)
        engine.mark(0, first)
        if between[0] == between[1]:
            engine.mark_return()
        elif first == last:  # empty functions that the compiler has merged
            engine.mark_twice()
        else:
            engine.mark(1, last)
    started = time.perf_counter()
    _run(machine, limit_cycles)
    host_s = time.perf_counter() - started
    machine.keep_blocks()
    end = machine.end or (End(machine.idle, 0) if machine.idle else None)
    if end is None and engine.both_marked:
        end = End(f"still running at {machine.image.place(machine.pc)}, behind the measured stretch", 0)
    if end is None:
        raise LimitError(
            "the program did not end",
            where=machine.image.place(machine.pc),
            expected=f"an end within {limit_cycles:,} cycles",
            found=f"{engine.cycles:,} cycles",
            hint="allow more with --limit-cycles, or measure a stretch of it with --between",
        )
    began, ended = Mark(0, 0), Mark(engine.cycles, engine.instructions)
    if between is not None:
        began, ended = (_reached(machine, between, which, end) for which in (0, 1))
    for usart in machine.usarts.values():
        machine.console += usart.sent
        usart.sent.clear()
    return Result(
        cycles=ended.cycles - began.cycles,
        instructions=ended.instructions - began.instructions,
        exit_code=end.exit_code,
        ended=end.reason,
        console=bytes(machine.console),
        total_cycles=engine.cycles,
        total_instructions=engine.instructions,
        machine=f"{machine.layout.name}, {machine.layout.origin}",
        wait_states=machine.layout.wait_states,
        flash=machine.layout.flash_text,
        host_s=host_s,
        exited=end.exited,
    )


def _run(machine: Machine, limit_cycles: int) -> None:
    """To the program's end; one that goes on for good behind the measured stretch is left after a while.

    So is one that has slept for long with a serial port open: nobody will send to it.
    """
    waited = 0
    while machine.end is None and not machine.idle and machine.engine.cycles < limit_cycles:
        measured = machine.engine.both_marked
        before = machine.engine.cycles, machine.slept_cycles, _sent(machine)
        machine.run(min(limit_cycles, machine.engine.cycles + GRACE_CYCLES))
        if measured:
            return
        slept = machine.slept_cycles - before[1] >= _ASLEEP * (machine.engine.cycles - before[0])
        waited = waited + 1 if slept and _sent(machine) == before[2] else 0
        ports = [usart.name for usart in machine.usarts.values() if usart.listens]
        if ports and waited == _WAITED:
            machine.idle = (
                f"waits for {' or '.join(ports)}, to which nothing is sent here; "
                "`ascmcu bench --on sim` sends inputs to an export's firmware"
            )


def _sent(machine: Machine) -> int:
    return len(machine.console) + sum(len(usart.sent) for usart in machine.usarts.values())


def _reached(machine: Machine, names: tuple[str, str], which: int, end: End) -> Mark:
    mark = machine.engine.marked(which)
    if mark is None:
        behind = f" behind {names[0]}" if which else ""
        what = "did not return" if which and names[0] == names[1] else f"was never executed{behind}"
        raise InputError(
            f"{names[which]} {what}",
            where=str(machine.image.path),
            found=f"the program ended: {end.reason}",
            hint=None
            if which
            else "a function that the compiler put into its callers is not called: noinline",
        )
    return mark
