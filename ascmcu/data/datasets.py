# SPDX-License-Identifier: Apache-2.0
"""Labelled recordings and their parts, from the usual layouts of data sets.

``load`` tells them apart:

* TAU Urban Acoustic Scenes: ``meta.csv`` and the official split in ``evaluation_setup/``; its parts are
  ``train`` and ``test`` (the files call the latter's labelled list ``evaluate``).
* a table (``meta.csv`` or ESC-50's ``meta/esc50.csv`` in the folder, or any CSV): one row per recording, with
  its class and, where it has them, its fold or split, its device and its place. ESC-10, ESC-50 and our synthetic
  scenes are such.
* a folder of class folders, with a level of part folders above or below, or none: ``[train/]dog/*.wav``
  (``folders``).
"""

from __future__ import annotations

import csv
import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ascmcu.data import folders
from ascmcu.data.labels import natural_order
from ascmcu.errors import DataError, why


@dataclass(frozen=True)
class Columns:
    """The names of a table's columns; of several the first that the table has is taken."""

    file: tuple[str, ...] = ("filename", "file", "path")
    label: tuple[str, ...] = ("category", "scene_label", "label", "class")
    part: tuple[str, ...] = ("fold", "split", "part")
    device: tuple[str, ...] = ("source_label", "device")
    place: tuple[str, ...] = ("identifier", "location", "src_file")

    @staticmethod
    def named(fields: Sequence[str]) -> Columns:
        """The usual names, but for those given as ``field=name``.

        Raises:
            DataError: there is no such field.
        """
        given = {}
        for text in fields:
            field, equals, name = text.partition("=")
            if not equals or field not in Columns.__dataclass_fields__:
                raise DataError(
                    "invalid --column",
                    where=text,
                    expected="one of " + ", ".join(f"{known}=NAME" for known in Columns.__dataclass_fields__),
                )
            given[field] = (name,)
        return Columns(**given)


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
    """Recordings in the data set's own order; ``labels`` are in natural order, their index is the class."""

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
        chosen = [self.part(name) for name in parts]
        return replace(self, recordings=tuple(r for r in self.recordings if r.part in chosen))

    def part(self, name: str) -> str:
        """The part of this name; ``training`` means train, ``fold3`` and ``fold=3`` mean 3, in any case.

        Raises:
            DataError: there is no such part.
        """
        if name in self.parts:
            return name
        meant = folders.part_of(name)
        for there in self.parts:
            if meant is not None and meant in (there, folders.part_of(there)):
                return there
        raise DataError(
            f"the data set has no part {name!r}",
            where=str(self.root),
            expected=", ".join(self.parts) or "a data set with parts",
            hint=None if self.parts else "for a run of `ascmcu train FOLDER`, --data takes its split.csv",
        )

    def targets(self) -> list[int]:
        """The class of every recording."""
        index = {label: number for number, label in enumerate(self.labels)}
        return [index[recording.label] for recording in self.recordings]


@dataclass(frozen=True)
class Survey:
    """What a data set lists, whether it is there or not.

    Args:
        recordings: those that are there, in the list's order, in the official split where there is one.
        missing: files that are not.
        unlisted_in_meta: files that the official split names and meta.csv does not.
        repeated: files that the table, or the official split, names more than once.
        listed: every recording of the list, also those that the official split leaves out.
        unlabelled: recordings in a folder where no class can be.
        unreachable: what cannot be opened, or has a name that cannot be written → why.
        ignored: hidden recordings, and what archivers leave behind.
        empty: class folders without a recording.
        twins: classes whose names differ in nothing but case, Unicode form or spaces around them.
    """

    root: Path
    recordings: tuple[Recording, ...]
    listed: tuple[Recording, ...]
    missing: tuple[str, ...] = ()
    unlisted_in_meta: tuple[str, ...] = ()
    repeated: tuple[str, ...] = ()
    unlabelled: tuple[str, ...] = ()
    unreachable: dict[str, str] = dataclasses.field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()
    twins: tuple[tuple[str, ...], ...] = ()


def load(source: Path, columns: Columns | None = None) -> Dataset:
    """Read a data set's list; no audio is opened.

    Args:
        source: a folder, or a table within the data set's folder.
        columns: the table's columns, where they have other names than usual.

    Raises:
        DataError: nothing there, no labels, a listed file is absent, or a file or folder has no place.
    """
    found = survey(source, columns)
    _refuse(found)
    labels = natural_order(recording.label for recording in found.recordings)
    return Dataset(found.root, labels, found.recordings)


def _refuse(found: Survey) -> None:
    """Nothing that lies in the data set is left out without a word."""
    kinds: tuple[tuple[str, Sequence[str]], ...] = (
        ("a listed recording is missing", found.missing),
        ("the official split names a recording that meta.csv lacks", found.unlisted_in_meta),
        ("a recording is listed more than once", found.repeated),
        (
            "a recording or folder cannot be used",
            [f"{name} ({why})" for name, why in found.unreachable.items()],
        ),
        ("a recording lies where no class can be", found.unlabelled),
        (
            "two classes differ in nothing but case, Unicode form or spaces",
            [" and ".join(f'"{name}"' for name in names) for names in found.twins],
        ),
    )
    for what, names in kinds:
        if names:
            more = f", and {len(names) - 1} more" if len(names) > 1 else ""
            raise DataError(
                what,
                where=str(found.root),
                found=f"{names[0]}{more}",
                hint="`ascmcu data check` lists all of them",
            )


def survey(source: Path, columns: Columns | None = None) -> Survey:
    """Read a data set's list, and say what of it is there.

    Raises:
        DataError: nothing there, or no labels.
    """
    if not source.exists():
        raise DataError("no such data set", where=folders.readable_name(str(source)))
    if problem := folders.unwritable(str(source)):
        raise DataError(
            "the data set cannot be named", where=folders.readable_name(str(source)), found=problem
        )
    table = _table_of(source)
    setup = source / "evaluation_setup"
    if setup.is_dir() and not table:
        raise DataError(
            "the data set has no table of its recordings",
            where=str(source / "meta.csv"),
            expected="a table of all recordings beside evaluation_setup/",
        )
    missing: list[str] = []
    unknown: list[str] = []
    tree = folders.Tree() if table else folders.read(source)
    if table:
        recordings = _from_table(table, columns or Columns(), missing)
    else:
        recordings = [Recording(placed.path, placed.label, placed.part) for placed in tree.placed]
    listed = recordings
    repeated = _repeated(recordings)
    if setup.is_dir():
        recordings = _officially_split(recordings, setup, set(missing), unknown)
        repeated = repeated or _repeated(recordings)
    if not recordings and not missing and not tree.unreachable:
        raise DataError(
            "no recordings found" if not tree.unlabelled else "the recordings lie in no folder of a class",
            where=str(source),
            expected="meta.csv with the columns filename and category, or a folder per class",
        )
    root = source if source.is_dir() else source.parent

    def names(paths: Sequence[Path]) -> tuple[str, ...]:
        return tuple(folders.readable_name(str(path.relative_to(root))) for path in paths)

    return Survey(
        root,
        tuple(recordings),
        tuple(listed),
        tuple(missing),
        tuple(unknown),
        repeated,
        unlabelled=names(tree.unlabelled),
        unreachable={names([Path(path)])[0]: why for path, why in tree.unreachable.items()}
        | _bad_labels(listed),
        ignored=names(tree.ignored),
        empty=names(tree.empty),
        twins=folders.twins([recording.label for recording in listed]),
    )


def _bad_labels(listed: Sequence[Recording]) -> dict[str, str]:
    """Classes of a table whose names cannot be written."""
    labels = dict.fromkeys(recording.label for recording in listed)
    return {folders.readable_name(label): why for label in labels if (why := folders.unwritable(label))}


def _table_of(source: Path) -> Path | None:
    """The table itself, or a folder's: ESC-50 has its own in ``meta/``."""
    if source.is_file():
        return source
    return next((p for p in (source / "meta.csv", source / "meta" / "esc50.csv") if p.is_file()), None)


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
        # No part goes without: at least one place is left for each that follows.
        parts = np.arange(1, len(fractions) + 1)
        ends = np.clip(ends, parts, len(groups) - len(fractions) + parts)
        for position, chosen in enumerate(rng.permutation(len(groups))):
            number = int(np.searchsorted(ends, position, side="right"))
            part_of[label, groups[chosen]] = list(fractions)[number]
    return replace(
        dataset, recordings=tuple(replace(r, part=part_of[r.label, _group(r)]) for r in dataset.recordings)
    )


def _group(recording: Recording) -> str:
    return recording.place or str(recording.path)


def _from_table(table: Path, columns: Columns, missing: list[str]) -> list[Recording]:
    """The table's recordings that are there; the names of the others join ``missing``."""
    rows, there = _rows(table)
    found = {field: next((n for n in names if n in there), None) for field, names in vars(columns).items()}
    for field in ("file", "label"):
        if found[field] is None:
            raise DataError(
                f"the table has no column for the {field}",
                where=str(table),
                expected=" or ".join(getattr(columns, field)),
                found=", ".join(there),
            )
    listed = [_recording(table, number, row, found) for number, row in enumerate(rows, start=2)]
    recordings = []
    for recording in listed:
        if recording.path.is_file():
            recordings.append(recording)
        else:
            missing.append(str(recording.path))
    return recordings


def _rows(
    table: Path, delimiter: str = "", problem: str = "cannot read the table"
) -> tuple[list[dict[str, str]], list[str]]:
    """A table's rows and its columns; tabs or commas unless told."""
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            head = file.readline()
            file.seek(0)
            rows = csv.DictReader(file, delimiter=delimiter or ("\t" if "\t" in head else ","))
            return list(rows), list(rows.fieldnames or [])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(problem, where=str(table), found=why(error)) from error


def _officially_split(
    recordings: list[Recording], setup: Path, missing: set[str], unknown: list[str]
) -> list[Recording]:
    """The recordings that the official lists name, in the lists' order, each with its part.

    Names that neither meta.csv nor ``missing`` has join ``unknown``.
    """
    absent = {f"{Path(path).parent.name}/{Path(path).name}" for path in missing}
    by_name = {f"{r.path.parent.name}/{r.path.name}": r for r in recordings}
    dealt = []
    for part, name in (("train", "fold1_train.csv"), ("test", "fold1_evaluate.csv")):
        rows, there = _rows(setup / name, "\t", "cannot read the official split")
        if "filename" not in there:
            raise DataError(
                "the official split names no files",
                where=str(setup / name),
                expected="a column filename, tabs between columns",
                found=", ".join(there),
            )
        for filename in ((row["filename"] or "").strip() for row in rows):
            if filename in by_name:
                dealt.append(replace(by_name[filename], part=part))
            elif filename not in absent:
                unknown.append(filename)
    return dealt


def _recording(table: Path, line: int, row: dict[str, str], found: dict[str, str | None]) -> Recording:
    values = {field: (row.get(name) or "").strip() if name else "" for field, name in found.items()}
    if not values["file"] or not values["label"]:
        raise DataError("a row has no file or no label", where=f"{table}:{line}", found=row)
    # TAU writes audio/… in front of the name; ESC-10 writes none, and ESC-50's table lies in a folder of its own.
    folders = (table.parent, table.parent / "audio", table.parent.parent / "audio")
    candidates = [folder / values["file"] for folder in folders]
    path = next((candidate for candidate in candidates if candidate.is_file()), candidates[0])
    return Recording(path, values["label"], values["part"], values["device"], values["place"])


def _repeated(recordings: list[Recording]) -> tuple[str, ...]:
    counts = Counter(str(recording.path) for recording in recordings)
    return tuple(f"{path} ({count} times)" for path, count in counts.items() if count > 1)
