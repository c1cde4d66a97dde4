# SPDX-License-Identifier: Apache-2.0
"""Memory-mapped registers: the interface of a device, and simple devices."""

from __future__ import annotations

import abc
from collections.abc import Mapping

from ascmcu.sim.engine import NEVER


class Device(abc.ABC):
    """A block of 32-bit registers.

    Offsets are multiples of four. Accesses narrower than a word are composed from ``peek``, which must have no
    side effects; a device whose registers are bytes overrides ``load`` and ``store``.
    """

    # Whether it does things by itself from the first write on (``next_event``).
    timed = False

    def __init__(self, name: str, base: int, size_bytes: int) -> None:
        self.name = name
        self.base = base
        self.size_bytes = size_bytes

    def load(self, offset: int, size: int, cycle: int) -> int:
        """An access of ``size`` bytes at any offset; a register's upper part is read without side effects."""
        word = self.read(offset & ~3, cycle) if offset & 3 == 0 else self.peek(offset & ~3, cycle)
        return word >> 8 * (offset & 3) & ((1 << 8 * size) - 1)

    def store(self, offset: int, size: int, value: int, cycle: int) -> None:
        """An access of ``size`` bytes at any offset; the register's other bytes stay."""
        if size < 4:
            mask = ((1 << 8 * size) - 1) << 8 * (offset & 3)
            value = self.peek(offset & ~3, cycle) & ~mask | (value << 8 * (offset & 3) & mask)
        self.write(offset & ~3, value, cycle)

    @abc.abstractmethod
    def read(self, offset: int, cycle: int) -> int:
        """A register as the program reads it at ``cycle``, side effects included."""

    @abc.abstractmethod
    def write(self, offset: int, value: int, cycle: int) -> None:
        """The program writes a register."""

    def peek(self, offset: int, cycle: int) -> int:
        """A register's value without side effects."""
        return self.read(offset, cycle)

    def clocked(self, core_hz: int) -> None:  # noqa: B027 - most devices count in cycles
        """How many cycles of the core a second has, for devices with a clock of their own."""

    def restarted(self, by_watchdog: bool) -> None:  # noqa: B027 - most devices do not tell
        """The chip was reset, by its program or its watchdog; what a device then says of the cause is set here."""

    def next_event(self) -> int:
        """The cycle at which the device next does something by itself."""
        return NEVER

    def advance(self, cycle: int) -> None:  # noqa: B027 - most devices never do anything by themselves
        """Do what is due up to ``cycle``."""


class Registers(Device):
    """Registers that hold what was written: configuration without which nothing here works differently."""

    def __init__(self, name: str, base: int, size_bytes: int, reset: Mapping[int, int] | None = None) -> None:
        super().__init__(name, base, size_bytes)
        self.values = dict(reset or {})

    def read(self, offset: int, cycle: int) -> int:
        return self.values.get(offset, 0)

    def write(self, offset: int, value: int, cycle: int) -> None:
        self.values[offset] = value


class Following(Registers):
    """Registers with ready bits that follow their enable bits at once.

    Args:
        follows: (control offset, control bit, status offset, status bit, width) rows.
    """

    def __init__(
        self,
        name: str,
        base: int,
        size_bytes: int,
        reset: Mapping[int, int],
        follows: tuple[tuple[int, int, int, int, int], ...],
    ) -> None:
        super().__init__(name, base, size_bytes, reset)
        self._follows = follows

    def read(self, offset: int, cycle: int) -> int:
        value = self.values.get(offset, 0)
        for control, bit, status, status_bit, width in self._follows:
            if status == offset:
                mask = (1 << width) - 1
                followed = self.values.get(control, 0) >> bit & mask
                value = value & ~(mask << status_bit) | followed << status_bit
        return value


class RandomNumbers(Registers):
    """A random number generator that is, for repeatable runs, not random (xorshift32); it takes its time.

    Args:
        words: how many come at a time.
        block_cycles: after how many core cycles the next ones are there.
    """

    _ENABLE = 1 << 2

    def __init__(self, name: str, base: int, words: int, block_cycles: int) -> None:
        super().__init__(name, base, 0x400)
        self._state = 0x2545F491
        self._words = words
        self._block_cycles = block_cycles
        self._left = 0
        self._next_at = NEVER

    def _ready(self, cycle: int) -> bool:
        if not self._left and cycle >= self._next_at:
            self._left = self._words
            self._next_at = max(cycle, self._next_at) + self._block_cycles
        return self._left > 0

    def read(self, offset: int, cycle: int) -> int:
        if offset == 4:
            return int(self._ready(cycle))
        if offset != 8:
            return super().read(offset, cycle)
        if not self._ready(cycle):
            return 0
        for shift in (13, -17, 5):
            moved = self._state << shift if shift > 0 else self._state >> -shift
            self._state = (self._state ^ moved) & 0xFFFFFFFF
        self._left -= 1
        return self._state

    def write(self, offset: int, value: int, cycle: int) -> None:
        enabled = self.values.get(0, 0) & self._ENABLE
        super().write(offset, value, cycle)
        if offset == 0 and value & self._ENABLE and not enabled:
            self._next_at = cycle + 2 * self._block_cycles
        elif offset == 0 and not value & self._ENABLE:
            self._left, self._next_at = 0, NEVER

    def peek(self, offset: int, cycle: int) -> int:
        return self._state if offset == 8 else self.read(offset, cycle)
