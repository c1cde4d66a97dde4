# SPDX-License-Identifier: Apache-2.0
"""Renode's files for a board: a platform overlay, a script, and a test for ``renode-test``.

For boards whose chip Renode models the platform amends Renode's own; for the STM32L4 it is a minimal one of our own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ascmcu import __version__
from ascmcu.boards import Board
from ascmcu.errors import InputError
from ascmcu.jinja import render

OWN = "own"
SOCKET = 34567
# Registers and interrupt of a serial port that Renode's platform has not: RM0351 2.2.2, 13.3.
_OWN_PORTS = {0: ("0x40008000", 70), 1: ("0x40013800", 37), 2: ("0x40004400", 38), 3: ("0x40004800", 39)}
# Names of memories in Renode's platforms, by theirs here.
_AMENDED = {"stm32f4": {"flash": "flash", "sram": "sram"}, "nrf52": {"flash": "flash", "ram": "ram"}}
# DBGMCU_IDCODE, which debuggers and some libraries read: RM0090 38.6.1, RM0390 33.6.1, RM0351 48.6.1.
_IDCODES = {"stm32f4": "0x10006421", "stm32l4": "0x10076415"}


def models(board: Board) -> bool:
    """Whether Renode can run the board's firmware."""
    return bool(board.emulators.renode_platform)


def files(board: Board, model_name: str) -> dict[str, str]:
    """File name to text of Renode's files in an export; nothing for boards that Renode does not model.

    Args:
        board: what is to be emulated.
        model_name: the model's name, by which the test knows the hello.
    """
    if not models(board):
        return {}
    return {
        "renode.repl": platform(board),
        "renode.resc": script(board, "$ORIGIN", "$ORIGIN/firmware.elf", SOCKET),
        "renode.robot": render(
            "renode/test.robot.j2",
            board=board,
            machine=board.name,
            port=_port(board),
            model_hex=" ".join(f"{byte:02X}" for byte in model_name.encode()),
        ),
    }


def platform(board: Board) -> str:
    """The platform description (``.repl``)."""
    own = board.emulators.renode_platform == OWN
    amended = {} if own else _AMENDED[board.chip.family]
    regions = [
        {
            "name": m.name,
            "amends": amended.get(m.name, ""),
            "origin": f"{m.origin:#010x}",
            "size": f"{m.size_bytes:#x}",
        }
        for m in board.chip.memory
    ]
    return render(
        "renode/platform.repl.j2",
        board=board,
        tool_version=__version__,
        base="" if own else board.emulators.renode_platform,
        regions=regions,
        mips=board.clock.sysclk_hz // 1_000_000,
        port=_port(board),
        idcode=_IDCODES.get(board.chip.family, "0x00000000"),
    )


def script(board: Board, folder: Path | str, elf: Path | str, socket: int) -> str:
    """The script (``.resc``) that runs ``elf`` on the platform in ``folder``, its serial port on a TCP socket."""
    text = render(
        "renode/script.resc.j2",
        board=board,
        machine=board.name,
        folder=literal(folder),
        platform="renode.repl",
        elf=literal(elf),
        socket=socket,
        port=_port(board),
    )
    return text.replace("@$ORIGIN", "$ORIGIN")  # a variable is no path literal


def literal(path: Path | str) -> str:
    """A path behind ``@`` in Renode's Monitor: a space is escaped; a semicolon ends the command and has no escape.

    Raises:
        InputError: the path has a semicolon.
    """
    if ";" in str(path):
        raise InputError(
            "Renode accepts no path with a semicolon", found=str(path), hint="move or rename the folder"
        )
    return str(path).replace(" ", "\\ ")


def _port(board: Board) -> dict[str, Any]:
    """The serial port by Renode's name."""
    own = board.emulators.renode_platform == OWN
    base, interrupt = _OWN_PORTS.get(board.serial.usart, ("", 0))
    if board.chip.family == "nrf52":  # has no frequency to set
        return {"name": f"uart{board.serial.usart}", "own": False, "amends": False}
    name = board.port_name.lower()
    return {"name": name, "own": own, "amends": not own, "base": base, "interrupt": interrupt}
