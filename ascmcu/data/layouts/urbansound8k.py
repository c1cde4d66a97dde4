# SPDX-License-Identifier: Apache-2.0
"""UrbanSound8K: ``metadata/UrbanSound8K.csv`` and ``audio/fold1`` … ``audio/fold10``.

The parts are the ten folds. The place is the recording on Freesound (``fsID``) that a slice was cut from: slices of
one recording lie in one fold.
"""

from __future__ import annotations

from pathlib import Path

from ascmcu.data import listing
from ascmcu.data.listing import Columns, Listing, Recording
from ascmcu.errors import DataError

NAME = "UrbanSound8K"
_TABLE = Path("metadata", "UrbanSound8K.csv")
_COLUMNS = ("slice_file_name", "fsID", "fold", "class")


def is_here(root: Path) -> bool:
    """Whether its table is there."""
    return (root / _TABLE).is_file()


def read(root: Path, columns: Columns) -> Listing:
    """The slices of its table, each in its fold.

    Raises:
        DataError: the table cannot be read, or lacks a column or a value.
    """
    rows, there = listing.rows(root / _TABLE)
    lacking = [name for name in _COLUMNS if name not in there]
    if lacking:
        raise DataError(
            "the table of UrbanSound8K lacks a column",
            where=str(root / _TABLE),
            expected=", ".join(_COLUMNS),
            found=", ".join(there),
        )
    named = {"file": "slice_file_name", "label": "class", "part": "fold", "device": None, "place": "fsID"}
    told = [listing.values(root / _TABLE, number, row, named) for number, row in enumerate(rows, start=2)]
    return listing.there(
        NAME,
        [
            Recording(
                root / "audio" / f"fold{one['part']}" / one["file"],
                one["label"],
                one["part"],
                place=one["place"],
            )
            for one in told
        ],
    )
