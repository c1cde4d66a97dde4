# SPDX-License-Identifier: Apache-2.0
"""The STM32 peripherals that start-up code and serial firmware touch, for the F3, F4, G4, L4 and WB families.

Register layouts: RM0316 (F3), RM0090 and RM0390 (F4), RM0440 (G4), RM0351 and RM0432 (L4 and L4+); ST's
stm32wb55xx.h (WB).
"""

from __future__ import annotations

import abc
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ascmcu.sim import hook
from ascmcu.sim import words as w
from ascmcu.sim.core import FIRST_IRQ, Nvic
from ascmcu.sim.devices import Device, Following, RandomNumbers, Registers
from ascmcu.sim.engine import NEVER
from ascmcu.sim.watchdogs import Iwdg

FRAME_BITS = 10  # start, eight data bits, stop
# Words that the RNG delivers at a time, and after how many cycles the next: RM0090 24.4.3 (40 RNG clocks, here as
# fast as the core's), RM0432 and RM0440 "RNG processing time" (four every 213 AHB cycles).
_RNG_F4 = (1, 40)
_RNG_L4 = (4, 213)
UNIQUE_ID = (0x0042_0017, 0x4D43_5513, 0x2036_3541)


class Rcc(Following):
    """Reset and clock control; oscillators are ready at once, and the dividers are there to be asked."""

    def ahb_cycles_per_apb(self, bus: int) -> int:
        """HCLK cycles per PCLK cycle of APB1 or APB2."""
        raise NotImplementedError


def _divisor(field: int) -> int:
    """What PPRE1 or PPRE2, the lowest three bits of ``field``, divides HCLK by."""
    code = field & 7
    return 1 if code < 4 else 2 << (code - 4)


class RccSt(Rcc):
    """An STM32's: it also tells why the chip started. ``causes``: the offset of that register."""

    causes = 0x94

    def restarted(self, by_watchdog: bool) -> None:
        cause = 1 << 29 if by_watchdog else 1 << 28
        self.values[self.causes] = self.values.get(self.causes, 0) & 0x00FFFFFF | cause | 1 << 26

    def write(self, offset: int, value: int, cycle: int) -> None:
        """RMVF clears the flags, which the program cannot set."""
        if offset == self.causes:
            clears = value >> (23 if self.causes == 0x94 else 24) & 1
            value = (
                value & 0x01FFFFFF if clears else value & 0x01FFFFFF | self.values.get(offset, 0) & 0xFE000000
            )
        super().write(offset, value, cycle)


class RccF4(RccSt):
    """0x40023800."""

    causes = 0x74

    def __init__(self) -> None:
        reset = {0x00: 0x83, 0x04: 0x24003010, 0x74: 0x0E000000}
        follows = (
            (0x00, 0, 0x00, 1, 1),
            (0x00, 16, 0x00, 17, 1),
            (0x00, 24, 0x00, 25, 1),
            (0x00, 26, 0x00, 27, 1),
            (0x00, 28, 0x00, 29, 1),
            (0x08, 0, 0x08, 2, 2),
            (0x70, 0, 0x70, 1, 1),
            (0x74, 0, 0x74, 1, 1),
        )
        super().__init__("RCC", 0x40023800, 0x400, reset, follows)

    def ahb_cycles_per_apb(self, bus: int) -> int:
        return _divisor(self.values.get(0x08, 0) >> (10 if bus == 1 else 13))


class RccF3(RccSt):
    """0x40021000."""

    causes = 0x24

    def __init__(self) -> None:
        follows = (
            (0x00, 0, 0x00, 1, 1),
            (0x00, 16, 0x00, 17, 1),
            (0x00, 24, 0x00, 25, 1),
            (0x04, 0, 0x04, 2, 2),
        )
        super().__init__("RCC", 0x40021000, 0x400, {0x00: 0x83, 0x24: 0x0C000000}, follows)

    def ahb_cycles_per_apb(self, bus: int) -> int:
        return _divisor(self.values.get(0x04, 0) >> (8 if bus == 1 else 11))


class RccL4(RccSt):
    """0x40021000; the G4's agrees but for the oscillator that it starts on."""

    def __init__(self, starts_on_hsi: bool = False, base: int = 0x40021000) -> None:
        reset = {0x00: 0x63, 0x0C: 0x1000, 0x94: 0x0C000600}
        if starts_on_hsi:
            reset = {0x00: 0x500, 0x08: 0x5, 0x0C: 0x1000, 0x94: 0x0C000000}
        follows = (
            (0x00, 0, 0x00, 1, 1),
            (0x00, 8, 0x00, 10, 1),
            (0x00, 16, 0x00, 17, 1),
            (0x00, 24, 0x00, 25, 1),
            (0x00, 26, 0x00, 27, 1),
            (0x00, 28, 0x00, 29, 1),
            (0x08, 0, 0x08, 2, 2),
            (0x94, 0, 0x94, 1, 1),
            (0x90, 0, 0x90, 1, 1),
            (0x98, 0, 0x98, 1, 1),
        )
        super().__init__("RCC", base, 0x400, reset, follows)

    def ahb_cycles_per_apb(self, bus: int) -> int:
        return _divisor(self.values.get(0x08, 0) >> (8 if bus == 1 else 11))


# Bits of the WB's CFGR and EXTCFGR that say that a divider is in force.
_WB_IN_FORCE = {0x08: 0x00070000, 0x108: 0x00030000}


class RccWb(RccL4):
    """0x58000000. Reset values: ST's system_stm32wbxx.c. A divider is in force at once."""

    def __init__(self) -> None:
        super().__init__(base=0x58000000)
        self.values = {0x00: 0x61, 0x0C: 0x22041000, 0x10: 0x22041000, 0x94: 0x0C000000, **_WB_IN_FORCE}

    def write(self, offset: int, value: int, cycle: int) -> None:
        super().write(offset, value | _WB_IN_FORCE.get(offset, 0), cycle)


class Gpio(Registers):
    """A port: outputs read back, open inputs read 0."""

    def __init__(self, name: str, base: int) -> None:
        super().__init__(name, base, 0x400)

    def read(self, offset: int, cycle: int) -> int:
        return self.values.get(0x14 if offset == 0x10 else offset, 0) if offset != 0x18 else 0

    def write(self, offset: int, value: int, cycle: int) -> None:
        output = self.values.get(0x14, 0)
        if offset == 0x18:
            self.values[0x14] = (output | value & 0xFFFF) & ~(value >> 16) | value & 0xFFFF
        elif offset == 0x28:
            self.values[0x14] = output & ~value
        else:
            super().write(offset, value, cycle)


@dataclass(frozen=True)
class Chip:
    """What serial ports are connected to: the clock tree, the interrupt controller, the shared array."""

    rcc: Rcc
    nvic: Nvic
    words: np.ndarray


@dataclass(frozen=True)
class Line:
    """How the other side's bytes follow each other.

    ``gap_cycles``: core cycles from one byte to the next, None for the port's own rate. ``waits``: a byte comes only
    when the program has read the one before, so none is ever lost in the port. The first is a wire; with ``gap_cycles``
    it is one that is faster than the rate says (a bridge that bursts); one that waits, with a gap of a cycle, is what
    emulators do that have no rate: all bytes of a burst, as fast as the interrupt handler takes them.
    """

    gap_cycles: int | None = None
    waits: bool = False


PACED = Line()
BURST = Line(gap_cycles=1, waits=True)


class Usart(Device):
    """A serial port whose bytes take their time: ten bits each at the rate in BRR.

    ``sent`` collects what the program sent, at the moment the last bit has left. ``feed`` queues bytes that
    the other side sends without pause; one that arrives while the last is unread is lost and sets ORE, as in
    the hardware. The receiver's state lies in the array that native code shares (``w.PORTS``), at ``words``.

    Args:
        name: for reports.
        base: the first register's address.
        irq: the interrupt's number.
        bus: 1 for APB1, 2 for APB2.
        chip: what the port is connected to.
        index: which receiver in the array is this port's.
    """

    timed = True
    # What differs between the layouts.
    cr1, brr, status, data, enable_bit = 0x0C, 0x08, 0x00, 0x04, 13

    def __init__(self, name: str, base: int, irq: int, bus: int, chip: Chip, index: int) -> None:
        super().__init__(name, base, 0x400)
        self.sent = bytearray()
        self.values: dict[int, int] = {}
        self.exception = FIRST_IRQ + irq
        self.index = index
        self._bus = bus
        self._chip = chip
        self._at = w.PORTS + index * w.PORT_STRIDE
        self._words = chip.words
        self._backlog = bytearray()
        # Core cycles of a byte as the other side sends it, None for this port's own rate.
        self.line_frame_cycles: int | None = None
        self._line = PACED
        self._holding: int | None = None
        self._shifting: int | None = None
        self._shifted = NEVER
        self._words[self._at : self._at + w.PORT_STRIDE] = 0
        self._set(w.ARRIVAL, NEVER)
        self._set(w.STATUS_ADDRESS, base + self.status)
        self._set(w.DATA_ADDRESS, base + self.data)
        self._set(w.EXCEPTION, self.exception)
        self._configure()

    @property
    def listens(self) -> bool:
        """Whether the program has opened the port for what comes in."""
        return bool(self._get(w.LISTENS))

    def _get(self, field: int) -> int:
        return int(self._words[self._at + field])

    def _set(self, field: int, value: int) -> None:
        self._words[self._at + field] = value

    def frame_cycles(self) -> int:
        """Core cycles per byte."""
        divisor = self.values.get(self.brr, 0)
        if self.values.get(self.cr1, 0) >> 15 & 1:  # OVER8: the fraction has three bits
            divisor = (divisor >> 4) * 8 + (divisor & 7)
        return max(1, FRAME_BITS * divisor * self._chip.rcc.ahb_cycles_per_apb(self._bus))

    def _configure(self) -> None:
        """Tell the receiver what the registers say."""
        control = self.values.get(self.cr1, 0)
        enabled = control >> self.enable_bit & 1
        self._set_line()
        self._set(w.LISTENS, enabled & control >> 2)
        self._set(w.INTERRUPTS, control >> 5 & 1)
        self._set(w.STATUS_REST, self._rest())

    def _set_line(self) -> None:
        own = self._line.gap_cycles is None
        self._set(w.FRAME_CYCLES, self.frame_cycles() if own else int(self._line.gap_cycles or 1))
        self._set(w.WAITS, int(self._line.waits))

    def _rest(self) -> int:
        """TXE, TC, FE, and what else the status register holds beside the receiver's bits."""
        return (self._shifting is None) << 6 | (self._holding is None) << 7 | self._garbled() << 1

    def _garbled(self) -> bool:
        """Whether the other side sends at another rate: more than 4 % off, every byte then ends in a framing error."""
        line, own = self.line_frame_cycles, self.frame_cycles()
        return line is not None and abs(line - own) > 0.04 * own

    # The wire.

    def feed(self, data: bytes, cycle: int, line: Line = PACED) -> None:
        """The other side sends ``data``, beginning when the line is free."""
        self._line = line
        self._configure()
        self._backlog += bytes(byte ^ 0xA5 for byte in data) if self._garbled() else data
        self._refill(cycle)

    def _refill(self, cycle: int) -> None:
        head, tail = self._get(w.HEAD), self._get(w.TAIL)
        count = min(len(self._backlog), w.RING_SIZE - (tail - head))
        if not count:
            return
        ring = self._at + w.RING
        for position, byte in enumerate(self._backlog[:count], tail):
            self._words[ring + (position & w.RING_SIZE - 1)] = byte
        del self._backlog[:count]
        self._set(w.TAIL, tail + count)
        if self._get(w.ARRIVAL) == NEVER and not (self._line.waits and self._get(w.FULL)):
            self._set(w.ARRIVAL, cycle + self._get(w.FRAME_CYCLES))

    @property
    def lost_bytes(self) -> int:
        """Bytes that came while nobody listened, or while the one before was unread."""
        return self._get(w.LOST)

    @property
    def sending(self) -> bool:
        """Whether bytes are still on their way out."""
        return self._shifting is not None

    @property
    def interrupts_for_sending(self) -> bool:
        """Whether the program wants interrupts for TXE or TC."""
        return bool(self.values.get(self.cr1, 0) >> 6 & 3)

    def arrival(self) -> int:
        """The cycle at which the next byte is complete."""
        return self._get(w.ARRIVAL)

    def departure(self) -> int:
        """The cycle at which the byte that is being sent has left."""
        return self._shifted

    def next_event(self) -> int:
        return min(self.arrival(), self._shifted)

    def advance(self, cycle: int) -> None:
        while self._shifted <= cycle and self._shifting is not None:
            self.sent.append(self._shifting)
            done = self._shifted
            self._shifting, self._holding = self._holding, None
            self._shifted = done + self.frame_cycles() if self._shifting is not None else NEVER
            self._set(w.STATUS_REST, self._rest())
        hook.port_advance(self._words, self._at, cycle)
        if self._backlog:
            self._refill(cycle)
        self._update_line()

    def _update_line(self) -> None:
        control = self.values.get(self.cr1, 0)
        received = self._get(w.FULL) or self._get(w.OVERRUN)
        level = control >> 5 & 1 and received
        level = level or (control >> 7 & 1 and self._holding is None)
        level = level or (control >> 6 & 1 and self._shifting is None)
        self._chip.nvic.set_line(self.exception, bool(level) and bool(control >> self.enable_bit & 1))

    def standing(self) -> tuple[int, int] | None:
        """The status register as (address, value) when reading it has no effect and time alone changes nothing
        before ``next_event``; else None."""
        if self._get(w.FULL) or self._get(w.OVERRUN):
            return None
        return self.base + self.status, int(hook.port_status(self._words, self._at, 0, False))

    def _transmit(self, value: int, cycle: int) -> None:
        if self._shifting is None:
            self._shifting, self._shifted = value & 0xFF, cycle + self.frame_cycles()
        else:
            self._holding = value & 0xFF

    # Registers.

    def peek(self, offset: int, cycle: int) -> int:
        self.advance(cycle)
        if offset == self.status:
            return int(hook.port_status(self._words, self._at, cycle, False))
        return self._get(w.RECEIVED) if offset == self.data else self.values.get(offset, 0)

    def read(self, offset: int, cycle: int) -> int:
        self.advance(cycle)
        if offset == self.status:
            return int(hook.port_status(self._words, self._at, cycle, True))
        if offset == self.data:
            value = int(hook.port_take(self._words, self._at, cycle))
            self._update_line()
            return value
        return self.values.get(offset, 0)

    def write(self, offset: int, value: int, cycle: int) -> None:
        self.advance(cycle)
        self._written(offset, value, cycle)
        self._configure()
        self._update_line()

    @abc.abstractmethod
    def _written(self, offset: int, value: int, cycle: int) -> None:
        """What writing a register does."""


class UsartF4(Usart):
    """SR, DR, BRR, CR1, CR2, CR3.

    Attributes:
        supply: a DMA's next byte for this port, None where it has none.
    """

    def __init__(self, name: str, base: int, irq: int, bus: int, chip: Chip, index: int) -> None:
        super().__init__(name, base, irq, bus, chip, index)
        self._set(w.CLEARS_BY_READING, 1)
        self.supply: Callable[[], int | None] = lambda: None

    def advance(self, cycle: int) -> None:
        """With CR3.DMAT an empty data register asks the DMA (RM0390 25.4.13)."""
        while True:
            super().advance(cycle)
            byte = self.supply() if self._holding is None and self.values.get(0x14, 0) >> 7 & 1 else None
            if byte is None:
                return
            self._transmit(byte, cycle)
            self._configure()

    def _written(self, offset: int, value: int, cycle: int) -> None:
        if offset == 0x04:
            self._transmit(value, cycle)
        elif offset == 0x00:
            if not value >> 5 & 1:
                hook.port_empty(self._words, self._at, cycle)
        else:
            self.values[offset] = value


class UsartL4(Usart):
    """CR1, CR2, CR3, BRR, …, ISR, ICR, RDR, TDR."""

    cr1, brr, status, data, enable_bit = 0x00, 0x0C, 0x1C, 0x24, 0

    def _rest(self) -> int:
        enables = self.values.get(0x00, 0)
        acknowledged = (enables >> 3 & 1) << 21 | (enables >> 2 & 1) << 22
        return super()._rest() | acknowledged

    def _written(self, offset: int, value: int, cycle: int) -> None:
        if offset == 0x28:
            self._transmit(value, cycle)
        elif offset == 0x20 and value >> 3 & 1:
            self._set(w.OVERRUN, 0)
        elif offset == 0x18 and value >> 3 & 1:
            hook.port_empty(self._words, self._at, cycle)
        elif offset not in (0x18, 0x1C, 0x20, 0x24):
            self.values[offset] = value


class Lpuart(UsartL4):
    """LPUART1: 256 times the resolution in BRR."""

    def frame_cycles(self) -> int:
        return max(1, FRAME_BITS * self.values.get(0x0C, 0) * self._chip.rcc.ahb_cycles_per_apb(1) // 256)


# Pages of factory data: where they begin, the unique identifier and the flash size within (RM0316 34, RM0090 39,
# RM0351 47, RM0440 48: "Device electronic signature").
_SIGNATURES = {
    "stm32f3": (0x1FFFF400, 0x3AC, 0x3CC),
    "stm32f4": (0x1FFF7800, 0x210, 0x222),
    "stm32g4": (0x1FFF7400, 0x190, 0x1E0),
    "stm32l4": (0x1FFF7400, 0x190, 0x1E0),
    "stm32wb": (0x1FFF7400, 0x190, 0x1E0),  # UID_BASE and FLASHSIZE_BASE of stm32wb55xx.h
}


class Signature(Registers):
    """Factory data: the unique identifier (the same for every simulated part) and the size of the flash."""

    def __init__(self, family: str, flash_bytes: int) -> None:
        base, identifier, size = _SIGNATURES[family]
        registers = {identifier + 4 * n: word for n, word in enumerate(UNIQUE_ID)}
        registers[size & ~3] = flash_bytes // 1024 << 8 * (size & 3) | (0xFFFF if size & 3 else 0xFFFF0000)
        super().__init__("SIGNATURE", base, 0x400, registers)

    def read(self, offset: int, cycle: int) -> int:
        return self.values.get(offset, 0xFFFFFFFF)

    def write(self, offset: int, value: int, cycle: int) -> None:
        """Nothing: it is read-only memory."""


def signature(family: str, flash_bytes: int) -> list[Device]:
    """A part's factory data, none for a family that is not known."""
    return [Signature(family, flash_bytes)] if family in _SIGNATURES else []


def f4_devices(nvic: Nvic, words: np.ndarray) -> tuple[list[Device], dict[int, Usart]]:
    """An STM32F4's devices, and its USARTs by number."""
    rcc = RccF4()
    chip = Chip(rcc, nvic, words)
    usarts: dict[int, Usart] = {
        number: UsartF4(f"USART{number}", base, irq, bus, chip, number)
        for number, base, irq, bus in (
            (1, 0x40011000, 37, 2),
            (2, 0x40004400, 38, 1),
            (3, 0x40004800, 39, 1),
            (4, 0x40004C00, 52, 1),
            (5, 0x40005000, 53, 1),
            (6, 0x40011400, 71, 2),
        )
    }
    power = Following(
        "PWR",
        0x40007000,
        0x400,
        {0x00: 0xC000, 0x04: 0x4000},
        ((0x00, 16, 0x04, 16, 1), (0x00, 17, 0x04, 17, 1)),
    )
    devices: list[Device] = [
        rcc,
        Iwdg(),
        power,
        Registers("FLASH", 0x40023C00, 0x400, {0x10: 0x80000000, 0x14: 0x0FFFAAED}),
        Registers("SYSCFG", 0x40013800, 0x400),
        Registers("EXTI", 0x40013C00, 0x400),
        RandomNumbers("RNG", 0x50060800, *_RNG_F4),
    ]
    devices += [Gpio(f"GPIO{letter}", 0x40020000 + 0x400 * n) for n, letter in enumerate("ABCDEFGHIJK")]
    return [*devices, *usarts.values()], usarts


def _split_usarts(rcc: Rcc, nvic: Nvic, words: np.ndarray, lpuart_irq: int) -> dict[int, Usart]:
    """The USARTs of the L4 and G4; LPUART1 is number 0."""
    chip = Chip(rcc, nvic, words)
    usarts: dict[int, Usart] = {
        number: UsartL4(f"USART{number}", base, irq, bus, chip, number)
        for number, base, irq, bus in (
            (1, 0x40013800, 37, 2),
            (2, 0x40004400, 38, 1),
            (3, 0x40004800, 39, 1),
            (4, 0x40004C00, 52, 1),
            (5, 0x40005000, 53, 1),
        )
    }
    if lpuart_irq:
        usarts[0] = Lpuart("LPUART1", 0x40008000, lpuart_irq, 1, chip, 0)
    return usarts


def _ports(base: int, letters: str) -> list[Device]:
    return [Gpio(f"GPIO{letter}", base + 0x400 * n) for n, letter in enumerate(letters)]


def l4_devices(nvic: Nvic, words: np.ndarray) -> tuple[list[Device], dict[int, Usart]]:
    """An STM32L4's devices; LPUART1 is number 0."""
    rcc = RccL4()
    usarts = _split_usarts(rcc, nvic, words, 70)
    devices: list[Device] = [
        rcc,
        Iwdg(),
        Registers("PWR", 0x40007000, 0x400, {0x00: 0x200, 0x80: 0x100}),
        Registers("FLASH", 0x40022000, 0x400, {0x00: 0x600, 0x14: 0xC0000000}),
        Registers("SYSCFG", 0x40010000, 0x400),
        Registers("EXTI", 0x40010400, 0x400),
        Registers("CRS", 0x40006000, 0x400),
        RandomNumbers("RNG", 0x50060800, *_RNG_L4),
        *_ports(0x48000000, "ABCDEFGHI"),
    ]
    return [*devices, *usarts.values()], usarts


def g4_devices(nvic: Nvic, words: np.ndarray) -> tuple[list[Device], dict[int, Usart]]:
    """An STM32G4's devices; LPUART1 is number 0."""
    rcc = RccL4(starts_on_hsi=True)
    usarts = _split_usarts(rcc, nvic, words, 91)
    devices: list[Device] = [
        rcc,
        Iwdg(),
        Registers("PWR", 0x40007000, 0x400, {0x00: 0x200, 0x80: 0x100}),
        Registers("FLASH", 0x40022000, 0x400, {0x00: 0x40600, 0x14: 0xC0000000}),
        Registers("SYSCFG", 0x40010000, 0x400),
        Registers("EXTI", 0x40010400, 0x400),
        RandomNumbers("RNG", 0x50060800, *_RNG_L4),
        *_ports(0x48000000, "ABCDEFG"),
    ]
    return [*devices, *usarts.values()], usarts


def wb_devices(nvic: Nvic, words: np.ndarray) -> tuple[list[Device], dict[int, Usart]]:
    """An STM32WB's devices as its first core sees them; LPUART1 is number 0. Addresses: ST's stm32wb55xx.h."""
    rcc = RccWb()
    chip = Chip(rcc, nvic, words)
    usarts: dict[int, Usart] = {
        0: Lpuart("LPUART1", 0x40008000, 37, 1, chip, 0),
        1: UsartL4("USART1", 0x40013800, 36, 2, chip, 1),
    }
    devices: list[Device] = [
        rcc,
        Iwdg(),
        Registers("PWR", 0x58000400, 0x400, {0x00: 0x200}),
        Registers("FLASH", 0x58004000, 0x400, {0x00: 0x600, 0x14: 0xC0000000}),
        Registers("SYSCFG", 0x40010000, 0x400),
        Registers("EXTI", 0x58000800, 0x400),
        *_ports(0x48000000, "ABCDE"),
        Gpio("GPIOH", 0x48001C00),
    ]
    return [*devices, *usarts.values()], usarts


def f3_devices(nvic: Nvic, words: np.ndarray) -> tuple[list[Device], dict[int, Usart]]:
    """An STM32F3's devices."""
    rcc = RccF3()
    usarts = _split_usarts(rcc, nvic, words, 0)
    devices: list[Device] = [
        rcc,
        Iwdg(40_000),
        Registers("PWR", 0x40007000, 0x400),
        Registers("FLASH", 0x40022000, 0x400, {0x00: 0x30}),
        Registers("SYSCFG", 0x40010000, 0x400),
        Registers("EXTI", 0x40010400, 0x400),
        *_ports(0x48000000, "ABCDEFGH"),
    ]
    return [*devices, *usarts.values()], usarts
