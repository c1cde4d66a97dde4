# SPDX-License-Identifier: Apache-2.0
"""Hugging Face's ``audiofolder``: ``metadata.csv`` or ``metadata.jsonl`` with a column ``file_name``.

It lies in the folder, or one in each of the folders ``train``, ``validation`` and ``test``, which are the parts. The
class is the column ``label``, or the one that ``--column label=NAME`` names.
"""

from __future__ import annotations

import json
from pathlib import Path

from ascmcu.data import folders, listing
from ascmcu.data.listing import Columns, Listing, Recording
from ascmcu.errors import DataError, why

NAME = "audiofolder (Hugging Face)"
_TABLES = ("metadata.csv", "metadata.jsonl")


def is_here(root: Path) -> bool:
    """Whether the folder, or a part in it, has such a table."""
    return bool(_tables(root))


def read(root: Path, columns: Columns) -> Listing:
    """The recordings of all tables.

    Raises:
        DataError: a table cannot be read, or lacks a column or a value.
    """
    listed = []
    for path in _tables(root):
        rows, there = _json_lines(path) if path.suffix == ".jsonl" else listing.rows(path, ",")
        found = listing.columns_of(path, columns, there)
        part = folders.part_of(path.parent.name) or "" if path.parent != root else ""
        for number, row in enumerate(rows, start=1 if path.suffix == ".jsonl" else 2):
            told = listing.values(path, number, row, found)
            own = told["part"] or part or _part_of_path(told["file"])
            listed.append(
                Recording(path.parent / told["file"], told["label"], own, told["device"], told["place"])
            )
    return listing.there(NAME, listed)


def _tables(root: Path) -> list[Path]:
    parts = sorted(path for path in root.iterdir() if path.is_dir() and folders.part_of(path.name))
    return [folder / name for folder in (root, *parts) for name in _TABLES if (folder / name).is_file()]


def _part_of_path(name: str) -> str:
    """``train/1.wav`` in the root's table lies in the part ``train``."""
    first = Path(name).parts[0]
    return folders.part_of(first) or "" if first != Path(name).name else ""


def _json_lines(path: Path) -> tuple[list[dict[str, str]], list[str]]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        read = [json.loads(line) for line in lines if line.strip()]
        rows = [{key: "" if value is None else str(value) for key, value in row.items()} for row in read]
    except (OSError, ValueError, AttributeError) as error:
        raise DataError("cannot read the table", where=str(path), found=why(error)) from error
    return rows, list(dict.fromkeys(key for row in rows for key in row))
