# SPDX-License-Identifier: Apache-2.0
"""OpenOCD."""

from __future__ import annotations

from pathlib import Path

from ascmcu.flash import base
from ascmcu.flash.base import FlashTool, Job, Trouble

_INTERFACES = {"stlink": "stlink", "jlink": "jlink", "daplink": "cmsis-dap"}


class OpenOcd(FlashTool):
    """``program … verify reset exit``: one run does it all."""

    name = "openocd"
    program = "openocd"
    install = "sudo apt-get install openocd"
    interfaces = ("stlink", "jlink", "daplink")
    troubles = (
        Trouble(
            r"open failed|unable to find .*(probe|device)|no (device|j-link) found|unable to open",
            *base.NO_PROBE,
        ),
        Trouble(r"multiple devices found|more than one", *base.SEVERAL),
        Trouble(r"locked|read ?out protection|RDP|protected|secur", *base.LOCKED),
        Trouble(
            r"cannot identify target|UNEXPECTED idcode|unknown device|invalid.*part|auto_probe failed",
            *base.WRONG_CHIP,
        ),
        Trouble(
            r"init mode failed|unable to connect to the target|examination failed|target not examined",
            *base.NO_CHIP,
        ),
    )

    def commands(self, job: Job, scratch: Path) -> list[list[str]]:
        interface = _INTERFACES[job.board.probe.interface]
        serial = ["-c", f"adapter serial {job.probe}"] if job.probe else []
        # J-Link and CMSIS-DAP speak both wires and must be told; the ST-LINK's driver has its own
        transport = [] if interface == "stlink" else ["-c", "transport select swd"]
        return [
            [
                "openocd",
                *("-f", f"interface/{interface}.cfg", *serial, *transport),
                *("-f", job.board.chip.tools.openocd),
                *("-c", f"program {{{job.elf.resolve()}}} verify reset exit"),
            ]
        ]

    def proved(self, outputs: list[str]) -> bool:
        return "Verified OK" in outputs[-1]


TOOL = OpenOcd
