"""The two generated files that know the board: ``board_config.h`` and ``firmware.ld``."""

from __future__ import annotations

from ascmcu import __version__
from ascmcu.boards import Board
from ascmcu.codegen.render import render

# Core vectors and the family's interrupts, 4 bytes each (firmware/soc/<family>/startup.c).
_VECTOR_BYTES = {"stm32f4": 4 * (16 + 97)}
_ACCESS = {"flash": "rx", "ram": "rwx", "ccm": "rw"}


def files(board: Board) -> dict[str, str]:
    """File name to text of everything that is generated from the board alone."""
    return {"board_config.h": _config(board), "firmware.ld": _linker_script(board)}


def _config(board: Board) -> str:
    serial = board.serial
    return render(
        "board_config.h.j2",
        board=board,
        tool_version=__version__,
        hse=int(board.clock.source != "hsi"),
        hse_bypass=int(board.clock.source == "hse-bypass"),
        over_drive=int(board.clock.over_drive),
        tx_port=ord(serial.tx[1]) - ord("A"),
        tx_pin=int(serial.tx[2:]),
        rx_port=ord(serial.rx[1]) - ord("A"),
        rx_pin=int(serial.rx[2:]),
    )


def _linker_script(board: Board) -> str:
    regions = [
        {
            "name": m.name,
            "access": _ACCESS[m.kind],
            "origin": f"{m.origin:#010x}",
            "size_bytes": m.size_bytes,
        }
        for m in board.chip.memory
    ]
    return render(
        "firmware.ld.j2",
        board=board,
        regions=regions,
        flash=board.flash.name,
        ram=board.ram.name,
        vector_bytes=_VECTOR_BYTES[board.chip.family],
    )
