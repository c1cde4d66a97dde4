# SPDX-License-Identifier: Apache-2.0
"""Write the description of a new board: two TOML files.

Memories are a CMSIS pack's or an answer of the user's; what nobody says is that of the most similar board.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
from dataclasses import dataclass
from pathlib import Path

from ascmcu import boards, packs
from ascmcu.boards import Board, Clock, solving
from ascmcu.boards.records import ClockSource
from ascmcu.errors import BoardError, InputError
from ascmcu.jinja import render


@dataclass(frozen=True)
class Answers:
    """What the user says of a board; None where the most similar board's value is taken.

    Attributes:
        crystal_hz: of the oscillator on the board; 0 for the chip's own.
        sysclk_hz: of the core.
        port: as the manual calls it.
        tx, rx: pins.
        alternate: the pins' function number.
    """

    crystal_hz: int | None = None
    sysclk_hz: int | None = None
    port: str | None = None
    tx: str | None = None
    rx: str | None = None
    alternate: int | None = None


def write(part: packs.Part, name: str, folder: Path, answers: Answers = Answers()) -> tuple[Path, Path]:
    """Write ``folder/<name>.toml`` and ``folder/chips/<part>.toml``; both are checked before they appear.

    Args:
        part: the chip, with its memories.
        name: of the board.
        folder: where the files go.
        answers: what is known of the board.

    Raises:
        InputError: one of them is there already.
        BoardError: the descriptions break a rule.
    """
    base = nearest(part)
    chip_name = part.name.lower()
    board_path, chip_path = folder / f"{name}.toml", folder / "chips" / f"{chip_name}.toml"
    chip = _chip(part, base, chip_name)
    for path, same in ((board_path, False), (chip_path, _holds(chip_path, chip))):
        if path.exists() and not same:
            raise InputError("the file exists already", where=str(path), hint="choose another name or folder")
    staging = folder / f".{name}-{os.getpid()}"
    (staging / "chips").mkdir(parents=True)
    try:
        texts = ((staging / "chips" / chip_path.name, chip_path, chip),
                 (staging / board_path.name, board_path, _board(part, base, name, chip_name, answers)))  # fmt: skip
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


def _holds(path: Path, text: str) -> bool:
    """Whether a file is there and says just that: several boards may have a chip."""
    return path.is_file() and path.read_text(encoding="utf-8") == text


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


def _board(part: packs.Part, base: Board, name: str, chip_name: str, answers: Answers) -> str:
    """The internal oscillator where it gives the clock and nobody says otherwise: it needs nothing on the board."""
    clock, serial = _clock(base, answers), base.serial
    number = serial.usart
    if answers.port is not None:
        try:
            number = base.family.port(answers.port)
        except ValueError:
            known = ", ".join(port.name for port in base.family.ports.values())
            raise BoardError("no such port in this family", found=answers.port, expected=known) from None
    own = number == serial.usart
    port = dataclasses.replace(
        serial,
        usart=number,
        tx=answers.tx or serial.tx,
        rx=answers.rx or serial.rx,
        alternate=serial.alternate if answers.alternate is None else answers.alternate,
    )
    if answers != Answers():
        baud, fallback = solving.rates(base.family, number, clock.port_hz(base.family.ports[number].clock))
        port = dataclasses.replace(port, baud=baud, fallback_baud=fallback)
    unsaid = [
        what
        for what, given in (
            ("the oscillator", answers.crystal_hz is not None),
            ("the serial port's pins", answers.tx is not None and answers.rx is not None),
            ("their function number", answers.alternate is not None or own),
        )
        if not given
    ]
    notes = {
        "hsi": "needs no crystal; hse-crystal or hse-bypass are more exact",
        "hse-crystal": "hse-bypass where it is an oscillator, not a crystal",
        "hse-bypass": "as there",
    }
    return render(
        "board.toml.j2", part=part, base=base, name=name, chip_name=chip_name, clock=clock, serial=port,
        source_note=notes[clock.source], unsaid=[*unsaid, "the debug probe"],
    )  # fmt: skip


def _clock(base: Board, answers: Answers) -> Clock:
    """The clock tree of what was answered; that of the base where nothing was."""
    clock, limits = base.clock, base.chip.clock
    if answers.crystal_hz is None and answers.sysclk_hz is None:
        if not base.hsi_pll_m:
            return clock
        pll = dataclasses.replace(clock.pll, m=base.hsi_pll_m)
        return dataclasses.replace(clock, source="hsi", source_hz=limits.hsi_hz, pll=pll)
    source: ClockSource = clock.source
    source_hz = clock.source_hz
    if answers.crystal_hz is not None:
        source = "hse-crystal" if answers.crystal_hz else "hsi"
        source_hz = answers.crystal_hz or limits.hsi_hz
    wanted_hz = answers.sysclk_hz or clock.sysclk_hz
    tree = solving.tree(base.chip, source_hz, wanted_hz, base.supply_mv)
    return dataclasses.replace(
        clock,
        source=source,
        source_hz=source_hz,
        sysclk_hz=wanted_hz,
        **dataclasses.asdict(tree) | {"pll": tree.pll},
    )
