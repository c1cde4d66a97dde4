# SPDX-License-Identifier: Apache-2.0
"""Find, read and check the description of a board."""

from __future__ import annotations

import difflib
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ascmcu import paths, tables
from ascmcu.boards.checks import CHECKS
from ascmcu.boards.records import Board, Chip
from ascmcu.errors import BoardError, near

# In an export: the descriptions of a board that is not one of ours.
_KEPT = "board"
# What a library is exported for when no board is named; it is in no list of boards.
GENERIC = "generic-m4"
# Letters that a family's name has, as in stm32f4 and nrf5284.
_FAMILY = 7
# What keys of a board's table were called before.
_FORMER = {"stand": "emulators"}


def names() -> list[str]:
    """Every board that has a description, sorted."""
    return sorted(p.stem for p in paths.boards().glob("*.toml"))


def load(name: str) -> Board:
    """The board of that name, or of the file if ``name`` is the path of a ``.toml``.

    A board is also found by its aliases, and by its chip if no other board has that chip; the chip may be an order
    code with package and temperature, such as STM32F446RET6.

    Raises:
        BoardError: no such board (near matches are suggested), or a description that breaks a rule.
    """
    path = Path(name) if name.endswith(".toml") else paths.boards() / f"{name}.toml"
    if name == GENERIC:
        path = paths.boards() / "library" / f"{name}.toml"
    if not path.is_file() and not name.endswith(".toml"):
        path = paths.boards() / f"{_meant(name)}.toml"
    if not path.is_file():
        raise _unknown(name)
    raw = {_FORMER.get(key, key): value for key, value in tables.load(path, BoardError).items()}
    chip_name = raw.get("chip")
    if not isinstance(chip_name, str):
        raise BoardError("a board must name its chip", where=str(path), found=chip_name)
    beside = path.parent / "chips" / f"{chip_name}.toml"
    chip_path = beside if beside.is_file() else paths.boards() / "chips" / f"{chip_name}.toml"
    if not chip_path.is_file():
        known = sorted(p.stem for p in chip_path.parent.glob("*.toml"))
        raise BoardError(
            "unknown chip",
            where=str(path),
            found=chip_name,
            expected=", ".join(known),
            hint=near(chip_name, known, 3),
        )
    raw["chip"] = tables.read(chip_path, Chip, BoardError)
    board = tables.build(Board, raw, str(path), BoardError)
    for check in CHECKS:
        check(board, str(path))
    return board


def _meant(name: str) -> str:
    """The board that an alias or a chip's name stands for; the name itself where none is known.

    Raises:
        BoardError: the chip is on several boards.
    """
    wanted = _plain(name)
    on_chip = []
    for board, raw in _described():
        if wanted in {_plain(known) for known in (board, *raw.get("aliases", ()))}:
            return board
        if wanted.startswith(_plain(str(raw.get("chip")))):
            on_chip.append(board)
    if len(on_chip) > 1:
        raise BoardError("several boards have this chip", found=name, expected=f"one of {', '.join(on_chip)}")
    return on_chip[0] if on_chip else name


def _described() -> list[tuple[str, dict[str, Any]]]:
    return [(name, tables.load(paths.boards() / f"{name}.toml", BoardError)) for name in names()]


def _plain(name: str) -> str:
    return name.casefold().replace("_", "-").replace(" ", "-")


def _unknown(name: str) -> BoardError:
    """With the boards of the nearest name, alias, chip or family."""
    known: dict[str, list[str]] = {}
    described = [] if name.endswith(".toml") else _described()
    for board, raw in described:
        for word in (board, str(raw.get("chip")), *raw.get("aliases", ())):
            known.setdefault(_plain(word), []).append(board)
    chips = {_plain(str(raw.get("chip"))) for _, raw in described}
    close = [*_kin(_plain(name), chips), *difflib.get_close_matches(_plain(name), known, n=6, cutoff=0.6)]
    boards = list(dict.fromkeys(board for word in close for board in known[word]))[:3]
    return BoardError(
        "unknown board",
        found=name,
        expected=f"{', '.join(names())}; or a board's .toml file",
        hint=f"did you mean {' or '.join(boards)}?" if boards else "`ascmcu boards list` shows them all",
    )


def _kin(name: str, chips: Iterable[str]) -> list[str]:
    """The chips of the same family as a part's name, the nearest first: they begin alike."""
    alike = {chip: _alike(name, chip) for chip in sorted(chips)}
    return sorted((chip for chip, count in alike.items() if count >= _FAMILY), key=lambda chip: -alike[chip])


def _alike(a: str, b: str) -> int:
    """How many letters two names begin alike with."""
    pairs = zip(a, b, strict=False)
    return next((count for count, (x, y) in enumerate(pairs) if x != y), min(len(a), len(b)))


def keep(name: str, folder: Path) -> None:
    """Put the description of a board that is a file of the user's into an export, for the verbs that come after.

    Args:
        name: what ``load`` took; a name of ours needs nothing.
        folder: the export.
    """
    if not name.endswith(".toml"):
        return
    path = Path(name)
    kept = folder / _KEPT
    (kept / "chips").mkdir(parents=True)
    shutil.copyfile(path, kept / path.name)
    chip = f"{load(name).chip.name}.toml"
    if (path.parent / "chips" / chip).is_file():
        shutil.copyfile(path.parent / "chips" / chip, kept / "chips" / chip)


def of_export(folder: Path, name: str) -> Board:
    """The board that an export is for: as the export describes it, or one of ours.

    Raises:
        BoardError: no such board, or a description that breaks a rule.
    """
    kept = folder / _KEPT / f"{name}.toml"
    return load(str(kept) if kept.is_file() else name)


def that_hold(flash_bytes: int, ram_bytes: int) -> list[str]:
    """The known boards with at least that much flash and RAM."""
    known = [load(name) for name in names()]
    return [b.name for b in known if b.flash.size_bytes >= flash_bytes and b.ram.size_bytes >= ram_bytes]
