# SPDX-License-Identifier: Apache-2.0
"""SEGGER's J-Link Commander."""

from __future__ import annotations

from pathlib import Path

from ascmcu.flash import base
from ascmcu.flash.base import FlashTool, Job, Trouble


class JLink(FlashTool):
    """A script for ``JLinkExe``: load, compare, reset, go."""

    name = "jlink"
    program = "JLinkExe"
    install = "the J-Link software pack of segger.com"
    interfaces = ("jlink",)
    troubles = (
        Trouble(
            r"no J-Link|cannot connect to (the )?(probe|j-link)|connecting to J-Link via USB\.\.\.FAILED",
            *base.NO_PROBE,
        ),
        Trouble(r"multiple J-Links|several", *base.SEVERAL),
        Trouble(r"secured|locked|APPROTECT|read protect", *base.LOCKED),
        Trouble(r"unknown device|does not match|wrong device|device .* not supported", *base.WRONG_CHIP),
        Trouble(r"cannot connect to target|could not connect|could not find core", *base.NO_CHIP),
    )

    def commands(self, job: Job, scratch: Path) -> list[list[str]]:
        serial = ["-SelectEmuBySN", job.probe] if job.probe else []
        device = ["-device", job.board.chip.tools.jlink, "-if", "SWD", "-speed", "4000", "-autoconnect", "1"]
        script = ["-ExitOnError", "1", "-NoGui", "1", "-CommandFile", str(scratch / "flash.jlink")]
        return [["JLinkExe", *serial, *device, *script]]

    def prepare(self, job: Job, scratch: Path) -> None:
        lines = (
            "r",
            "h",
            f"loadfile {job.hex.resolve()}",
            f"verifybin {job.bin.resolve()}, {job.address:#010x}",
            "r",
            "g",
            "exit",
        )
        (scratch / "flash.jlink").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def proved(self, outputs: list[str]) -> bool:
        return "Verify successful" in outputs[-1]


TOOL = JLink
