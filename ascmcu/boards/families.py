# SPDX-License-Identifier: Apache-2.0
"""Families of parts that share firmware: their serial ports, pins and interrupts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

PortClock = Literal["apb1", "apb2", "core", "core/4"]


@dataclass(frozen=True)
class Port:
    """A serial port of a family: its name, what clocks it, and which rates that clock gives."""

    name: str
    clock: PortClock
    rates: Callable[[int, int], float]


@dataclass(frozen=True)
class Family:
    """Parts that share firmware. ``parts`` are its folders in ``firmware/soc``, ``vectors`` its interrupts.

    ``pins`` is a pattern with the groups ``port`` and ``pin``, ``pins_from_to`` the first and the last of them.
    ``config_at``: flash offset of bytes that the chip reads at reset, 0 for none.
    """

    parts: tuple[str, ...]
    vectors: int
    ports: Mapping[int, Port]
    pins: str
    pins_from_to: tuple[str, str]
    config_at: int = 0

    def port(self, name: str) -> int:
        """The number of the port that the manual calls so.

        Raises:
            ValueError: there is none.
        """
        for number, port in self.ports.items():
            if port.name.casefold() == name.strip().casefold():
                return number
        raise ValueError(name)

    def pin(self, text: str) -> tuple[int, int]:
        """Port and pin number of a pin as the manual writes it.

        Raises:
            ValueError: it is none.
        """
        match = re.fullmatch(self.pins, text)
        if match is None or int(match["pin"]) > 31:
            raise ValueError(text)
        port = match["port"]
        return (ord(port) - ord("A") if port.isalpha() else int(port)), int(match["pin"])


def _usart_rate(clock_hz: int, baud: int) -> float:
    """An STM32's USART, 16 samples per bit: RM0390 25.4.4."""
    ticks = round(clock_hz / baud)
    return clock_hz / ticks if ticks >= 16 else 0.0


def _lpuart_rate(clock_hz: int, baud: int) -> float:
    """An STM32's LPUART: RM0351 41.4.4."""
    ticks = round(256 * clock_hz / baud)
    return 256 * clock_hz / ticks if 0x300 <= ticks <= 0xFFFFF else 0.0


def _uarte_rate(clock_hz: int, baud: int) -> float:
    """The nRF52's listed rates (nRF52840 PS 6.34.9.33): whole ticks of 16 MHz. 921600 would be 2 % off."""
    ticks = {115_200: 139, 230_400: 69, 460_800: 35, 1_000_000: 16}.get(baud)
    return 16e6 / ticks if ticks else 0.0


def _kinetis_rate(clock_hz: int, baud: int) -> float:
    """A Kinetis UART, 16 samples per bit and 1/32 of a step: K64P144M120SF5RM 52.4.1."""
    ticks = round(2 * clock_hz / baud)
    return 2 * clock_hz / ticks if ticks >= 32 else 0.0


def _sercom_rate(clock_hz: int, baud: int) -> float:
    """A SAM D5x SERCOM, 16 samples per bit by an accumulator of 16 bits: "Baud-Rate Generator" in
    Microchip's data sheets."""
    part = round(65536 * 16 * baud / clock_hz)
    return clock_hz * part / (16 * 65536) if 0 < part < 65536 else 0.0


_STM32_PINS = r"P(?P<port>[A-I])(?P<pin>\d|1[0-5])"


_STM32_LG_PORTS = {
    0: Port("LPUART1", "apb1", _lpuart_rate),
    1: Port("USART1", "apb2", _usart_rate),
    2: Port("USART2", "apb1", _usart_rate),
    3: Port("USART3", "apb1", _usart_rate),
}


# Families that have firmware.
FAMILIES: dict[str, Family] = {
    "stm32f3": Family(
        parts=("cortex_m4", "systick", "polled", "stm32", "stm32f3"),
        vectors=85,
        ports={n: port for n, port in _STM32_LG_PORTS.items() if n},
        pins=_STM32_PINS,
        pins_from_to=("PA0", "PI15"),
    ),
    "stm32f4": Family(
        parts=("cortex_m4", "systick", "polled", "stm32", "stm32f4"),
        vectors=97,
        ports={
            1: Port("USART1", "apb2", _usart_rate),
            2: Port("USART2", "apb1", _usart_rate),
            3: Port("USART3", "apb1", _usart_rate),
            6: Port("USART6", "apb2", _usart_rate),
        },
        pins=_STM32_PINS,
        pins_from_to=("PA0", "PI15"),
    ),
    "stm32g4": Family(
        parts=("cortex_m4", "systick", "polled", "stm32", "stm32_pll_r", "stm32g4"),
        vectors=102,
        ports=_STM32_LG_PORTS,
        pins=_STM32_PINS,
        pins_from_to=("PA0", "PI15"),
    ),
    "stm32l4": Family(
        parts=("cortex_m4", "systick", "polled", "stm32", "stm32_pll_r", "stm32l4"),
        vectors=95,
        ports=_STM32_LG_PORTS,
        pins=_STM32_PINS,
        pins_from_to=("PA0", "PI15"),
    ),
    "stm32wb": Family(
        parts=("cortex_m4", "systick", "polled", "stm32", "stm32_pll_r", "stm32wb"),
        vectors=63,
        ports={n: port for n, port in _STM32_LG_PORTS.items() if n < 2},
        pins=_STM32_PINS,
        pins_from_to=("PA0", "PI15"),
    ),
    "samd5": Family(
        parts=("cortex_m4", "systick", "polled", "samd5"),
        vectors=137,
        # The number is the SERCOM's; its clock is the core's by the first divider.
        ports={n: Port(f"SERCOM{n}", "apb1", _sercom_rate) for n in range(6)},
        pins=r"P(?P<port>[A-D])(?P<pin>\d\d)",
        pins_from_to=("PA00", "PD31"),
    ),
    "nrf52": Family(
        parts=("cortex_m4", "nrf52"),
        vectors=48,
        ports={0: Port("UARTE0", "core/4", _uarte_rate)},
        pins=r"P(?P<port>[01])\.(?P<pin>\d\d)",
        pins_from_to=("P0.00", "P1.31"),
    ),
    "kinetis_k": Family(
        parts=("cortex_m4", "systick", "polled", "kinetis_k"),
        vectors=86,
        ports={0: Port("UART0", "core", _kinetis_rate), 1: Port("UART1", "core", _kinetis_rate)},
        pins=r"PT(?P<port>[A-E])(?P<pin>\d{1,2})",
        pins_from_to=("PTA0", "PTE31"),
        config_at=0x400,
    ),
}
