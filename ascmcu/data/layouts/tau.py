# SPDX-License-Identifier: Apache-2.0
"""TAU Urban Acoustic Scenes (DCASE Task 1): ``meta.csv`` with tabs, and the official lists.

* 2020 3-Class, 2020 Mobile, 2022 Mobile: ``evaluation_setup/fold1_train.csv`` and ``fold1_evaluate.csv``; the parts
  are ``train`` and ``test``.
* DCASE 2024 and 2025 add subsets of the training part: ``split5.csv`` … ``split100.csv`` and ``test.csv``, beside
  ``meta.csv`` or in ``split_setup/`` or ``evaluation_setup/``. Each subset holds the smaller ones. A recording's part
  is the smallest subset that has it; ``split25`` names all that the subset of 25 % holds, and ``train`` names all.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ascmcu.data import listing
from ascmcu.data.layouts import table
from ascmcu.data.listing import Columns, Listing, Recording
from ascmcu.errors import DataError

NAME = "TAU Urban Acoustic Scenes"
SUBSETS = ("split5", "split10", "split25", "split50", "split100")
_PLACES = ("evaluation_setup", "split_setup", ".")
_OFFICIAL = (("train", "fold1_train"), ("test", "fold1_evaluate"))


def is_here(root: Path) -> bool:
    """Whether there are official lists: a folder of them, or a subset's."""
    return (root / "evaluation_setup").is_dir() or any(_list(root, name) for name in SUBSETS)


def read(root: Path, columns: Columns) -> Listing:
    """The recordings that the official lists name, in the lists' order, each with its part.

    Raises:
        DataError: there is no ``meta.csv``, or a list cannot be read or holds what a smaller subset does not.
    """
    if not table.is_here(root):
        raise DataError(
            "the data set has no table of its recordings",
            where=str(root / "meta.csv"),
            expected="a table of all recordings beside the official lists",
        )
    whole = table.read(root, columns)
    lists, unions = _lists(root)
    absent = {_short(Path(path)) for path in whole.missing}
    by_name = {_short(recording.path): recording for recording in whole.recordings}
    dealt: list[Recording] = []
    unknown: list[str] = []
    for part, names in lists.items():
        for name in names:
            if name in by_name:
                dealt.append(replace(by_name[name], part=part))
            elif name not in absent:
                unknown.append(name)
    return Listing(NAME, tuple(dealt), whole.listed, whole.missing, tuple(unknown), unions)


def _lists(root: Path) -> tuple[dict[str, list[str]], dict[str, tuple[str, ...]]]:
    """Part → the names in its list, each in one part; and the names of several parts together."""
    subsets = [(name, path) for name in SUBSETS if (path := _list(root, name))]
    if not subsets:
        return {part: _names(_official(root, name)) for part, name in _OFFICIAL}, {}
    lists: dict[str, list[str]] = {}
    held: set[str] = set()
    for name, path in subsets:
        names = _names(path)
        lost = held - set(names)
        if lost:
            raise DataError(
                "a subset lacks a recording of a smaller one",
                where=str(path),
                expected="each subset holds the smaller ones",
                found=f"{min(lost)} is missing" + (f", and {len(lost) - 1} more" if len(lost) > 1 else ""),
            )
        lists[name] = [one for one in names if one not in held]
        held |= set(names)
    order = list(lists)
    unions = {name: tuple(order[: number + 1]) for number, name in enumerate(order)}
    test = _list(root, "test") or _official(root, "fold1_evaluate")
    return {**lists, "test": _names(test)}, {**unions, "train": tuple(order)}


def _list(root: Path, name: str) -> Path | None:
    paths = (root / place / f"{name}.csv" for place in _PLACES)
    return next((path for path in paths if path.is_file()), None)


def _official(root: Path, name: str) -> Path:
    return _list(root, name) or root / "evaluation_setup" / f"{name}.csv"


def _names(path: Path) -> list[str]:
    rows, there = listing.rows(path, "\t", "cannot read the official split")
    if "filename" not in there:
        raise DataError(
            "the official split names no files",
            where=str(path),
            expected="a column filename, tabs between columns",
            found=", ".join(there),
        )
    return [(row["filename"] or "").strip() for row in rows]


def _short(path: Path) -> str:
    """A file's name as the lists write it: ``audio/airport-lisbon-1000-0-a.wav``."""
    return f"{path.parent.name}/{path.name}"
