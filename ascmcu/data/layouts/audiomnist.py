# SPDX-License-Identifier: Apache-2.0
"""AudioMNIST (Becker et al. 2018): ``data/SPEAKER/DIGIT_SPEAKER_TAKE.wav`` of 60 speakers.

The class is the digit and the place is the speaker, so that a split keeps a speaker's recordings together.
"""

from __future__ import annotations

import re
from pathlib import Path

from ascmcu.data import folders
from ascmcu.data.listing import Columns, Listing, Recording

NAME = "AudioMNIST"
_FILE = re.compile(r"(\d)_(\d\d)_\d+\.wav", re.IGNORECASE)
_SPEAKER = re.compile(r"\d\d")


def is_here(root: Path) -> bool:
    """Whether there are folders of speakers, with a recording of one of them in each."""
    speakers = _speakers(root)
    return bool(speakers) and all(
        any((match := _FILE.fullmatch(path.name)) and match[2] == folder.name for path in folder.iterdir())
        for folder in speakers
    )


def read(root: Path, columns: Columns) -> Listing:
    """The recordings of all speakers; a file of another name is unlabelled."""
    tree = folders.Tree()
    recordings = []
    for folder in _speakers(root):
        for path in sorted(folder.iterdir()):
            match = _FILE.fullmatch(path.name)
            if match and match[2] == folder.name:
                recordings.append(Recording(path, match[1], place=match[2]))
            elif path.suffix.lower() in folders.SUFFIXES and not folders.is_leftover(path.name):
                tree.unlabelled.append(path)
    return Listing(NAME, tuple(recordings), tuple(recordings), tree=tree)


def _speakers(root: Path) -> list[Path]:
    """The folders of speakers, in ``data`` or in the root itself."""
    place = root / "data" if (root / "data").is_dir() else root
    return sorted(path for path in place.iterdir() if path.is_dir() and _SPEAKER.fullmatch(path.name))
