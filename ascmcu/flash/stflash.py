# SPDX-License-Identifier: Apache-2.0
"""st-flash, of the open stlink tools: ST-LINK probes and STM32 parts."""

from __future__ import annotations

import re
from pathlib import Path

from ascmcu.boards import Board
from ascmcu.flash import base
from ascmcu.flash.base import FlashTool, Job, Trouble


class StFlash(FlashTool):
    """Verifies what it writes by itself, and says so."""

    name = "stflash"
    program = "st-flash"
    install = "sudo apt-get install stlink-tools"
    interfaces = ("stlink",)
    troubles = (
        Trouble(r"couldn't find any st-?link|no ST-LINK", *base.NO_PROBE),
        Trouble(r"multiple|more than one", *base.SEVERAL),
        Trouble(r"read ?out protect|RDP|locked", *base.LOCKED),
        Trouble(r"unknown chip id|unsupported|flash size", *base.WRONG_CHIP),
        Trouble(r"failed to (connect|enter)|can not connect|target voltage", *base.NO_CHIP),
    )

    def suits(self, board: Board) -> bool:
        return super().suits(board) and board.chip.family.startswith("stm32")

    def commands(self, job: Job, scratch: Path) -> list[list[str]]:
        serial = ["--serial", job.probe] if job.probe else []
        return [["st-flash", *serial, "--reset", "write", str(job.bin), f"{job.address:#010x}"]]

    def proved(self, outputs: list[str]) -> bool:
        return re.search(r"verified! jolly good", outputs[-1], re.IGNORECASE) is not None

    def _failed(self, output: str) -> bool:
        return " ERROR " in output


TOOL = StFlash
