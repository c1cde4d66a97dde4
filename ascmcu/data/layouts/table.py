# SPDX-License-Identifier: Apache-2.0
"""A table of recordings: ``meta.csv`` or ESC-50's ``meta/esc50.csv`` in the folder, or any CSV.

One row per recording, with its class and, where it has them, its fold or split, its device and its place. ESC-10,
ESC-50 and our synthetic scenes are such. A column ``labels`` or ``tags`` holds several classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ascmcu.data import listing
from ascmcu.data.listing import Columns, Listing, Recording

NAME = "a table"
_TABLES = ("meta.csv", "meta/esc50.csv")


def is_here(root: Path) -> bool:
    """Whether the folder has a table of a known name."""
    return any((root / name).is_file() for name in _TABLES)


def read(root: Path, columns: Columns) -> Listing:
    """The recordings of the folder's table.

    Raises:
        DataError: the table cannot be read, or lacks a column or a value.
    """
    return read_file(next(root / name for name in _TABLES if (root / name).is_file()), columns)


def read_file(table: Path, columns: Columns) -> Listing:
    """The recordings of a table.

    Raises:
        DataError: the table cannot be read, or lacks a column or a value.
    """
    rows, there = listing.rows(table)
    found = listing.columns_of(table, columns, there)
    told = [listing.values(table, number, row, found) for number, row in enumerate(rows, start=2)]
    where = _folder(table, [one["file"] for one in told])
    return listing.there(NAME, [_recording(table, one, where) for one in told])


def _recording(table: Path, one: dict[str, str], where: Path) -> Recording:
    """A row; with one class where the table has a column for that."""
    path = _found(table, one["file"]) or where / one["file"]
    found = Recording(path, one["label"], one["part"], one["device"], one["place"])
    return found if one["label"] else found.with_tags(listing.several(one["labels"]))


def _found(table: Path, name: str) -> Path | None:
    """TAU writes audio/… in front of the name; ESC-10 writes none, and ESC-50's table lies in a folder of its own."""
    folders = (table.parent, table.parent / "audio", table.parent.parent / "audio")
    return next((folder / name for folder in folders if (folder / name).is_file()), None)


def _folder(table: Path, names: Sequence[str]) -> Path:
    """Where the recordings lie that are there: those that are missing are missing from it."""
    for name in names:
        if (path := _found(table, name)) is not None:
            return Path(str(path).removesuffix(name))
    return table.parent
