# SPDX-License-Identifier: Apache-2.0
"""Any GDB server: that of a probe (pyOCD, OpenOCD, SEGGER, a Black Magic), or an emulator's.

``--probe HOST:PORT`` names it; the default is localhost:3333.
"""

from __future__ import annotations

from pathlib import Path

from elftools.elf.elffile import ELFFile

from ascmcu.boards import Board
from ascmcu.errors import InputError, LinkError
from ascmcu.flash._rsp import Remote
from ascmcu.flash.base import WRONG_CHIP, FlashTool, Job
from ascmcu.toolchain.elf import reading

DEFAULT = "localhost:3333"
# Reset commands of servers, and the words by which they say that they know none such.
_RESETS = ("reset", "system_reset")
_UNKNOWN = ("unknown", "not known", "invalid", "not recognized")


def segments(elf: Path) -> list[tuple[int, bytes]]:
    """What is to be in memory before the program starts: load addresses and bytes."""
    with reading(elf), elf.open("rb") as file:
        loaded = [s for s in ELFFile(file).iter_segments() if s["p_type"] == "PT_LOAD" and s["p_filesz"]]
        return [(int(s["p_paddr"]), bytes(s.data())) for s in loaded]


class Gdb(FlashTool):
    """Speaks the protocol itself; no program is needed."""

    name = "gdb"
    program = "(built in)"
    install = ""
    interfaces = ("stlink", "jlink", "daplink")

    def found(self) -> str | None:
        return self.program

    def suits(self, board: Board) -> bool:
        return True

    def commands(self, job: Job, scratch: Path) -> list[list[str]]:
        server = job.probe or DEFAULT
        steps = ("load", "compare-sections", "monitor reset", "detach")
        options = [part for step in steps for part in ("-ex", step)]
        return [
            ["gdb-multiarch", str(job.elf), "-batch", "-ex", f"target extended-remote {server}", *options]
        ]

    def write(self, job: Job) -> str:
        server = job.probe or DEFAULT
        host, _, port = server.rpartition(":")
        if not port.isdecimal():
            raise InputError(
                "not a GDB server's address", found=server, expected=f"HOST:PORT, such as {DEFAULT}"
            )
        image = segments(job.elf)
        with Remote(host or "localhost", int(port)) as remote:
            self._check_chip(remote, image[0][0], job.board)
            for address, data in image:
                remote.write(address, data)
            for address, data in image:
                self._verify(remote, address, data)
            self._reset(remote)
            remote.detach()
        return f"gdb ({server})"

    def _check_chip(self, remote: Remote, address: int, board: Board) -> None:
        """Servers of probes tell where the chip's flash lies; another chip's lies elsewhere, or ends before ours."""
        regions = remote.flash()
        if regions and not any(r.start <= address < r.start + r.size_bytes for r in regions):
            raise LinkError(
                WRONG_CHIP[0],
                where=board.name,
                expected=f"flash at {address:#010x}",
                found=", ".join(f"{r.start:#010x}, {r.size_bytes // 1024} KB" for r in regions),
                hint=WRONG_CHIP[1],
            )

    def _verify(self, remote: Remote, address: int, data: bytes) -> None:
        back = remote.read(address, len(data))
        if back != data:
            first = next(i for i, (a, b) in enumerate(zip(back, data, strict=True)) if a != b)
            raise LinkError(
                "the flash does not hold what was written",
                where=f"{address + first:#010x}",
                expected=data[first : first + 4].hex(),
                found=back[first : first + 4].hex(),
                hint="is there flash at this address? It may be another chip than the board's",
            )

    def _reset(self, remote: Remote) -> None:
        said = ""
        for command in _RESETS:
            said = remote.monitor(command)
            if not any(word in said.lower() for word in _UNKNOWN):
                return
        raise LinkError(
            "the GDB server cannot reset the board", found=said.strip(), hint="press the board's reset button"
        )


TOOL = Gdb
