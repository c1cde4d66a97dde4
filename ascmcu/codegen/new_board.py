# SPDX-License-Identifier: Apache-2.0
"""Write the description of a new board: two TOML files.

Memories are a CMSIS pack's or an answer of the user's; what nobody says is that of the most similar board.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from ascmcu import boards, packs
from ascmcu.boards import Board, Clock, solving
from ascmcu.boards.records import ClockSource
from ascmcu.errors import BoardError, InputError
from ascmcu.jinja import render

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


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
        InputError: one of them is there already; ``name`` is no file's.
        BoardError: the descriptions break a rule.
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            "a board cannot be called so", where="--name", found=name,
            expected="letters, digits, dots, dashes and underscores, a letter or digit first",
        )  # fmt: skip
    base = nearest(part)
    chip_name = part.name.lower()
    board_path, chip_path = folder / f"{name}.toml", folder / "chips" / f"{chip_name}.toml"
    chip = _chip(part, base, chip_name)
    for path, same in ((board_path, False), (chip_path, _holds(chip_path, chip))):
        if path.exists() and not same:
            raise InputError("the file exists already", where=str(path), hint="choose another name or folder")
    board = _board(part, base, name, chip_name, answers)
    staging = folder / f".{name}-{os.getpid()}"
    try:
        (staging / "chips").mkdir(parents=True)
        texts = ((staging / "chips" / chip_path.name, chip_path, chip),
                 (staging / board_path.name, board_path, board))  # fmt: skip
        for made, _, text in texts:
            made.write_text(text, encoding="utf-8")
        try:
            boards.load(str(staging / board_path.name))
        except BoardError as error:
            error.where = str(error.where).replace(str(staging), str(folder))
            raise
        chip_path.parent.mkdir(exist_ok=True)
        for made, final, _ in texts:
            made.replace(final)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
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


def crystal_hz(base: Board) -> int:
    """Of a board like ``base`` where nobody says otherwise: 0, the chip's own oscillator, where that gives the clock,
    for it needs nothing on the board."""
    return 0 if base.hsi_pll_m or base.clock.source == "hsi" else base.clock.source_hz


def unsaid(base: Board, answers: Answers) -> list[str]:
    """What is to be checked, in words."""
    own = answers.port is None or base.family.port(answers.port) == base.serial.usart
    given = {
        "the oscillator": answers.crystal_hz is not None,
        "the core's clock": answers.sysclk_hz is not None,
        "the serial port": answers.port is not None,
        "its pins": answers.tx is not None and answers.rx is not None,
        "their function number": answers.alternate is not None or own,
        "the debug probe": False,
    }
    return [what for what, said in given.items() if not said]


def taken_from(base: Board, answers: Answers) -> str:
    """Where that is taken from, in words."""
    own = answers.crystal_hz is None and not crystal_hz(base) and base.clock.source != "hsi"
    return base.name + (", but the oscillator: the chip's own" if own else "")


def _board(part: packs.Part, base: Board, name: str, chip_name: str, answers: Answers) -> str:
    clock, serial = _clock(base, answers), base.serial
    for option, pin in (("--tx", answers.tx), ("--rx", answers.rx)):
        if pin is not None and not _is_pin(base, pin):
            known = " to ".join(base.family.pins_from_to)
            raise BoardError("not a pin", where=option, expected=known, found=pin)
    number = serial.usart
    if answers.port is not None:
        try:
            number = base.family.port(answers.port)
        except ValueError:
            known = ", ".join(port.name for port in base.family.ports.values())
            raise BoardError(
                "no such port in this family", where="--port", found=answers.port, expected=known
            ) from None
    port = dataclasses.replace(
        serial,
        usart=number,
        tx=answers.tx or serial.tx,
        rx=answers.rx or serial.rx,
        alternate=serial.alternate if answers.alternate is None else answers.alternate,
    )
    baud, fallback = solving.rates(base.family, number, clock.port_hz(base.family.ports[number].clock))
    port = dataclasses.replace(port, baud=baud, fallback_baud=fallback)
    notes = {
        "hsi": "needs no crystal; hse-crystal or hse-bypass are more exact",
        "hse-crystal": "hse-bypass where it is an oscillator, not a crystal",
        "hse-bypass": "as there",
    }
    return render(
        "board.toml.j2", part=part, base=base, name=name, chip_name=chip_name, clock=clock, serial=port,
        source_note=notes[clock.source], unsaid=unsaid(base, answers), taken_from=taken_from(base, answers),
    )  # fmt: skip


def _is_pin(base: Board, text: str) -> bool:
    try:
        base.family.pin(text)
    except ValueError:
        return False
    return True


def _clock(base: Board, answers: Answers) -> Clock:
    """The clock tree of what was answered; what was not is the same as where the answer is the default."""
    clock, usual_hz = base.clock, crystal_hz(base)
    crystal = usual_hz if answers.crystal_hz is None else answers.crystal_hz
    source: ClockSource = "hse-crystal" if crystal else "hsi"
    if crystal and crystal == usual_hz:
        source = clock.source
    source_hz = crystal or base.chip.clock.hsi_hz
    wanted_hz = answers.sysclk_hz or clock.sysclk_hz
    tree = solving.tree(base.chip, source_hz, wanted_hz, base.supply_mv)
    return dataclasses.replace(
        clock,
        source=source,
        source_hz=source_hz,
        sysclk_hz=wanted_hz,
        **dataclasses.asdict(tree) | {"pll": tree.pll},
    )
