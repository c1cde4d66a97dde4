# SPDX-License-Identifier: Apache-2.0
"""The peripherals of NXP's Kinetis K64 that start-up code and serial firmware touch (K64P144M120SF5RM).

Most registers are bytes.
"""

from __future__ import annotations

import numpy as np

from ascmcu.sim import words as w
from ascmcu.sim.core import Nvic
from ascmcu.sim.devices import Device, Registers
from ascmcu.sim.stm32 import FRAME_BITS, Chip, Rcc, Usart
from ascmcu.sim.watchdogs import KinetisWdog

_C1, _C5_WORD, _STATUS_WORD = 0x00, 0x04, 0x04


class Mcg(Rcc):
    """Clock generator, 25.3: the status follows the control registers at once."""

    def __init__(self) -> None:
        super().__init__("MCG", 0x40064000, 0x400, {0x00: 0x8004}, ())

    def read(self, offset: int, cycle: int) -> int:
        value = super().read(offset, cycle)
        if offset != _STATUS_WORD:
            return value
        c1 = self.values.get(_C1, 0) & 0xFF
        pll = value >> 14 & 1  # C6.PLLS
        selected = c1 >> 6
        clock = 3 if selected == 0 and pll else selected
        status = (c1 >> 2 & 1) << 4 | clock << 2 | pll << 5 | pll << 6
        return value & ~(0xFF << 16) | status << 16

    def ahb_cycles_per_apb(self, bus: int) -> int:
        return 1  # the serial ports 0 and 1 run on the core's clock


class KinetisUart(Usart):
    """BDH, BDL, C1, C2, S1, S2, C3, D, …, C4 (52.3), one byte each. The status bits stand where the STM32F4's do."""

    # The receiver's switches, C2, as the common part asks for them: RE, RIE.
    cr1, brr, status, data, enable_bit = 0x03, 0x00, 0x04, 0x07, 2

    def __init__(self, name: str, base: int, irq: int, bus: int, chip: Chip, index: int) -> None:
        super().__init__(name, base, irq, bus, chip, index)
        self._set(w.CLEARS_BY_READING, 1)

    def frame_cycles(self) -> int:
        divider = (self.values.get(0x00, 0) & 0x1F) << 8 | self.values.get(0x01, 0)
        return max(1, FRAME_BITS * (32 * divider + (self.values.get(0x0A, 0) & 0x1F)) // 2)

    @property
    def interrupts_for_sending(self) -> bool:
        return bool(self.values.get(0x03, 0) >> 6 & 3)

    def load(self, offset: int, size: int, cycle: int) -> int:
        return self.read(offset, cycle) & 0xFF

    def store(self, offset: int, size: int, value: int, cycle: int) -> None:
        self.write(offset, value & 0xFF, cycle)

    def _written(self, offset: int, value: int, cycle: int) -> None:
        if offset == self.data:
            self._transmit(value, cycle)
        elif offset != self.status:
            self.values[offset] = value


class Rcm(Registers):
    """Reset control, 16.2: power on, software, or the watchdog."""

    def __init__(self) -> None:
        super().__init__("RCM", 0x4007F000, 0x400, {0: 0x82})

    def restarted(self, by_watchdog: bool) -> None:
        self.values[0] = 1 << (5 if by_watchdog else 10)  # SRS0.WDOG, SRS1.SW


def kinetis_devices(nvic: Nvic, words: np.ndarray) -> tuple[list[Device], dict[int, Usart]]:
    """A K64's devices."""
    mcg = Mcg()
    chip = Chip(mcg, nvic, words)
    usarts: dict[int, Usart] = {
        number: KinetisUart(f"UART{number}", 0x4006A000 + 0x1000 * number, 31 + 2 * number, 1, chip, number)
        for number in (0, 1)
    }
    devices: list[Device] = [
        mcg,
        KinetisWdog(),
        Registers("SIM", 0x40047000, 0x2000),
        Registers("OSC", 0x40065000, 0x400),
        Registers("SMC", 0x4007E000, 0x400),
        Rcm(),
    ]
    devices += [
        Registers(f"PORT{letter}", 0x40049000 + 0x1000 * n, 0x400) for n, letter in enumerate("ABCDE")
    ]
    return [*devices, *usarts.values()], usarts
