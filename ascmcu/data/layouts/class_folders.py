# SPDX-License-Identifier: Apache-2.0
"""Folders of classes, with a level of part folders above or below, or none: ``[train/]dog/*.wav``; see ``folders``."""

from __future__ import annotations

from pathlib import Path

from ascmcu.data import folders
from ascmcu.data.listing import Columns, Listing, Recording

NAME = "class folders"


def is_here(root: Path) -> bool:
    """Any folder may hold class folders."""
    return root.is_dir()


def read(root: Path, columns: Columns) -> Listing:
    """The recordings in the class folders.

    Raises:
        DataError: it cannot be said which folders are classes.
    """
    tree = folders.read(root)
    recordings = tuple(Recording(placed.path, placed.label, placed.part) for placed in tree.placed)
    return Listing(NAME, recordings, recordings, tree=tree)
