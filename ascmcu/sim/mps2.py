# SPDX-License-Identifier: Apache-2.0
"""The few peripherals of Arm's MPS2 boards (AN386) that programs for QEMU touch.

Registers: CMSDK APB UART, Cortex-M System Design Kit TRM (DDI 0479) 4.3.
"""

from __future__ import annotations

from ascmcu.sim.devices import Device, Registers


class CmsdkUart(Registers):
    """A UART that is always ready to send, and sends at once; nothing comes in."""

    def __init__(self, name: str, base: int, console: bytearray) -> None:
        super().__init__(name, base, 0x400)
        self._console = console

    def read(self, offset: int, cycle: int) -> int:
        return 0 if offset == 0x04 else super().read(offset, cycle)

    def write(self, offset: int, value: int, cycle: int) -> None:
        if offset == 0x00:
            self._console.append(value & 0xFF)
        else:
            super().write(offset, value, cycle)


def mps2_devices(console: bytearray) -> list[Device]:
    """UART0 to 4, and the board's control registers."""
    uarts: list[Device] = [CmsdkUart(f"UART{n}", 0x40004000 + 0x1000 * n, console) for n in range(3)]
    return [*uarts, Registers("FPGAIO", 0x40028000, 0x400), Registers("SCC", 0x4002F000, 0x400)]
