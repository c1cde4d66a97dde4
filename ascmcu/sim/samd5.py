# SPDX-License-Identifier: Apache-2.0
"""The peripherals of Microchip's SAM D5x that start-up code and serial firmware touch.

Addresses, bits and reset values: Microchip's headers for the SAMD51 (samd51j19a.h, component/, instance/).
Oscillators and generators are ready at once.
"""

from __future__ import annotations

import numpy as np

from ascmcu.sim import hook
from ascmcu.sim import words as w
from ascmcu.sim.core import Nvic
from ascmcu.sim.devices import Device, Following, Registers
from ascmcu.sim.stm32 import FRAME_BITS, Chip, Rcc, Usart
from ascmcu.sim.watchdogs import SamWdt

_CTRLA, _CTRLB, _BAUD, _DATA = 0x00, 0x04, 0x0C, 0x28
_INTEN = 0x14  # the word of INTENCLR and INTENSET
_INTFLAG, _STATUS = 0x18, 0x1A
_DRE, _TXC, _RXC = 1, 2, 4
_FERR, _BUFOVF = 2, 4
# Number, base, first of four interrupts: samd51j19a.h.
_SERCOMS = (
    (0, 0x40003000, 46), (1, 0x40003400, 50), (2, 0x41012000, 54), (3, 0x41014000, 58), (4, 0x43000000, 62),
    (5, 0x43000400, 66),
)  # fmt: skip

# INTFLAG.CKRDY, HSDIV and CPUDIV, and which peripherals are clocked after a reset.
_MCLK = {0x00: 0x01000000, 0x04: 0x0101, 0x10: 0xFFFFFF, 0x14: 0x7FF, 0x18: 0x18056, 0x1C: 0x2000}


class Gclk(Rcc):
    """GCLK. Generator 2 clocks the serial ports, generator 0 the core: from the 48 MHz oscillator after a reset."""

    def __init__(self) -> None:
        super().__init__("GCLK", 0x40001C00, 0x400, {0x20: 0x106}, ())

    def write(self, offset: int, value: int, cycle: int) -> None:
        """SWRST brings the reset values back."""
        if offset == 0 and value & 1:
            self.values = {0x20: 0x106}
        else:
            super().write(offset, value, cycle)

    def ahb_cycles_per_apb(self, bus: int) -> int:
        """Core cycles per cycle of the ports' clock, both from one source."""
        return max(1, self.values.get(0x28, 0) >> 16)


class Sercom(Usart):
    """A SERCOM as USART. Native code has no part in it."""

    def __init__(self, name: str, base: int, irq: int, chip: Chip, index: int) -> None:
        super().__init__(name, base, irq, 1, chip, index)
        self._set(w.STATUS_ADDRESS, -1)
        self._set(w.DATA_ADDRESS, -1)

    @property
    def interrupts_for_sending(self) -> bool:
        return True  # which keeps native code from serving the receiver

    def frame_cycles(self) -> int:
        part = 65536 - (self.values.get(_BAUD, 0) & 0xFFFF)
        return max(1, round(FRAME_BITS * 16 * 65536 / part) * self._chip.rcc.ahb_cycles_per_apb(1))

    def _configure(self) -> None:
        enabled = self.values.get(_CTRLA, 0) >> 1 & 1
        self._set_line()
        self._set(w.LISTENS, enabled & self.values.get(_CTRLB, 0) >> 17)
        self._set(w.INTERRUPTS, 0)
        self._set(w.STATUS_REST, self._rest())

    def _update_line(self) -> None:
        received = self._get(w.FULL) and self.values.get(_INTEN, 0) & _RXC
        self._chip.nvic.set_line(self.exception, bool(received))

    def standing(self) -> tuple[int, int] | None:
        return None

    def _flags(self) -> int:
        """INTFLAG and STATUS as one word."""
        flags = (
            _DRE * (self._holding is None) | _TXC * (self._shifting is None) | _RXC * bool(self._get(w.FULL))
        )
        status = _FERR * (self._garbled() and bool(self._get(w.FULL))) | _BUFOVF * bool(self._get(w.OVERRUN))
        return flags | status << 16

    def peek(self, offset: int, cycle: int) -> int:
        self.advance(cycle)
        if offset == _INTFLAG:
            return self._flags()
        return self._get(w.RECEIVED) if offset == _DATA else self.values.get(offset, 0)

    def read(self, offset: int, cycle: int) -> int:
        if offset != _DATA:
            return self.peek(offset, cycle)
        self.advance(cycle)
        value = int(hook.port_take(self._words, self._at, cycle))
        self._update_line()
        return value

    def store(self, offset: int, size: int, value: int, cycle: int) -> None:
        """Registers of one and two bytes share words; some of them clear what is written."""
        if offset == 0x16 or (offset == _INTEN and size == 1):  # INTENSET, INTENCLR
            kept = self.values.get(_INTEN, 0)
            self.values[_INTEN] = kept | value if offset == 0x16 else kept & ~value
        elif offset == _STATUS:
            if value & _BUFOVF:
                self._set(w.OVERRUN, 0)
        elif offset != _INTFLAG:
            super().store(offset, size, value, cycle)
            return
        self.advance(cycle)

    def _written(self, offset: int, value: int, cycle: int) -> None:
        if offset == _DATA:
            self._transmit(value, cycle)
        elif offset == _CTRLA and value & 1:  # SWRST
            self.values.clear()
        elif offset not in (_INTFLAG, 0x1C):
            self.values[offset] = value


class Rstc(Registers):
    """RSTC: power on, software, or the watchdog."""

    def __init__(self) -> None:
        super().__init__("RSTC", 0x40000C00, 0x400, {0: 1})

    def restarted(self, by_watchdog: bool) -> None:
        self.values[0] = 1 << (5 if by_watchdog else 6)


def samd5_devices(nvic: Nvic, words: np.ndarray) -> tuple[list[Device], dict[int, Usart]]:
    """A SAM D5x's devices; its serial ports by the number of the SERCOM."""
    gclk = Gclk()
    chip = Chip(gclk, nvic, words)
    ports: dict[int, Usart] = {
        number: Sercom(f"SERCOM{number}", base, irq + 2, chip, number) for number, base, irq in _SERCOMS
    }
    devices: list[Device] = [
        gclk,
        Registers("MCLK", 0x40000800, 0x400, _MCLK),
        Rstc(),
        # LOCK and CLKRDY follow DPLLCTRLA.ENABLE, DFLLRDY follows DFLLCTRLA.ENABLE.
        Following(
            "OSCCTRL",
            0x40001000,
            0x400,
            {0x1C: 0x82, 0x30: 0x80, 0x38: 0x20, 0x44: 0x80, 0x4C: 0x20},
            (
                (0x30, 1, 0x40, 0, 1),
                (0x30, 1, 0x40, 1, 1),
                (0x44, 1, 0x54, 0, 1),
                (0x44, 1, 0x54, 1, 1),
                (0x1C, 1, 0x10, 8, 1),
            ),
        ),
        # STATUS.XOSC32KRDY follows XOSC32K.ENABLE.
        Following("OSC32KCTRL", 0x40001400, 0x400, {0x14: 0x2080}, ((0x14, 1, 0x0C, 0, 1),)),
        SamWdt(),
        Registers("NVMCTRL", 0x41004000, 0x400, {0x00: 0x0004}),
        Following("CMCC", 0x41006000, 0x400, {0x00: 0x12D2, 0x04: 0x20}, ((0x08, 0, 0x0C, 0, 1),)),
        Registers("PORT", 0x41008000, 0x400),
    ]
    return [*devices, *ports.values()], ports
