# SPDX-License-Identifier: Apache-2.0
"""Which peripherals a family of parts has."""

from __future__ import annotations

import numpy as np

from ascmcu.sim.core import Nvic
from ascmcu.sim.cpu import Cpu
from ascmcu.sim.devices import Device
from ascmcu.sim.dfsdm import dfsdm_devices
from ascmcu.sim.kinetis import kinetis_devices
from ascmcu.sim.microphones import f4_dma
from ascmcu.sim.mps2 import mps2_devices
from ascmcu.sim.nrf52 import nrf52_devices, nrf52_factory
from ascmcu.sim.samd5 import samd5_devices
from ascmcu.sim.stm32 import (
    RccF4,
    Usart,
    f3_devices,
    f4_devices,
    g4_devices,
    l4_devices,
    signature,
    wb_devices,
)

_STM32 = {"stm32f3": f3_devices, "stm32g4": g4_devices, "stm32wb": wb_devices}


def devices(
    family: str, nvic: Nvic, words: np.ndarray, console: bytearray, cpu: Cpu
) -> tuple[list[Device], dict[int, Usart]]:
    """The devices of a family, and its serial ports by number; none of either for a family that is not known.

    Args:
        family: as in a ``Layout``.
        nvic: the interrupt controller.
        words: the array that native code shares.
        console: where ports without a rate put what is sent.
        cpu: the memory, for devices that read and write it by themselves.
    """
    if family == "stm32f4":
        found, ports = f4_devices(nvic, words)
        rcc = next(device for device in found if isinstance(device, RccF4))
        return [*found, *f4_dma(nvic, cpu, rcc, ports)], ports
    if family == "stm32l4":
        found, ports = l4_devices(nvic, words)
        return [*found, *dfsdm_devices(nvic, cpu)], ports
    if family in _STM32:
        return _STM32[family](nvic, words)
    if family == "nrf52":
        return nrf52_devices(nvic, words, cpu)
    if family == "kinetis_k":
        return kinetis_devices(nvic, words)
    if family == "samd5":
        return samd5_devices(nvic, words)
    if family == "mps2":
        return mps2_devices(console), {}
    return [], {}


def factory(family: str, flash_bytes: int) -> list[Device]:
    """A part's factory data, outside of the range of peripherals; none for a family that is not known."""
    return nrf52_factory() if family == "nrf52" else signature(family, flash_bytes)
