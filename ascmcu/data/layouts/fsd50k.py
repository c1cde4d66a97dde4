# SPDX-License-Identifier: Apache-2.0
"""FSD50K (Fonseca et al. 2022): multi-label; ``FSD50K.ground_truth/dev.csv``, ``eval.csv`` and ``vocabulary.csv``.

``dev.csv`` has the columns fname, labels, mids and split (``train`` or ``val``), ``eval.csv`` the first three. The
recordings are ``FSD50K.dev_audio/FNAME.wav`` and ``FSD50K.eval_audio/FNAME.wav``. The parts are ``train``, ``val`` and
``test``; the name ``dev`` means the first two.
"""

from __future__ import annotations

import csv
from pathlib import Path

from ascmcu.data import listing
from ascmcu.data.listing import Columns, Listing, Recording
from ascmcu.errors import DataError, why

NAME = "FSD50K"
_LISTS = "FSD50K.ground_truth"
_HALVES = ("dev", "eval")


def is_here(root: Path) -> bool:
    """Whether its ground truth is there."""
    return any((root / _LISTS / f"{half}.csv").is_file() for half in _HALVES)


def read(root: Path, columns: Columns) -> Listing:
    """The recordings of the development and the evaluation set, as far as their lists are there.

    Raises:
        DataError: a list cannot be read, or names a class that the vocabulary lacks.
    """
    vocabulary = _vocabulary(root / _LISTS / "vocabulary.csv")
    listed = [recording for half in _HALVES for recording in _half(root, half, set(vocabulary))]
    parts = {recording.part for recording in listed}
    unions = {"dev": ("train", "val")} if {"train", "val"} <= parts else {}
    return listing.there(NAME, listed, unions=unions, vocabulary=vocabulary)


def _half(root: Path, half: str, vocabulary: set[str]) -> list[Recording]:
    table = root / _LISTS / f"{half}.csv"
    if not table.is_file():
        return []
    rows, there = listing.rows(table, ",", "cannot read a list of FSD50K")
    wanted = ("fname", "labels", "split") if half == "dev" else ("fname", "labels")
    if missing := [name for name in wanted if name not in there]:
        raise DataError(
            "a list of FSD50K lacks a column",
            where=str(table),
            expected=", ".join(wanted),
            found=f"{', '.join(there)}; without {', '.join(missing)}",
        )
    found = []
    for number, row in enumerate(rows, start=2):
        tags = listing.several(row["labels"] or "")
        strange = [tag for tag in tags if tag not in vocabulary]
        if strange or not tags:
            raise DataError(
                "a recording has a class that the vocabulary lacks"
                if strange
                else "a recording has no class",
                where=f"{table}:{number}",
                expected="classes of vocabulary.csv",
                found=", ".join(strange) or row["fname"],
            )
        path = root / f"FSD50K.{half}_audio" / f"{row['fname']}.wav"
        part = (row["split"] or "").strip() if half == "dev" else "test"
        found.append(Recording(path, "", part).with_tags(tags))
    return found


def _vocabulary(path: Path) -> tuple[str, ...]:
    """The classes: the second column of a table without a head."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            names = tuple(row[1].strip() for row in csv.reader(file) if row)
    except (OSError, UnicodeDecodeError, csv.Error, IndexError) as error:
        raise DataError(
            "cannot read the vocabulary of FSD50K",
            where=str(path),
            expected="rows of index, label, mid",
            found=why(error),
        ) from error
    return names
