# SPDX-License-Identifier: Apache-2.0
"""The two generated files that depend on the board: ``board_config.h`` and ``firmware.ld``."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ascmcu import __version__
from ascmcu.boards import Board
from ascmcu.codegen.model import WEIGHTS_SECTION
from ascmcu.jinja import render

CORE_VECTORS = 16
# The STM32's code for a bus divider: RM0390 6.3.3, PPREx; the same in all its families.
_APB_CODES = {1: 0, 2: 4, 4: 5, 8: 6, 16: 7}
_ACCESS = {"flash": "rx", "ram": "rwx", "ccm": "rw"}


@dataclass(frozen=True)
class Copied:
    """What start-up copies out of the flash: constants into the RAM from an address on, by symbol, and functions into
    the memory that gives code without waiting, by name."""

    weights: tuple[str, ...] = ()
    weights_origin: int = 0
    code: tuple[str, ...] = ()


NOTHING_COPIED = Copied()


def files(board: Board) -> dict[str, str]:
    """File name to text of everything that is generated from the board alone."""
    return {"board_config.h": _config(board), "firmware.ld": linker_script(board)}


def _config(board: Board) -> str:
    tx_port, tx_pin = board.family.pin(board.serial.tx)
    rx_port, rx_pin = board.family.pin(board.serial.rx)
    return render(
        "board_config.h.j2",
        board=board,
        tool_version=__version__,
        hse=int(board.clock.source != "hsi"),
        hse_bypass=int(board.clock.source == "hse-bypass"),
        over_drive=int(board.clock.over_drive),
        apb1_code=_APB_CODES[board.clock.apb1_divider],
        apb2_code=_APB_CODES[board.clock.apb2_divider],
        tx_port=tx_port,
        tx_pin=tx_pin,
        rx_port=rx_port,
        rx_pin=rx_pin,
    )


def linker_script(board: Board, *, second_memory: bool = False, copied: Copied = NOTHING_COPIED) -> str:
    """``firmware.ld``.

    Args:
        board: whose memories it describes.
        second_memory: the buffers of features and protocol lie in the board's second memory.
        copied: what start-up copies out of the flash.
    """
    memories = [board.flash, *(m for m in board.chip.memory if m.kind != "flash")]
    if copied.weights:
        taken = copied.weights_origin - board.ram.origin
        rest = replace(
            board.ram,
            name="fast_weights",
            origin=copied.weights_origin,
            size_bytes=board.ram.size_bytes - taken,
        )
        memories = [replace(m, size_bytes=taken) if m.name == board.ram.name else m for m in memories] + [
            rest
        ]
    regions = [
        {
            "name": m.name,
            "access": "rwx" if m.code else _ACCESS[m.kind],
            "origin": f"{m.origin:#010x}",
            "size_bytes": m.size_bytes,
        }
        for m in memories
    ]
    return render(
        "firmware.ld.j2",
        board=board,
        regions=regions,
        flash=board.flash.name,
        ram=board.ram.name,
        stack=board.stack_memory.name,
        spare=board.spare.name if second_memory and board.spare is not None else "",
        vector_bytes=4 * (CORE_VECTORS + board.family.vectors),
        config_at=f"{board.flash.origin + board.family.config_at:#x}" if board.family.config_at else "",
        weights=[f"{WEIGHTS_SECTION}.{symbol}" for symbol in copied.weights],
        code=copied.code,
        code_memory=board.code_memory.name if board.code_memory is not None else "",
    )
