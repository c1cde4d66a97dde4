# SPDX-License-Identifier: Apache-2.0
"""Write the description of a new board: two TOML files, from its CMSIS pack and the most similar board."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from ascmcu import boards, packs
from ascmcu.boards import Board
from ascmcu.errors import InputError
from ascmcu.jinja import render


def write(part: packs.Part, name: str, folder: Path) -> tuple[Path, Path]:
    """Write ``folder/<name>.toml`` and ``folder/chips/<part>.toml``; both are checked before they appear.

    Raises:
        InputError: one of them is there already.
        BoardError: the descriptions break a rule.
    """
    base = nearest(part)
    chip_name = part.name.lower()
    board_path, chip_path = folder / f"{name}.toml", folder / "chips" / f"{chip_name}.toml"
    for path in (board_path, chip_path):
        if path.exists():
            raise InputError("the file exists already", where=str(path), hint="choose another name or folder")
    staging = folder / f".{name}-{os.getpid()}"
    (staging / "chips").mkdir(parents=True)
    try:
        texts = ((staging / "chips" / chip_path.name, chip_path, _chip(part, base, chip_name)),
                 (staging / board_path.name, board_path, _board(part, base, name, chip_name)))  # fmt: skip
        for made, _, text in texts:
            made.write_text(text, encoding="utf-8")
        boards.load(str(staging / board_path.name))
        chip_path.parent.mkdir(exist_ok=True)
        for made, final, _ in texts:
            made.replace(final)
    finally:
        for leftover in (*staging.rglob("*.toml"), staging / "chips", staging):
            if leftover.is_dir():
                leftover.rmdir()
            else:
                leftover.unlink(missing_ok=True)
    return board_path, chip_path


def nearest(part: packs.Part) -> Board:
    """The known board of the same family whose chip is called most like the part."""
    kin = [board for board in map(boards.load, boards.names()) if board.chip.family == part.family]

    def likeness(board: Board) -> float:
        return difflib.SequenceMatcher(None, board.chip.name, part.name.lower()).ratio()

    return max(kin, key=likeness)


def _chip(part: packs.Part, base: Board, chip_name: str) -> str:
    memories = [
        {
            "name": m.name,
            "kind": m.kind,
            "origin": f"0x{m.origin:08X}",
            "size_bytes": m.size_bytes,
            "note": m.note,
        }
        for m in part.memories
    ]
    # SEGGER leaves out the package and what follows: STM32F407VG.
    jlink = part.name[:11] if part.family.startswith("stm32") else base.chip.tools.jlink
    return render("chip.toml.j2", part=part, base=base, chip_name=chip_name, memories=memories, jlink=jlink)


def _board(part: packs.Part, base: Board, name: str, chip_name: str) -> str:
    """The internal oscillator where it gives the clock: it needs nothing on the board."""
    internal = base.hsi_pll_m > 0
    return render(
        "board.toml.j2",
        part=part,
        base=base,
        name=name,
        chip_name=chip_name,
        source="hsi" if internal else base.clock.source,
        source_note="needs no crystal; hse-crystal or hse-bypass are more exact" if internal else "as there",
        source_hz=base.chip.clock.hsi_hz if internal else base.clock.source_hz,
        pll_m=base.hsi_pll_m if internal else base.clock.pll.m,
    )
