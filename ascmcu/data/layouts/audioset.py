# SPDX-License-Identifier: Apache-2.0
"""AudioSet (Gemmeke et al. 2017): multi-label; ``*_segments.csv`` and ``class_labels_indices.csv``.

A row of a segments list is a YouTube id, begin and end in seconds, and the ids of the classes in quotation marks; lines
that begin with ``#`` say what the columns are. The lists lie in the folder or in ``metadata/``. Google published
no audio: everybody has what could be downloaded. A segment is looked for below the folder as ``ID``, ``YID``,
``ID_BEGIN``, ``ID_BEGIN_END`` (in seconds or milliseconds), with any known suffix, in a folder of the list's name
first. What is not there is counted, and no fault. The parts are ``train``, of balanced and unbalanced lists, and
``test``, of ``eval_segments.csv``.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from ascmcu.data import folders, listing
from ascmcu.data.listing import Columns, Listing, Recording
from ascmcu.errors import DataError, why

NAME = "AudioSet"
_CLASSES = "class_labels_indices.csv"
_PLACES = (".", "metadata", "csv")


@dataclass(frozen=True)
class _Segment:
    video: str
    begin: str
    end: str
    classes: tuple[str, ...]

    def names(self) -> list[str]:
        """What the recording may be called, without its suffix."""
        begin, end = float(self.begin), float(self.end)
        times = [
            (self.begin, self.end),
            (f"{begin:g}", f"{end:g}"),
            (f"{1000 * begin:.0f}", f"{1000 * end:.0f}"),
        ]
        stems = [
            self.video,
            *(f"{self.video}_{a}_{b}" for a, b in times),
            *(f"{self.video}_{a}" for a, _ in times),
        ]
        return list(dict.fromkeys([*stems, *(f"Y{stem}" for stem in stems)]))


def is_here(root: Path) -> bool:
    """Whether a list of segments is there."""
    return bool(_lists(root))


def read(root: Path, columns: Columns) -> Listing:
    """The segments that have a recording.

    Raises:
        DataError: a list or the classes cannot be read, a class is unknown, or a segment is in train and test.
    """
    names = _names(root)
    lists = {path: _segments(path, names) for path in _lists(root)}
    _refuse_twice(lists)
    there = _recordings(root)
    found: list[Recording] = []
    wanted = 0
    for path, segments in lists.items():
        part = "test" if path.name.startswith("eval") else "train"
        wanted += len(segments)
        for segment in segments:
            candidates = [place for name in segment.names() for place in there.get(name, ())]
            if candidates:
                chosen = min(
                    candidates, key=lambda place: path.stem.partition("_segments")[0] not in str(place)
                )
                recording = Recording(chosen, "", part, place=segment.video)
                found.append(recording.with_tags([names[each] for each in segment.classes]))
    return Listing(
        NAME, tuple(found), tuple(found), vocabulary=tuple(names.values()), unavailable=wanted - len(found)
    )


def _lists(root: Path) -> list[Path]:
    return [path for place in _PLACES for path in sorted((root / place).glob("*_segments.csv"))]


def _names(root: Path) -> dict[str, str]:
    """Id of a class → its name."""
    path = next((root / place / _CLASSES for place in _PLACES if (root / place / _CLASSES).is_file()), None)
    if path is None:
        raise DataError(
            "AudioSet's classes have no names", where=str(root / _CLASSES), expected="index,mid,display_name"
        )
    rows, there = listing.rows(path, ",", "cannot read AudioSet's classes")
    if not {"mid", "display_name"} <= set(there):
        raise DataError(
            "AudioSet's classes have no names",
            where=str(path),
            expected="the columns index, mid, display_name",
            found=", ".join(there),
        )
    # A comma in a name would read as two classes.
    return {row["mid"]: row["display_name"].replace(", ", " / ") for row in rows}


def _segments(path: Path, names: dict[str, str]) -> list[_Segment]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = [line for line in file if not line.startswith("#")]
        rows = [row for row in csv.reader(lines, skipinitialspace=True) if row]
        found = [_Segment(row[0], row[1], row[2], listing.several(row[3])) for row in rows]
        for segment in found:
            segment.names()
    except (OSError, UnicodeDecodeError, csv.Error, IndexError, ValueError) as error:
        raise DataError(
            "cannot read a list of AudioSet's segments",
            where=str(path),
            expected='rows of YTID, begin, end, "classes"',
            found=why(error),
        ) from error
    for segment in found:
        unknown = [each for each in segment.classes if each not in names]
        if unknown or not segment.classes:
            raise DataError(
                "a segment has a class without a name",
                where=f"{path}: {segment.video}",
                expected=f"ids of {_CLASSES}",
                found=", ".join(unknown) or "no class",
            )
    return found


def _refuse_twice(lists: dict[Path, list[_Segment]]) -> None:
    seen: dict[str, Path] = {}
    for path, segments in lists.items():
        for segment in segments:
            if segment.video in seen:
                raise DataError(
                    "a recording is listed more than once",
                    where=str(path),
                    found=f"{segment.video}, also in {seen[segment.video].name}",
                )
            seen[segment.video] = path


def _recordings(root: Path) -> dict[str, list[Path]]:
    """Name without suffix → where such recordings lie."""
    found: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(root.rglob("*")):
        if path.suffix.lower() in folders.SUFFIXES and not folders.is_leftover(path.name):
            found[path.stem].append(path)
    return found
