# SPDX-License-Identifier: Apache-2.0
"""An export of Edge Impulse: ``info.labels`` in JSON beside ``training/`` and ``testing/``.

Each file has its path, a category (``training`` or ``testing``) and a label. Without ``info.labels`` the files' names
tell the class (``data.folders``).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ascmcu.data import folders, listing
from ascmcu.data.listing import Columns, Listing, Recording
from ascmcu.errors import DataError, why

NAME = "Edge Impulse"
_LIST = "info.labels"


def is_here(root: Path) -> bool:
    """Whether the export's list is there."""
    return (root / _LIST).is_file()


def read(root: Path, columns: Columns) -> Listing:
    """The recordings of the list; what is no recording is left out.

    Raises:
        DataError: the list cannot be read, or a recording has no single label.
    """
    path = root / _LIST
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        files = content["files"]
        listed = [_recording(root, number, one) for number, one in enumerate(files) if _is_audio(one)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            "cannot read the list of an Edge Impulse export",
            where=str(path),
            expected='{"version": 1, "files": [{"path", "category", "label"}, …]}',
            found=why(error),
        ) from error
    return listing.there(NAME, listed)


def _is_audio(entry: dict[str, Any]) -> bool:
    return Path(entry["path"]).suffix.lower() in folders.SUFFIXES


def _recording(root: Path, number: int, entry: dict[str, Any]) -> Recording:
    label = entry["label"]
    if label.get("type") != "label" or not label.get("label"):
        raise DataError(
            "a recording of an Edge Impulse export has no single label",
            where=f"{root / _LIST}: files[{number}], {entry['path']}",
            expected='"label": {"type": "label", "label": NAME}',
            found=json.dumps(label)[:80],
        )
    category = entry.get("category", "")
    part = "" if category == "split" else folders.part_of(category) or ""
    return Recording(root / entry["path"], label["label"], part)
