# SPDX-License-Identifier: Apache-2.0
"""The simulator as a runner: the board's own ELF on the cycle model, over its serial port, in one process.

Nothing here looks at a clock of the host: the simulated time stands still between calls, so the same firmware
and the same bytes give the same cycle counts, always.
"""

from __future__ import annotations

import types
from typing import ClassVar, Self

from ascmcu.errors import LinkError
from ascmcu.runners.base import Runner, RunnerFacts, Target
from ascmcu.sim import layout, native
from ascmcu.sim.faults import GuestFault
from ascmcu.sim.image import Image
from ascmcu.sim.machine import Machine
from ascmcu.sim.stm32 import PACED, Line

# Simulated time that one read may take while the firmware works and sends nothing.
_SILENT_S = 3600.0
_START_S = 0.5


class SimRunner(Runner):
    """A ``Machine`` whose serial port is the link.

    Args:
        target: the export.
        wait_states: of the flash; None: the board's own.
        line: how the host's bytes follow each other; other links than a wire are for tests.
        profiled: whether calls are followed, for ``sim.profile``.
    """

    name: ClassVar[str] = "sim"
    machine: Machine

    def __init__(
        self, target: Target, wait_states: int | None = None, line: Line = PACED, *, profiled: bool = False
    ) -> None:
        super().__init__(target)
        own = target.board.clock.wait_states
        self.wait_states = own if wait_states is None else wait_states
        self.line = line
        self.profiled = profiled

    @property
    def label(self) -> str:
        """Runs on another flash than the board's own are different runs."""
        own = self.wait_states == self.target.board.clock.wait_states
        return self.name if own else f"{self.name}-{self.wait_states}ws"

    @property
    def notices(self) -> tuple[str, ...]:
        """Whether it will be slow."""
        return native.notices()

    @property
    def facts(self) -> RunnerFacts:
        machine = self.machine.layout
        detail = f"{machine.name}, {machine.flash_text}"
        states = machine.wait_states
        return RunnerFacts(self.name, "cycles", detail, response_s=24 * 3600.0, wait_states=states)

    @property
    def stood_at(self) -> str:
        """By function and line."""
        return self.machine.stood_at

    def __enter__(self) -> Self:
        machine = layout.of_board(self.target.board)
        if self.wait_states != machine.wait_states:
            machine = layout.with_wait_states(machine, self.wait_states)
        self.machine = Machine(Image(self.target.elf), machine)
        self.machine.line = self.line
        if self.profiled:
            self.machine.engine.profile(s.address for s in self.machine.image.functions)
        self._port = self.machine.usarts[self.machine.layout.console].name
        # Start-up: until the firmware has said its first word, or sleeps. A host that spoke earlier would not be heard.
        self._advance(int(_START_S * self.machine.layout.clock_hz))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: types.TracebackType | None,
    ) -> None:
        self.machine.keep_blocks()
        del self.machine, self._port

    def read(self, timeout_s: float) -> bytes:
        """Bytes that the firmware sent. ``timeout_s`` is simulated time, and only runs while the firmware sleeps."""
        machine = self.machine
        slept_cycles = machine.slept_cycles
        limit_cycles = int(timeout_s * machine.layout.clock_hz)
        give_up = machine.engine.cycles + int(_SILENT_S * machine.layout.clock_hz)
        while not machine.port(self._port).sent:
            slept = machine.slept_cycles - slept_cycles
            if slept >= limit_cycles or machine.engine.cycles >= give_up:
                return b""
            self._advance(machine.engine.cycles + max(1, limit_cycles - slept))
            if machine.end is not None:
                raise LinkError("the firmware has ended", found=machine.end.reason)
            if machine.idle and not machine.port(self._port).sent:
                return b""
        sent = machine.port(self._port).sent
        data = bytes(sent)
        sent.clear()
        return data

    def _advance(self, until_cycle: int) -> None:
        try:
            self.machine.run(until_cycle, stop_on_sent=True)
        except GuestFault as fault:
            raise LinkError("the firmware crashed", where=fault.where, details=str(fault)) from fault

    def write(self, data: bytes, timeout_s: float) -> None:
        """Hand bytes to the serial line, on which they follow each other as ``line`` has them."""
        self.machine.feed(self._port, data)


RUNNER = SimRunner
