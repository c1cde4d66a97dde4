"""The STM32 peripherals that start-up code and serial firmware touch, for the F4 and L4 families.

Register layouts: RM0090 and RM0390 (F4), RM0351 and RM0432 (L4 and L4+).
"""

from __future__ import annotations

from collections import deque

from ascmcu.sim.core import FIRST_IRQ, Nvic
from ascmcu.sim.devices import Device, Following, RandomNumbers, Registers
from ascmcu.sim.engine import NEVER

FRAME_BITS = 10  # start, eight data bits, stop


class Rcc(Following):
    """Reset and clock control; oscillators are ready at once, and the dividers are there to be asked."""

    def ahb_cycles_per_apb(self, bus: int) -> int:
        """HCLK cycles per PCLK cycle of APB1 or APB2."""
        raise NotImplementedError


class RccF4(Rcc):
    """0x40023800."""

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
        code = self.values.get(0x08, 0) >> (10 if bus == 1 else 13) & 7
        return 1 if code < 4 else 2 << (code - 4)


class RccL4(Rcc):
    """0x40021000."""

    def __init__(self) -> None:
        reset = {0x00: 0x63, 0x0C: 0x1000, 0x94: 0x0C000600}
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
        super().__init__("RCC", 0x40021000, 0x400, reset, follows)

    def ahb_cycles_per_apb(self, bus: int) -> int:
        code = self.values.get(0x08, 0) >> (8 if bus == 1 else 11) & 7
        return 1 if code < 4 else 2 << (code - 4)


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


class Usart(Device):
    """A serial port whose bytes take their time: ten bits each at the rate in BRR.

    ``sent`` collects what the program sent, at the moment the last bit has left. ``feed`` queues bytes that
    the other side sends without pause; one that arrives while the last is unread is lost and sets ORE, as in
    the hardware. The two register layouts give the hooks below.
    """

    def __init__(self, name: str, base: int, irq: int, bus: int, rcc: Rcc, nvic: Nvic) -> None:
        super().__init__(name, base, 0x400)
        self.sent = bytearray()
        self.lost_bytes = 0
        self.values: dict[int, int] = {}
        self._exception = FIRST_IRQ + irq
        self._bus = bus
        self._rcc = rcc
        self._nvic = nvic
        self._incoming: deque[int] = deque()
        self._arrival = NEVER
        self._received = 0
        self._rxne = False
        self._ore = False
        self._holding: int | None = None
        self._shifting: int | None = None
        self._shifted = NEVER

    # What differs between the layouts.
    cr1, brr = 0x0C, 0x08

    def _enabled(self) -> bool:
        return bool(self.values.get(self.cr1, 0) & self._ue)

    _ue = 1 << 13

    def frame_cycles(self) -> int:
        """Core cycles per byte."""
        divisor = self.values.get(self.brr, 0)
        if self.values.get(self.cr1, 0) >> 15 & 1:  # OVER8: the fraction has three bits
            divisor = (divisor >> 4) * 8 + (divisor & 7)
        return max(1, FRAME_BITS * divisor * self._rcc.ahb_cycles_per_apb(self._bus))

    # The wire.

    def feed(self, data: bytes, cycle: int) -> None:
        """The other side sends ``data``, beginning when the line is free."""
        if not self._incoming and data:
            self._arrival = cycle + self.frame_cycles()
        self._incoming.extend(data)

    @property
    def receiving(self) -> bool:
        """Whether bytes are still on their way in."""
        return bool(self._incoming)

    @property
    def sending(self) -> bool:
        """Whether bytes are still on their way out."""
        return self._shifting is not None

    def next_event(self) -> int:
        return min(self._arrival, self._shifted)

    def advance(self, cycle: int) -> None:
        while self._shifted <= cycle and self._shifting is not None:
            self.sent.append(self._shifting)
            done = self._shifted
            self._shifting, self._holding = self._holding, None
            self._shifted = done + self.frame_cycles() if self._shifting is not None else NEVER
        while self._incoming and self._arrival <= cycle:
            byte = self._incoming.popleft()
            receives = self._enabled() and self.values.get(self.cr1, 0) & 4
            if receives and self._rxne:
                self._ore = True
                self.lost_bytes += 1
            elif receives:
                self._received, self._rxne = byte, True
            else:
                self.lost_bytes += 1
            self._arrival = self._arrival + self.frame_cycles() if self._incoming else NEVER
        self._update_line()

    def _status(self) -> tuple[bool, bool]:
        """TXE and TC."""
        return self._holding is None, self._shifting is None

    def _update_line(self) -> None:
        enables = self.values.get(self.cr1, 0)
        empty, complete = self._status()
        level = (
            (enables >> 5 & 1 and (self._rxne or self._ore))
            or (enables >> 7 & 1 and empty)
            or (enables >> 6 & 1 and complete)
        )
        self._nvic.set_line(self._exception, bool(level) and self._enabled())

    @property
    def quiet(self) -> bool:
        """Whether the port was never touched, so that nothing can happen to it."""
        return not self.values and not self._incoming and self._shifting is None

    def standing(self) -> tuple[int, int] | None:
        """The status register as (address, value) when reading it has no effect and time alone changes nothing
        before ``next_event``; else None."""
        return None if self._rxne or self._ore else (self.base + self.status, self._flags())

    status = 0x00

    def _flags(self) -> int:
        """The status register."""
        raise NotImplementedError

    def _transmit(self, value: int, cycle: int) -> None:
        if self._shifting is None:
            self._shifting, self._shifted = value & 0xFF, cycle + self.frame_cycles()
        else:
            self._holding = value & 0xFF

    def _take(self) -> int:
        self._rxne = False
        return self._received


class UsartF4(Usart):
    """SR, DR, BRR, CR1, CR2, CR3."""

    _seen_overrun = False

    def _flags(self) -> int:
        empty, complete = self._status()
        return self._ore << 3 | self._rxne << 5 | complete << 6 | empty << 7 | (not self._rxne) << 4

    def peek(self, offset: int, cycle: int) -> int:
        self.advance(cycle)
        return {0x00: self._flags(), 0x04: self._received}.get(offset, self.values.get(offset, 0))

    def read(self, offset: int, cycle: int) -> int:
        value = self.peek(offset, cycle)
        if offset == 0x00:
            self._seen_overrun = self._ore
        elif offset == 0x04:
            self._take()
            if self._seen_overrun:
                self._ore = self._seen_overrun = False
            self._update_line()
        return value

    def write(self, offset: int, value: int, cycle: int) -> None:
        self.advance(cycle)
        if offset == 0x04:
            self._transmit(value, cycle)
        elif offset == 0x00:
            if not value >> 5 & 1:
                self._rxne = False
        else:
            self.values[offset] = value
        self._update_line()


class UsartL4(Usart):
    """CR1, CR2, CR3, BRR, …, ISR, ICR, RDR, TDR."""

    cr1, brr, status = 0x00, 0x0C, 0x1C
    _ue = 1

    def _flags(self) -> int:
        empty, complete = self._status()
        enables = self.values.get(0x00, 0)
        acknowledged = (enables >> 3 & 1) << 21 | (enables >> 2 & 1) << 22
        return self._ore << 3 | self._rxne << 5 | complete << 6 | empty << 7 | acknowledged

    def peek(self, offset: int, cycle: int) -> int:
        self.advance(cycle)
        return {0x1C: self._flags(), 0x24: self._received}.get(offset, self.values.get(offset, 0))

    def read(self, offset: int, cycle: int) -> int:
        value = self.peek(offset, cycle)
        if offset == 0x24:
            self._take()
            self._update_line()
        return value

    def write(self, offset: int, value: int, cycle: int) -> None:
        self.advance(cycle)
        if offset == 0x28:
            self._transmit(value, cycle)
        elif offset == 0x20:
            self._ore = self._ore and not value >> 3 & 1
        elif offset == 0x18:
            self._rxne = self._rxne and not value >> 3 & 1
        elif offset not in (0x1C, 0x24):
            self.values[offset] = value
        self._update_line()


class Lpuart(UsartL4):
    """LPUART1: 256 times the resolution in BRR."""

    def frame_cycles(self) -> int:
        return max(1, FRAME_BITS * self.values.get(0x0C, 0) * self._rcc.ahb_cycles_per_apb(1) // 256)


def f4_devices(nvic: Nvic) -> tuple[list[Device], dict[int, Usart]]:
    """An STM32F4's devices, and its USARTs by number."""
    rcc = RccF4()
    usarts: dict[int, Usart] = {
        number: UsartF4(f"USART{number}", base, irq, bus, rcc, nvic)
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
        power,
        Registers("FLASH", 0x40023C00, 0x400, {0x10: 0x80000000, 0x14: 0x0FFFAAED}),
        Registers("SYSCFG", 0x40013800, 0x400),
        Registers("EXTI", 0x40013C00, 0x400),
        RandomNumbers("RNG", 0x50060800),
    ]
    devices += [Gpio(f"GPIO{letter}", 0x40020000 + 0x400 * n) for n, letter in enumerate("ABCDEFGHIJK")]
    return [*devices, *usarts.values()], usarts


def l4_devices(nvic: Nvic) -> tuple[list[Device], dict[int, Usart]]:
    """An STM32L4's devices; LPUART1 is number 0."""
    rcc = RccL4()
    usarts: dict[int, Usart] = {
        number: UsartL4(f"USART{number}", base, irq, bus, rcc, nvic)
        for number, base, irq, bus in (
            (1, 0x40013800, 37, 2),
            (2, 0x40004400, 38, 1),
            (3, 0x40004800, 39, 1),
            (4, 0x40004C00, 52, 1),
            (5, 0x40005000, 53, 1),
        )
    }
    usarts[0] = Lpuart("LPUART1", 0x40008000, 70, 1, rcc, nvic)
    devices: list[Device] = [
        rcc,
        Registers("PWR", 0x40007000, 0x400, {0x00: 0x200, 0x80: 0x100}),
        Registers("FLASH", 0x40022000, 0x400, {0x00: 0x600, 0x14: 0xC0000000}),
        Registers("SYSCFG", 0x40010000, 0x400),
        Registers("EXTI", 0x40010400, 0x400),
        Registers("CRS", 0x40006000, 0x400),
        RandomNumbers("RNG", 0x50060800),
    ]
    devices += [Gpio(f"GPIO{letter}", 0x48000000 + 0x400 * n) for n, letter in enumerate("ABCDEFGHI")]
    return [*devices, *usarts.values()], usarts
