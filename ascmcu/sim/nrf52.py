# SPDX-License-Identifier: Apache-2.0
"""The peripherals of Nordic's nRF52840 that start-up code and serial firmware touch (product specification v1.7).

Tasks are registers that act when written with 1, events registers that stay 1 until the program clears them.
"""

from __future__ import annotations

import numpy as np

from ascmcu.sim import hook
from ascmcu.sim import words as w
from ascmcu.sim.core import FIRST_IRQ, Nvic
from ascmcu.sim.cpu import Cpu
from ascmcu.sim.devices import Device, Following, Registers
from ascmcu.sim.engine import NEVER
from ascmcu.sim.nrf52_pdm import Pdm, Ppi
from ascmcu.sim.stm32 import FRAME_BITS, Chip, Rcc, Usart
from ascmcu.sim.watchdogs import NrfWdt

_ENDRX, _ENDTX, _ERROR = 0x110, 0x120, 0x124
_INTEN, _INTENSET, _INTENCLR = 0x300, 0x304, 0x308
_BAUDRATE = 0x524
_CORE_PER_16_MHZ = 4
_FIFO_BYTES = 4  # what the receiver holds while no transfer is started: 6.34.4
_UART, _UARTE = 4, 8  # values of ENABLE: byte by byte, or by DMA
_TXD, _TXDRDY = 0x51C, 0x11C
# Factory data, 4.4: page and flash size, an identifier, the part; from the last two Nordic's start-up code tells part
# and revision, whose errata it works around.
_FICR = {
    0x010: 4096, 0x014: 256, 0x060: 0x61736370, 0x064: 0x6D637531, 0x100: 0x52840, 0x104: 0x41414630, 0x108: 0x2004,
    0x10C: 256, 0x110: 1024, 0x130: 8, 0x134: 5,
}  # fmt: skip
# User data, 4.5: the reset pin as on a development kit, and the NFC pins as GPIO: start-up code would write these, and
# then reset.
_UICR = {0x200: 18, 0x204: 18, 0x20C: 0xFFFFFFFE}


class Clock(Rcc):
    """CLOCK, 5.4: oscillators start at once. Serial ports do not depend on it."""

    def __init__(self) -> None:
        super().__init__("CLOCK", 0x40000000, 0x1000, {}, ((0x000, 0, 0x100, 0, 1), (0x008, 0, 0x104, 0, 1)))

    def restarted(self, by_watchdog: bool) -> None:
        self.values[0x400] = 1 << (1 if by_watchdog else 2)  # POWER.RESETREAS: DOG, SREQ

    def write(self, offset: int, value: int, cycle: int) -> None:
        """RESETREAS is cleared by written ones."""
        super().write(offset, self.values.get(offset, 0) & ~value if offset == 0x400 else value, cycle)

    def ahb_cycles_per_apb(self, bus: int) -> int:
        return 1


class Factory(Registers):
    """Words that were written before; the rest is erased flash."""

    def read(self, offset: int, cycle: int) -> int:
        return self.values.get(offset, 0xFFFFFFFF)


class Uarte(Usart):
    """UARTE, 6.34: bytes go to and come from RAM by themselves. Native code has no part in it.

    As UART, 6.33, it sends byte by byte; receiving so is not modelled.
    """

    def __init__(self, name: str, base: int, irq: int, chip: Chip, index: int, cpu: Cpu) -> None:
        self._queue = bytearray()
        self._fifo = bytearray()
        self._room = 0
        self._at_memory = 0
        self._armed = self._started = False
        super().__init__(name, base, irq, 1, chip, index)
        self.size_bytes = 0x1000
        self._cpu = cpu
        self._set(w.STATUS_ADDRESS, -1)
        self._set(w.DATA_ADDRESS, -1)

    @property
    def interrupts_for_sending(self) -> bool:
        return True  # which keeps native code from serving the receiver

    def frame_cycles(self) -> int:
        code = self.values.get(_BAUDRATE, 0x04000000)
        return FRAME_BITS * _CORE_PER_16_MHZ * max(1, round((1 << 32) / max(1, code)))

    def _configure(self) -> None:
        enabled = int(self.values.get(0x500, 0) == _UARTE)
        self._set_line()
        self._set(w.LISTENS, enabled and self._started)

    def _update_line(self) -> None:
        enabled = self.values.get(_INTEN, 0)
        level = any(
            enabled >> bit & 1 and self.values.get(event, 0)
            for bit, event in ((4, _ENDRX), (7, _TXDRDY), (8, _ENDTX), (9, _ERROR))
        )
        self._chip.nvic.set_line(self.exception, level)

    def standing(self) -> tuple[int, int] | None:
        return (self.base + _ENDTX, 0) if self._queue or self.sending else None

    @property
    def sending(self) -> bool:
        return bool(self._queue) or super().sending

    def advance(self, cycle: int) -> None:
        while True:
            self._refill_sender(cycle)
            super().advance(cycle)
            if not self._queue or self._holding is not None:
                break
        # A line that waits is held back while the receiver has no room.
        while self._get(w.FULL) and not (self._line.waits and len(self._fifo) == _FIFO_BYTES):
            self._receive(int(hook.port_take(self._words, self._at, cycle)))
            hook.port_advance(self._words, self._at, cycle)
        if self._busy and not self.sending:
            self._busy = False
            self.values[_TXDRDY] = 1
            if self.values.get(0x500, 0) == _UARTE:
                self.values[_ENDTX] = 1
        self._update_line()

    _busy = False

    def _refill_sender(self, cycle: int) -> None:
        while self._queue and self._holding is None:
            self._transmit(self._queue.pop(0), cycle)

    def _receive(self, byte: int) -> None:
        if len(self._fifo) == _FIFO_BYTES:
            self.values[_ERROR] = 1
            self.values[0x480] = self.values.get(0x480, 0) | 1
            self._set(w.LOST, self._get(w.LOST) + 1)
        else:
            self._fifo.append(byte)
        self._deliver()

    def _deliver(self) -> None:
        while self._armed and self._fifo:
            self._cpu.store(self._at_memory, bytes([self._fifo.pop(0)]))
            self._at_memory += 1
            self._room -= 1
            if self._room == 0:
                self._armed = False
                self.values[_ENDRX] = 1

    def read(self, offset: int, cycle: int) -> int:
        self.advance(cycle)
        return self.values.get(offset, 0)

    def peek(self, offset: int, cycle: int) -> int:
        return self.read(offset, cycle)

    def _written(self, offset: int, value: int, cycle: int) -> None:
        if offset == 0x000 and value & 1:
            self._armed = self._started = True
            self._at_memory, self._room = self.values.get(0x534, 0), self.values.get(0x538, 0)
            self._deliver()
        elif offset == _TXD and self.values.get(0x500, 0) == _UART:
            self._queue.append(value & 0xFF)
            self._busy = True
            self._refill_sender(cycle)
        elif offset == 0x008 and value & 1 and self.values.get(0x500, 0) == _UARTE:
            count = self.values.get(0x548, 0)
            self._queue += self._cpu.load(self.values.get(0x544, 0), count)
            self._busy = True
            self._refill_sender(cycle)
        elif offset == 0x00C and value & 1:
            self._queue.clear()
        elif offset in (_INTENSET, _INTENCLR):
            kept = self.values.get(_INTEN, 0)
            self.values[_INTEN] = kept | value if offset == _INTENSET else kept & ~value
        elif offset == 0x480:  # ERRORSRC: written bits are cleared
            self.values[offset] = self.values.get(offset, 0) & ~value
        else:
            self.values[offset] = value


class Timer(Registers):
    """TIMER, 6.30: compare register 0 with its shortcut to CLEAR, and capturing what it has counted.

    As a counter (MODE 1) it counts its task COUNT.
    """

    timed = True

    def __init__(self, name: str, base: int, irq: int, nvic: Nvic) -> None:
        super().__init__(name, base, 0x1000)
        self._exception = FIRST_IRQ + irq
        self._nvic = nvic
        self._due = NEVER
        self._running = False
        self._counted, self._since = 0, 0  # core cycles up to the last start or stop, and when that was
        self._tasks = 0  # COUNT

    def _count(self, cycle: int) -> int:
        cycles = self._counted + (cycle - self._since if self._running else 0)
        by_time = cycles // _CORE_PER_16_MHZ >> (self.values.get(0x510, 4) & 15)
        counter = self._tasks if self.values.get(0x504, 0) else by_time
        return counter & ((1 << (16, 8, 24, 32)[self.values.get(0x508, 0) & 3]) - 1)

    def _period_cycles(self) -> int:
        return (self.values.get(0x540, 0) << (self.values.get(0x510, 4) & 15)) * _CORE_PER_16_MHZ

    def next_event(self) -> int:
        return self._due

    def advance(self, cycle: int) -> None:
        while self._due <= cycle:
            self.values[0x140] = 1
            again = self.values.get(0x200, 0) & 1 and self._period_cycles()
            self._due = self._due + self._period_cycles() if again else NEVER
        level = self.values.get(_INTEN, 0) >> 16 & 1 and self.values.get(0x140, 0)
        self._nvic.set_line(self._exception, bool(level))

    def read(self, offset: int, cycle: int) -> int:
        self.advance(cycle)
        return super().read(offset, cycle)

    def write(self, offset: int, value: int, cycle: int) -> None:
        self.advance(cycle)
        if offset == 0x000 and value & 1:
            self._since = self._since if self._running else cycle
            self._running = True
            self._due = cycle + self._period_cycles() if self._period_cycles() else NEVER
        elif offset == 0x004 and value & 1:
            self._counted += cycle - self._since if self._running else 0
            self._running, self._due = False, NEVER
        elif offset == 0x008 and value & 1:
            self._tasks += self._running
        elif 0x040 <= offset < 0x058 and value & 1:
            self.values[0x540 + offset - 0x040] = self._count(cycle)
        elif offset == 0x00C and value & 1:
            self._counted, self._since, self._tasks = 0, cycle, 0
            self._due = cycle + self._period_cycles() if self._running and self._period_cycles() else NEVER
        elif offset == _INTENSET:
            self.values[_INTEN] = self.values.get(_INTEN, 0) | value
        elif offset == _INTENCLR:
            self.values[_INTEN] = self.values.get(_INTEN, 0) & ~value
        else:
            super().write(offset, value, cycle)
        self.advance(cycle)


def nrf52_factory() -> list[Device]:
    """What lies in the part before a program comes."""
    return [Factory("FICR", 0x10000000, 0x1000, _FICR), Factory("UICR", 0x10001000, 0x1000, _UICR)]


def nrf52_devices(nvic: Nvic, words: np.ndarray, cpu: Cpu) -> tuple[list[Device], dict[int, Usart]]:
    """An nRF52840's devices."""
    clock = Clock()
    chip = Chip(clock, nvic, words)
    port = Uarte("UARTE0", 0x40002000, 2, chip, 0, cpu)
    timers: list[Device] = [
        Timer(f"TIMER{number}", base, irq, nvic)
        for number, base, irq in (
            (0, 0x40008000, 8),
            (1, 0x40009000, 9),
            (2, 0x4000A000, 10),
            (3, 0x4001A000, 26),
            (4, 0x4001B000, 27),
        )
    ]
    ppi = Ppi(timers)
    devices: list[Device] = [
        clock,
        *timers,
        ppi,
        Pdm(nvic, cpu, ppi),
        Following("NVMC", 0x4001E000, 0x1000, {0x400: 1}, ()),
        NrfWdt(),
        Registers("GPIO", 0x50000000, 0x1000),
        Registers("TEMP", 0x4000C000, 0x1000),  # trim values: start-up code copies them from the factory's
        Registers("CCM", 0x4000F000, 0x1000),
        port,
    ]
    return devices, {0: port}
