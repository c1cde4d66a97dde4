# SPDX-License-Identifier: Apache-2.0
"""Speech Commands (Warden 2018): a folder per word, ``validation_list.txt`` and ``testing_list.txt``.

What neither list names is the part ``train``. The place is the speaker, whose recordings the lists keep in one part.
``_background_noise_`` holds noise of a minute or so: no word, but what silence is cut from (``data.words``). As
TensorFlow Datasets deals it, and with it MLPerf Tiny, ``running_tap.wav`` belongs to the part ``validation`` and the
others to ``train``.
"""

from __future__ import annotations

from pathlib import Path

from ascmcu.data import folders, listing
from ascmcu.data.listing import Columns, Listing, Recording
from ascmcu.errors import DataError, why

NAME = "Speech Commands"
NOISE = "_background_noise_"
_LISTS = {"validation": "validation_list.txt", "test": "testing_list.txt"}
_NOISE_TO_VALIDATE = "running_tap"


def is_here(root: Path) -> bool:
    """Whether one of its lists is there."""
    return any((root / name).is_file() for name in _LISTS.values())


def read(root: Path, columns: Columns) -> Listing:
    """The recordings of every word, each in its part.

    Raises:
        DataError: a list cannot be read or is absent, or names a file twice.
    """
    part_of = _parts(root)
    tree = folders.read(root)
    found = {f"{placed.label}/{placed.path.name}": placed for placed in tree.placed}
    listed = [
        Recording(placed.path, placed.label, part_of.get(name, "train"), place=_speaker(placed.path))
        for name, placed in found.items()
        if placed.label != NOISE
    ]
    absent = [
        Recording(root / name, Path(name).parent.name, part_of[name])
        for name in part_of.keys() - found.keys()
    ]
    noises = [placed.path for placed in tree.placed if placed.label == NOISE]
    return listing.there(
        NAME,
        [*listed, *sorted(absent, key=lambda recording: str(recording.path))],
        backgrounds=tuple(
            Recording(path, NOISE, "validation" if path.stem == _NOISE_TO_VALIDATE else "train")
            for path in noises
        ),
        tree=tree,
    )


def _parts(root: Path) -> dict[str, str]:
    """File as the lists name it → part."""
    parts: dict[str, str] = {}
    for part, name in _LISTS.items():
        try:
            lines = (root / name).read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(
                "cannot read a list of Speech Commands", where=str(root / name), found=why(error)
            ) from error
        for number, line in enumerate(filter(None, (line.strip() for line in lines)), start=1):
            if line in parts:
                raise DataError(
                    "a recording is listed more than once",
                    where=f"{root / name}:{number}",
                    found=f"{line} (part {parts[line]} too)",
                )
            parts[line] = part
    return parts


def _speaker(path: Path) -> str:
    """The hash of the speaker; the file's own name where it has none."""
    return path.stem.partition("_nohash_")[0]
