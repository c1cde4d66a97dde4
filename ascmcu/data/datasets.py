"""Labelled recordings and the parts they are dealt into, from the layouts that data sets come in.

``load`` tells them apart:

* TAU Urban Acoustic Scenes: ``meta.csv`` and the official split in ``evaluation_setup/``; its parts are
  ``train`` and ``test`` (the files call the latter's labelled list ``evaluate``).
* a table (``meta.csv`` in the folder, or any CSV): one row per recording, with its class and, where it has
  them, its fold or split, its device and its place. ESC-10, ESC-50 and our synthetic scenes are such.
* a folder of class folders, with an optional level of part folders above: ``[train/]dog/*.wav``.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ascmcu.errors import DataError

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg")
PART_FOLDERS = ("train", "validate", "validation", "val", "test", "evaluate")


@dataclass(frozen=True)
class Columns:
    """The names of a table's columns; of several the first that the table has is taken."""

    file: tuple[str, ...] = ("filename", "file", "path")
    label: tuple[str, ...] = ("category", "scene_label", "label", "class")
    part: tuple[str, ...] = ("fold", "split", "part")
    device: tuple[str, ...] = ("source_label", "device")
    place: tuple[str, ...] = ("identifier", "location")


@dataclass(frozen=True)
class Recording:
    """One labelled file; ``part``, ``device`` and ``place`` are empty where the data set does not say."""

    path: Path
    label: str
    part: str = ""
    device: str = ""
    place: str = ""


@dataclass(frozen=True)
class Dataset:
    """Recordings in the data set's own order; ``labels`` are sorted, their index is the class."""

    root: Path
    labels: tuple[str, ...]
    recordings: tuple[Recording, ...]

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts there are, sorted."""
        return tuple(sorted({recording.part for recording in self.recordings}))

    def only(self, parts: Sequence[str]) -> Dataset:
        """The recordings of some parts, with all the labels.

        Raises:
            DataError: there is no such part.
        """
        for part in parts:
            if part not in self.parts:
                raise DataError(
                    f"the data set has no part {part!r}", where=str(self.root), expected=", ".join(self.parts)
                )
        return replace(self, recordings=tuple(r for r in self.recordings if r.part in parts))

    def targets(self) -> list[int]:
        """The class of every recording."""
        index = {label: number for number, label in enumerate(self.labels)}
        return [index[recording.label] for recording in self.recordings]


def load(source: Path, columns: Columns | None = None) -> Dataset:
    """Read a data set's list; no audio is opened.

    Args:
        source: a folder, or a table within the data set's folder.
        columns: the table's columns, where they have other names than usual.

    Raises:
        DataError: nothing there, no labels, or a listed file is absent.
    """
    if not source.exists():
        raise DataError("no such data set", where=str(source))
    table = source if source.is_file() else source / "meta.csv"
    recordings = _from_table(table, columns or Columns()) if table.is_file() else _from_folders(source)
    if source.is_dir() and (source / "evaluation_setup").is_dir():
        recordings = _officially_split(recordings, source / "evaluation_setup")
    if not recordings:
        raise DataError(
            "no recordings found",
            where=str(source),
            expected="meta.csv with the columns filename and category, or a folder per class",
        )
    labels = tuple(sorted({recording.label for recording in recordings}))
    return Dataset(table.parent if table.is_file() else source, labels, tuple(recordings))


def split(dataset: Dataset, fractions: dict[str, float], seed: int = 1) -> Dataset:
    """Deal a data set into parts, class by class, keeping the recordings of one place together.

    Args:
        dataset: what its recordings' own parts say is replaced.
        fractions: part → share; they sum to one.
        seed: of the shuffle.

    Raises:
        DataError: the shares do not sum to one, or a class has too few places to fill the parts.
    """
    if abs(sum(fractions.values()) - 1.0) > 1e-6:
        raise DataError("the parts' shares must sum to one", found=fractions)
    rng = np.random.default_rng(seed)
    part_of: dict[tuple[str, str], str] = {}
    for label in dataset.labels:
        groups = sorted({_group(r) for r in dataset.recordings if r.label == label})
        if len(groups) < len(fractions):
            raise DataError(
                "too few recordings to split", where=label, expected=len(fractions), found=len(groups)
            )
        ends = np.round(np.cumsum(list(fractions.values())) * len(groups))
        for position, chosen in enumerate(rng.permutation(len(groups))):
            number = int(np.searchsorted(ends, position, side="right"))
            part_of[label, groups[chosen]] = list(fractions)[number]
    return replace(
        dataset, recordings=tuple(replace(r, part=part_of[r.label, _group(r)]) for r in dataset.recordings)
    )


def _group(recording: Recording) -> str:
    return recording.place or str(recording.path)


def _from_table(table: Path, columns: Columns) -> list[Recording]:
    with table.open(newline="", encoding="utf-8-sig") as file:
        head = file.readline()
        file.seek(0)
        rows = csv.DictReader(file, delimiter="\t" if "\t" in head else ",")
        there = rows.fieldnames or []
        found = {
            field: next((n for n in names if n in there), None) for field, names in vars(columns).items()
        }
        for field in ("file", "label"):
            if found[field] is None:
                raise DataError(
                    f"the table has no column for the {field}",
                    where=str(table),
                    expected=" or ".join(getattr(columns, field)),
                    found=", ".join(there),
                )
        recordings = [_recording(table, number, row, found) for number, row in enumerate(rows, start=2)]
    _no_duplicates(recordings, table)
    return recordings


def _officially_split(recordings: list[Recording], setup: Path) -> list[Recording]:
    """The recordings that the official lists name, in the lists' order, each with its part."""
    by_name = {f"{r.path.parent.name}/{r.path.name}": r for r in recordings}
    dealt = []
    for part, name in (("train", "fold1_train.csv"), ("test", "fold1_evaluate.csv")):
        try:
            with (setup / name).open(newline="", encoding="utf-8-sig") as file:
                listed = [row["filename"].strip() for row in csv.DictReader(file, delimiter="\t")]
        except (OSError, KeyError) as error:
            raise DataError("cannot read the official split", where=str(setup / name), found=error) from error
        for filename in listed:
            if filename not in by_name:
                raise DataError("the official split names a recording that meta.csv lacks", where=filename)
            dealt.append(replace(by_name[filename], part=part))
    return dealt


def _recording(table: Path, line: int, row: dict[str, str], found: dict[str, str | None]) -> Recording:
    values = {field: (row.get(name) or "").strip() if name else "" for field, name in found.items()}
    if not values["file"] or not values["label"]:
        raise DataError("a row lacks its file or its label", where=f"{table}:{line}", found=row)
    # ESC names files without their folder; TAU writes audio/… in front.
    for candidate in (table.parent / values["file"], table.parent / "audio" / values["file"]):
        if candidate.is_file():
            return Recording(candidate, values["label"], values["part"], values["device"], values["place"])
    raise DataError("a listed recording is missing", where=f"{table}:{line}", found=values["file"])


def _no_duplicates(recordings: list[Recording], table: Path) -> None:
    path, count = (
        Counter(recording.path for recording in recordings).most_common(1)[0] if recordings else ("", 1)
    )
    if count > 1:
        raise DataError(
            "a recording is listed more than once", where=str(table), found=f"{path} ({count} times)"
        )


def _from_folders(root: Path) -> list[Recording]:
    tops = [folder for folder in sorted(root.iterdir()) if folder.is_dir()]
    if tops and all(folder.name in PART_FOLDERS for folder in tops):
        return [r for top in tops for r in _from_class_folders(top, top.name)]
    return _from_class_folders(root, "")


def _from_class_folders(root: Path, part: str) -> list[Recording]:
    return [
        Recording(path, folder.name, part)
        for folder in sorted(root.iterdir())
        if folder.is_dir()
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in AUDIO_SUFFIXES
    ]
