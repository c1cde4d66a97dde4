# SPDX-License-Identifier: Apache-2.0
"""The STM32's own USB boot loader, through dfu-util: no probe, but a jumper on BOOT0 and the chip's USB port."""

from __future__ import annotations

from pathlib import Path

from ascmcu.boards import Board
from ascmcu.errors import LinkError
from ascmcu.flash import base
from ascmcu.flash.base import FlashTool, Job, Trouble


class Dfu(FlashTool):
    """Writes, reads back and compares, then leaves the boot loader."""

    name = "dfu"
    program = "dfu-util"
    install = "sudo apt-get install dfu-util"
    interfaces = ("stlink", "jlink", "daplink")
    troubles = (
        Trouble(
            r"no DFU capable USB device",
            "no chip in its USB boot loader",
            "set BOOT0 high, reset, connect the chip's USB",
        ),
        Trouble(r"more than one DFU", *base.SEVERAL),
        Trouble(r"errVENDOR|read protect|not writable", *base.LOCKED),
        Trouble(r"last page .* is not writ|not (erasable|writeable|in alternate)", *base.WRONG_CHIP),
    )

    def suits(self, board: Board) -> bool:
        return board.chip.family.startswith("stm32")

    def commands(self, job: Job, scratch: Path) -> list[list[str]]:
        where = ["-d", "0483:df11", "-a", "0", *(["-S", job.probe] if job.probe else [])]
        size = job.bin.stat().st_size if job.bin.is_file() else 0
        back = str(scratch / "back.bin")
        return [
            ["dfu-util", *where, "-s", f"{job.address:#010x}", "-D", str(job.bin)],
            ["dfu-util", *where, "-s", f"{job.address:#010x}:{size}", "-U", back],
            # An upload of no use: `leave` belongs to a transfer.
            ["dfu-util", *where, "-s", f"{job.address:#010x}:4:leave", "-U", str(scratch / "leave.bin")],
        ]

    def _run(self, command: list[str], job: Job) -> str:
        output = super()._run(command, job)
        if command[-1].endswith("back.bin"):
            image = job.bin.read_bytes()
            if Path(command[-1]).read_bytes()[: len(image)] != image:
                raise LinkError("the flash does not hold what was written", where=self.name, details=output)
        return output


TOOL = Dfu
