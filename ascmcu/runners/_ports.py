# SPDX-License-Identifier: Apache-2.0
"""Find the board's serial port by the USB ids of the debug probes on boards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from serial.tools import list_ports

from ascmcu.boards import Board
from ascmcu.errors import LinkError

# Vendor and product numbers of probes with a serial port; None: any product of that vendor.
_PROBES: dict[str, dict[int, frozenset[int] | None]] = {
    # ST-LINK/V2-1 and V3 (UM2448, and the udev rules of the stlink tools)
    "stlink": {0x0483: frozenset({0x374A, 0x374B, 0x374D, 0x374E, 0x374F, 0x3752, 0x3753, 0x3754, 0x3757})},
    "jlink": {0x1366: None},
    "daplink": {0x0D28: frozenset({0x0204})},
}
# Adapters that one puts on a board without a port of its own: FTDI, Silicon Labs, WCH, Prolific.
_ADAPTERS: dict[int, frozenset[int] | None] = {0x0403: None, 0x10C4: None, 0x1A86: None, 0x067B: None}


@dataclass(frozen=True)
class UsbPort:
    """A serial port that came over USB. ``serial_number`` is the probe's, empty when it has none."""

    device: str
    vendor: int
    product: int
    serial_number: str
    title: str

    def __str__(self) -> str:
        number = f", {self.serial_number}" if self.serial_number else ""
        return f"{self.device} ({self.title} {self.vendor:04x}:{self.product:04x}{number})"


def connected() -> list[UsbPort]:
    """All ports that came over USB."""
    return [
        UsbPort(p.device, p.vid, p.pid or 0, p.serial_number or "", p.product or p.description or "?")
        for p in sorted(list_ports.comports(), key=lambda port: str(port.device))
        if p.vid is not None
    ]


def of_board(board: Board) -> list[UsbPort]:
    """The connected ports that may be the board's."""
    known = _PROBES[board.probe.interface] if board.probe.console else _ADAPTERS
    return [port for port in connected() if _is_one_of(port, known)]


def leads_to_a_board(port: UsbPort) -> bool:
    """Whether it is a debug probe's port or an adapter's: what answers there is no emulator."""
    return any(_is_one_of(port, known) for known in (*_PROBES.values(), _ADAPTERS))


def _is_one_of(port: UsbPort, known: Mapping[int, frozenset[int] | None]) -> bool:
    products = known.get(port.vendor, frozenset())
    return products is None or port.product in products


def find(board: Board) -> UsbPort:
    """The board's port.

    Raises:
        LinkError: none is connected, or several that could be it; says which there are.
    """
    found = of_board(board)
    if len(found) == 1:
        return found[0]
    wanted = f"a port of its {board.probe.interface}" if board.probe.console else "a USB serial adapter"
    if not found:
        others = ", ".join(map(str, connected())) or "no USB serial port at all"
        raise LinkError(
            "the board's serial port is not connected",
            where=board.name,
            expected=wanted,
            found=others,
            hint="connect it, or name the port with --serial DEV",
        )
    raise LinkError(
        "several serial ports could belong to the board",
        where=board.name,
        found="; ".join(map(str, found)),
        hint="name one with --serial DEV; two boards can be benched at once, each by its own command",
    )


def again(port: UsbPort) -> str | None:
    """Where a port is now that was unplugged and came back, perhaps under another name; None while it is away."""
    for candidate in connected():
        numbers = (candidate.vendor, candidate.product, candidate.serial_number)
        same = numbers == (port.vendor, port.product, port.serial_number)
        if same and (port.serial_number or candidate.device == port.device):
            return candidate.device
    return None
