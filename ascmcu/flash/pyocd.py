# SPDX-License-Identifier: Apache-2.0
"""pyOCD: the default. Knows CMSIS-DAP, ST-LINK and J-Link probes, and every part through its CMSIS pack."""

from __future__ import annotations

import json
from pathlib import Path

from ascmcu import extras
from ascmcu.flash import base
from ascmcu.flash.base import FlashTool, Job, Trouble


class PyOcd(FlashTool):
    """Writes only the sectors that differ, then compares the whole image."""

    name = "pyocd"
    program = "pyocd"
    install = extras.PIP + "pyocd"
    interfaces = ("stlink", "jlink", "daplink")
    troubles = (
        Trouble(r"no (connected|available) debug probes|no target device available", *base.NO_PROBE),
        Trouble(r"target type .* not recognized|unknown target|pack install", *base.NO_PACK),
        Trouble(r"APPROTECT enabled|secure state|flash security|read ?out protection|locked", *base.LOCKED),
        Trouble(r"expected .* (idcode|part)|wrong (chip|part)|does not match", *base.WRONG_CHIP),
        Trouble(r"no ack|transfererror|transfer fault|SWD/JTAG communication failure", *base.NO_CHIP),
    )

    def commands(self, job: Job, scratch: Path) -> list[list[str]]:
        target = ["-W", "-t", job.board.chip.tools.pyocd, *(["-u", job.probe] if job.probe else [])]
        compare = f"compare {job.address:#010x} {job.bin.resolve()}"
        # auto_unlock would erase a protected chip without having been asked to
        options = ["-O", "auto_unlock=false"]
        return [
            ["pyocd", "load", *target, *options, "--no-reset", str(job.hex)],
            ["pyocd", "commander", *target, *options, "-c", compare, "-c", "reset"],
        ]

    def proved(self, outputs: list[str]) -> bool:
        return "bytes match" in outputs[-1]

    def probes(self) -> list[str]:
        try:
            boards = json.loads(self._listing(["json", "--probes"]) or "{}").get("boards", [])
        except ValueError:
            return []
        return [str(board.get("unique_id", "?")) for board in boards]


TOOL = PyOcd
