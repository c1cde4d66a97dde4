# SPDX-License-Identifier: Apache-2.0
"""UF2: a boot loader that shows up as a drive. The image is cut into blocks and copied there.

The format: 512-byte blocks of 256 payload bytes each, with magic numbers, address, number and family
(microsoft/uf2, README). There is nothing to read back; the boot loader restarts the chip when it has taken the last
block, and the firmware's hello is the proof.
"""

from __future__ import annotations

import struct
from pathlib import Path

from ascmcu.boards import Board
from ascmcu.errors import InputError, LinkError
from ascmcu.flash.base import FlashTool, Job

# Family numbers: utils/uf2families.json of microsoft/uf2.
FAMILIES = {
    "stm32f3": 0x6B846188,
    "stm32f4": 0x57755A57,
    "stm32g4": 0x4C71240A,
    "stm32l4": 0x00FF6919,
    "stm32wb": 0x70D16653,
    "samd5": 0x55114460,
    "nrf52": 0xADA52840,
}
_BLOCK = struct.Struct("<8I476sI")
_MAGIC = (0x0A324655, 0x9E5D5157, 0x0AB16F30)
_FAMILY_THERE = 0x2000
_PAYLOAD_BYTES = 256


def blocks(image: bytes, address: int, family: int) -> bytes:
    """The image as a UF2 file."""
    parts = [image[at : at + _PAYLOAD_BYTES] for at in range(0, len(image), _PAYLOAD_BYTES)]
    return b"".join(
        _BLOCK.pack(
            _MAGIC[0],
            _MAGIC[1],
            _FAMILY_THERE,
            address + number * _PAYLOAD_BYTES,
            _PAYLOAD_BYTES,
            number,
            len(parts),
            family,
            part.ljust(_PAYLOAD_BYTES, b"\xff"),
            _MAGIC[2],
        )
        for number, part in enumerate(parts)
    )


def drives() -> list[Path]:
    """Mounted drives of UF2 boot loaders."""
    roots = [Path("/media"), Path("/run/media"), Path("/Volumes"), Path("/mnt")]
    found = [info.parent for root in roots if root.is_dir() for info in root.glob("**/INFO_UF2.TXT")]
    return sorted(set(found))


class Uf2(FlashTool):
    """``--probe`` is the drive's path."""

    name = "uf2"
    program = "(built in)"
    install = ""
    interfaces = ()

    def found(self) -> str | None:
        return self.program

    def suits(self, board: Board) -> bool:
        return board.chip.family in FAMILIES and board.bootloader_bytes > 0

    def commands(self, job: Job, scratch: Path) -> list[list[str]]:
        return [["cp", str(job.folder / "firmware.uf2"), f"{job.probe or 'DRIVE'}/"]]

    def probes(self) -> list[str]:
        return [str(path) for path in drives()]

    def write(self, job: Job) -> str:
        if not self.suits(job.board):
            raise InputError(
                "the board's description leaves no room for a boot loader",
                where=job.board.name,
                expected="bootloader_bytes = …, and a family with a UF2 number",
                hint="flash with a debug probe, or describe the board in a TOML of your own",
            )
        self._check_probes(job)
        known = self.probes()
        drive = Path(job.probe) if job.probe else Path(known[0]) if known else None
        if drive is None or not drive.is_dir():
            raise LinkError(
                "no UF2 drive is mounted", hint="press reset twice; name the drive with --probe PATH"
            )
        file = job.folder / "firmware.uf2"
        file.write_bytes(blocks(job.bin.read_bytes(), job.address, FAMILIES[job.board.chip.family]))
        (drive / file.name).write_bytes(file.read_bytes())
        return f"uf2 ({drive})"


TOOL = Uf2
