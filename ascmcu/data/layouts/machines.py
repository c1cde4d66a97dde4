# SPDX-License-Identifier: Apache-2.0
"""Machine sounds (DCASE Task 2, MIMII, ToyADMOS; MLPerf Tiny's ToyCar): ``MACHINE/train`` and ``MACHINE/test``.

The names tell what is heard: ``section_00_source_train_normal_0000_….wav`` since 2021, ``normal_id_01_00000000.wav`` in
2020. The classes are ``normal`` and ``anomaly``. The device is the machine with its section, and domain where there is
one, or its number: train and test hear the same machines.
"""

from __future__ import annotations

import re
from pathlib import Path

from ascmcu.data import folders
from ascmcu.data.listing import Columns, Listing, Recording

NAME = "machine sounds (DCASE Task 2)"
_NAMES = (
    re.compile(
        r"(?P<source>section_\d+_(?:source|target))_(?:train|test)_(?P<label>normal|anomaly)_\d+.*\.wav"
    ),
    re.compile(r"(?P<label>normal|anomaly)_(?P<source>id_\d+)_\d+\.wav"),
)
_PARTS = ("train", "test")


def is_here(root: Path) -> bool:
    """Whether there are parts of a machine whose recordings carry such names."""
    return any(
        _told(path.name)
        for machine in _machines(root)
        for part in _PARTS
        if (machine / part).is_dir()
        for path in (machine / part).iterdir()
    )


def read(root: Path, columns: Columns) -> Listing:
    """The recordings of all machines; one whose name tells nothing is unlabelled."""
    tree = folders.Tree()
    recordings = []
    for machine in _machines(root):
        for part in _PARTS:
            folder = machine / part
            for path in sorted(folder.iterdir()) if folder.is_dir() else []:
                if told := _told(path.name):
                    device = f"{machine.name} {told['source']}"
                    recordings.append(Recording(path, told["label"], part, device))
                elif path.suffix.lower() in folders.SUFFIXES and not folders.is_leftover(path.name):
                    tree.unlabelled.append(path)
    return Listing(NAME, tuple(recordings), tuple(recordings), tree=tree)


def _machines(root: Path) -> list[Path]:
    """The folders that hold parts: those of the machines, or the root, which is one machine's."""
    if any((root / part).is_dir() for part in _PARTS):
        return [root]
    below = sorted(path for path in root.iterdir() if path.is_dir() and not folders.is_leftover(path.name))
    return [path for path in below if any((path / part).is_dir() for part in _PARTS)]


def _told(name: str) -> re.Match[str] | None:
    return next((match for pattern in _NAMES if (match := pattern.fullmatch(name))), None)
