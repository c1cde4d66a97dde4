# SPDX-License-Identifier: Apache-2.0
"""Independent watchdogs: they reset a program that does not feed them in time.

Their oscillators have the manuals' typical rate. A watchdog counts from the program's first access on: one that runs
from reset, as the K64's does, bites only programs that touch it.
"""

from __future__ import annotations

import abc
from fractions import Fraction

from ascmcu.sim.devices import Registers
from ascmcu.sim.engine import NEVER


class Watchdog(Registers):
    """A counter that is fed.

    Attributes:
        core_hz: of the core, in whose cycles time is counted.
        bites: whether it resets the chip now.
    """

    timed = True

    def __init__(self, name: str, base: int, size_bytes: int, reset: dict[int, int] | None = None) -> None:
        super().__init__(name, base, size_bytes, reset)
        self.core_hz = 1
        self.bites = False
        self._due = NEVER

    def clocked(self, core_hz: int) -> None:
        """See ``Device``."""
        self.core_hz = core_hz

    @abc.abstractmethod
    def period_s(self) -> Fraction:
        """From feeding to the reset, by the registers."""

    def feed(self, cycle: int) -> None:
        """Begin a new period."""
        self._due = cycle + int(self.period_s() * self.core_hz)

    def stop(self) -> None:
        """It does not count."""
        self._due = NEVER

    @property
    def runs(self) -> bool:
        """Whether it counts."""
        return self._due != NEVER

    def next_event(self) -> int:
        return self._due

    def advance(self, cycle: int) -> None:
        self.bites = self.bites or cycle >= self._due


class Iwdg(Watchdog):
    """An STM32's, at 0x40003000 (RM0390 21, RM0316 25, RM0351 36); its registers take effect at once."""

    _KR, _PR, _RLR = 0x0, 0x4, 0x8

    def __init__(self, oscillator_hz: int = 32_000) -> None:
        super().__init__("IWDG", 0x40003000, 0x400, {self._RLR: 0xFFF})
        self._oscillator_hz = oscillator_hz
        self._open = False

    def period_s(self) -> Fraction:
        divider = 4 << min(self.values.get(self._PR, 0) & 7, 6)
        return Fraction(((self.values[self._RLR] & 0xFFF) + 1) * divider, self._oscillator_hz)

    def read(self, offset: int, cycle: int) -> int:
        return 0 if offset == self._KR else super().read(offset, cycle)

    def write(self, offset: int, value: int, cycle: int) -> None:
        """Once started it cannot be stopped; prescaler and reload value are locked until 0x5555."""
        if offset == self._KR:
            key = value & 0xFFFF
            self._open = key == 0x5555
            if key == 0xCCCC or (key == 0xAAAA and self.runs):
                self.feed(cycle)
        elif self._open and offset in (self._PR, self._RLR):
            super().write(offset, value, cycle)


class NrfWdt(Watchdog):
    """nRF52840, 6.36: on the 32,768 Hz oscillator, fed by all reload registers that are enabled."""

    _START, _RUNSTATUS, _CRV, _RREN, _RR = 0x000, 0x400, 0x504, 0x508, 0x600
    _KEY = 0x6E524635

    def __init__(self) -> None:
        super().__init__("WDT", 0x40010000, 0x1000, {self._CRV: 0xFFFFFFFF, self._RREN: 1})
        self._fed = 0

    def period_s(self) -> Fraction:
        return Fraction(self.values[self._CRV] + 1, 32_768)

    def write(self, offset: int, value: int, cycle: int) -> None:
        """Started, it keeps its configuration."""
        if self._RR <= offset < self._RR + 32:
            self._fed |= (value == self._KEY) << (offset - self._RR) // 4
            enabled = self.values[self._RREN] & 0xFF
            if self.runs and self._fed & enabled == enabled:
                self._fed = 0
                self.feed(cycle)
        elif offset == self._START and value & 1 and not self.runs:
            self.values[self._RUNSTATUS] = 1
            self.feed(cycle)
        elif not self.runs:
            super().write(offset, value, cycle)


class KinetisWdog(Watchdog):
    """K64, 24: two keys open its registers, two words feed it; any other word resets the chip. That these have to come
    within a few cycles of each other is not modelled."""

    _STCTRLH, _TOVAL, _REFRESH, _UNLOCK, _PRESC = 0x00, 0x04, 0x0C, 0x0E, 0x16
    _LPO_HZ = 1000

    def __init__(self) -> None:
        super().__init__("WDOG", 0x40052000, 0x400, {0x00: 0x000101D3, 0x04: 0x4B4C004C, 0x14: 0x04000000})
        self._half_open = self._half_fed = self._open = False

    def period_s(self) -> Fraction:
        word = self.values[self._TOVAL]
        ticks = (word & 0xFFFF) << 16 | word >> 16
        scale = (self.values[0x14] >> 24 & 7) + 1
        hz = self.core_hz if self.values[0x00] & 2 else self._LPO_HZ
        return Fraction(ticks * scale, hz)

    def store(self, offset: int, size: int, value: int, cycle: int) -> None:
        """Registers of 16 bits, two in a word."""
        if offset == self._UNLOCK:
            self.bites |= value != (0xD928 if self._half_open else 0xC520)
            self._open |= self._half_open
            self._half_open = not self._half_open
        elif offset == self._REFRESH:
            self.bites |= value != (0xB480 if self._half_fed else 0xA602)
            if self._half_fed and self.runs:
                self.feed(cycle)
            self._half_fed = not self._half_fed
        elif self._open:
            super().store(offset, size, value, cycle)
            if offset == self._STCTRLH:
                self._open = False
                if value & 1:
                    self.feed(cycle)
                else:
                    self.stop()


class SamWdt(Watchdog):
    """SAM D5x (component/wdt.h): 8 to 16,384 cycles of 1,024 Hz; a key feeds it, any other value resets the chip."""

    _CTRLA, _CLEAR = 0x00, 0x0C

    def __init__(self) -> None:
        super().__init__("WDT", 0x40002000, 0x400, {0x00: 0x000BBB00})

    def period_s(self) -> Fraction:
        return Fraction(8 << min(self.values[0x00] >> 8 & 15, 11), 1024)

    def store(self, offset: int, size: int, value: int, cycle: int) -> None:
        """Registers of one byte, four in a word; while it runs they are locked."""
        if offset == self._CLEAR:
            self.bites |= value != 0xA5
            if self.runs:
                self.feed(cycle)
        elif offset == self._CTRLA:
            super().store(offset, size, value, cycle)
            if not value & 2:
                self.stop()
            elif not self.runs:
                self.feed(cycle)
        elif not self.runs:
            super().store(offset, size, value, cycle)
