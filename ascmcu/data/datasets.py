# SPDX-License-Identifier: Apache-2.0
"""Labelled recordings and their parts.

``load`` reads a data set in the layout that its makers gave it (``data.layouts``, one file each): TAU Urban Acoustic
Scenes, UrbanSound8K, Speech Commands, FSD50K, AudioSet, tables such as ESC-50's, Hugging Face's and Edge Impulse's
folders, AudioMNIST, machine sounds, or a folder per class.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ascmcu.data import folders, layouts
from ascmcu.data.labels import natural_order
from ascmcu.data.listing import Columns, Recording
from ascmcu.errors import DataError

__all__ = ["Columns", "Dataset", "Recording", "Survey", "load", "split", "survey"]


@dataclass(frozen=True)
class Dataset:
    """Recordings in the data set's own order; ``labels`` are in natural order, their index is the class.

    It is multi-label where its recordings have ``tags``: each may have several classes.

    ``unions`` are names of several parts together. ``backgrounds`` are long recordings of noise, examples of no class.
    """

    root: Path
    labels: tuple[str, ...]
    recordings: tuple[Recording, ...]
    layout: str = ""
    unions: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    backgrounds: tuple[Recording, ...] = ()

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts there are, sorted."""
        return tuple(sorted({recording.part for recording in self.recordings}))

    def only(self, parts: Sequence[str]) -> Dataset:
        """The recordings of some parts, with all the labels.

        Raises:
            DataError: there is no such part.
        """
        chosen = {part for name in parts for part in self.parts_of(name)}
        kept = tuple(r for r in self.recordings if r.part in chosen)
        return replace(
            self, recordings=kept, backgrounds=tuple(r for r in self.backgrounds if r.part in chosen)
        )

    def parts_of(self, name: str) -> tuple[str, ...]:
        """The parts that a name means: one, or those of a union.

        Raises:
            DataError: there is no such part.
        """
        return self.unions[name] if name in self.unions else (self.part(name),)

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
            expected=", ".join(dict.fromkeys((*self.parts, *self.unions))) or "a data set with parts",
            hint=None if self.parts else "for a run of `ascmcu train FOLDER`, --data takes its split.csv",
        )

    @property
    def devices(self) -> tuple[str, ...]:
        """The devices that recorded, sorted; empty where the data set does not say."""
        return tuple(sorted({recording.device for recording in self.recordings} - {""}))

    def of_devices(self, devices: Sequence[str]) -> Dataset:
        """The recordings of some devices, with all the labels; every device has some.

        Raises:
            DataError: the data set does not say which device recorded what, or one of these recorded nothing.
        """
        absent = [device for device in devices if device not in self.devices]
        if absent:
            raise DataError(
                f"no recording of device {absent[0]!r}" if self.devices else "the recordings name no devices",
                where=str(self.root),
                expected=", ".join(self.devices) or "a column source_label or device in the table",
                found=", ".join(absent),
                hint=None if self.devices else "--column device=NAME names the column",
            )
        return replace(self, recordings=tuple(r for r in self.recordings if r.device in devices))

    @property
    def multi_label(self) -> bool:
        """Whether a recording may have several classes."""
        return any(recording.tags for recording in self.recordings)

    def targets(self) -> npt.NDArray[np.int64]:
        """The class of every recording: its index, (recordings,); with several classes 0 or 1 for each of them,
        (recordings, classes)."""
        index = {label: number for number, label in enumerate(self.labels)}
        if not self.multi_label:
            return np.array([index[recording.label] for recording in self.recordings], np.int64)
        table = np.zeros((len(self.recordings), len(self.labels)), np.int64)
        for row, recording in enumerate(self.recordings):
            table[row, [index[tag] for tag in recording.tags]] = 1
        return table


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
        layout: the name of the layout that it was read in.
        unions, backgrounds: as ``Dataset`` has them.
        vocabulary, unavailable: as ``Listing`` has them.
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
    layout: str = ""
    unions: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    backgrounds: tuple[Recording, ...] = ()
    vocabulary: tuple[str, ...] = ()
    unavailable: int = 0


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
    labels = natural_order(found.vocabulary or _classes(found.recordings))
    return Dataset(found.root, labels, found.recordings, found.layout, found.unions, found.backgrounds)


def _classes(recordings: Sequence[Recording]) -> list[str]:
    """The names of the recordings' classes."""
    return list(dict.fromkeys(name for recording in recordings for name in recording.classes))


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
    listing = layouts.read(source, columns or Columns())
    tree = listing.tree
    if not listing.recordings and not listing.missing and not tree.unreachable:
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
        listing.recordings,
        listing.listed,
        listing.missing,
        listing.unknown,
        _repeated(listing.listed) or _repeated(listing.recordings),
        unlabelled=names(tree.unlabelled),
        unreachable={names([Path(path)])[0]: why for path, why in tree.unreachable.items()}
        | _bad_labels(listing.listed),
        ignored=names(tree.ignored),
        empty=names(tree.empty),
        twins=folders.twins(_classes(listing.listed)),
        layout=listing.layout,
        unions=listing.unions,
        backgrounds=listing.backgrounds,
        vocabulary=listing.vocabulary,
        unavailable=listing.unavailable,
    )


def _bad_labels(listed: Sequence[Recording]) -> dict[str, str]:
    """Classes of a table whose names cannot be written."""
    labels = _classes(listed)
    return {folders.readable_name(label): why for label in labels if (why := folders.unwritable(label))}


def split(dataset: Dataset, fractions: dict[str, float], seed: int = 1) -> Dataset:
    """Deal a data set into parts, class by class, keeping the recordings of one place together.

    A place with recordings of several classes, such as a speaker, counts for the class that the fewest recordings have;
    one that too few have to fill the parts is dealt among all.

    Args:
        dataset: what its recordings' own parts say is replaced.
        fractions: part → share; they sum to one.
        seed: of the shuffle.

    Raises:
        DataError: the shares do not sum to one, or a class has too few places to fill the parts.
    """
    if abs(sum(fractions.values()) - 1.0) > 1e-6:
        raise DataError("the parts' shares must sum to one", found=fractions)
    if dataset.multi_label or _places_span_classes(dataset):
        return _split_places(dataset, fractions, seed)
    rng = np.random.default_rng(seed)
    part_of: dict[tuple[str, str], str] = {}
    for label in dataset.labels:
        groups = sorted({_group(r) for r in dataset.recordings if r.label == label})
        if len(groups) < len(fractions):
            raise DataError(
                "too few recordings to split", where=label, expected=len(fractions), found=len(groups)
            )
        dealt = _dealt(groups, fractions, rng)
        part_of |= {(label, group): part for group, part in dealt.items()}
    return replace(
        dataset, recordings=tuple(replace(r, part=part_of[r.label, _group(r)]) for r in dataset.recordings)
    )


def _dealt(groups: Sequence[str], fractions: dict[str, float], rng: np.random.Generator) -> dict[str, str]:
    """Group → part, by shares; no part goes without."""
    ends = np.round(np.cumsum(list(fractions.values())) * len(groups))
    # At least one place is left for each part that follows.
    parts = np.arange(1, len(fractions) + 1)
    ends = np.clip(ends, parts, len(groups) - len(fractions) + parts)
    return {
        groups[chosen]: list(fractions)[int(np.searchsorted(ends, position, side="right"))]
        for position, chosen in enumerate(rng.permutation(len(groups)))
    }


def _places_span_classes(dataset: Dataset) -> bool:
    """Whether a place has recordings of more than one class."""
    classes: dict[str, str] = {}
    return any(classes.setdefault(r.place, r.label) != r.label for r in dataset.recordings if r.place)


def _split_places(dataset: Dataset, fractions: dict[str, float], seed: int) -> Dataset:
    """Deal places of several classes; a place is in one part, with the rarest of its classes."""
    count = Counter(name for recording in dataset.recordings for name in recording.classes)
    rarest: dict[str, str] = {}
    for recording in dataset.recordings:
        group = _group(recording)
        known = [rarest[group]] if group in rarest else []
        rarest[group] = min((*recording.classes, *known), key=lambda name: (count[name], name))
    of_tag: dict[str, list[str]] = {}
    for group, tag in sorted(rarest.items()):
        of_tag.setdefault(tag, []).append(group)
    few = [group for groups in of_tag.values() if len(groups) < len(fractions) for group in groups]
    strata = [groups for groups in of_tag.values() if len(groups) >= len(fractions)]
    if few:
        strata = (
            [*strata, few] if len(few) >= len(fractions) or not strata else [*strata[:-1], strata[-1] + few]
        )
    if len(strata[0]) < len(fractions):
        raise DataError(
            "too few recordings to split", where=str(dataset.root), expected=len(fractions), found=len(rarest)
        )
    rng = np.random.default_rng(seed)
    part_of = {group: part for groups in strata for group, part in _dealt(groups, fractions, rng).items()}
    return replace(dataset, recordings=tuple(replace(r, part=part_of[_group(r)]) for r in dataset.recordings))


def _group(recording: Recording) -> str:
    return recording.place or str(recording.path)


def _repeated(recordings: Sequence[Recording]) -> tuple[str, ...]:
    counts = Counter(str(recording.path) for recording in recordings)
    return tuple(f"{path} ({count} times)" for path, count in counts.items() if count > 1)
