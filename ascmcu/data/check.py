# SPDX-License-Identifier: Apache-2.0
"""Find the problems of a data set: missing, duplicate and unusable files, and leaks between parts."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ascmcu.data import datasets, folders, found, intake
from ascmcu.data.datasets import Columns, Recording
from ascmcu.data.found import KINDS, Found
from ascmcu.features.base import ClipSpec


@dataclass(frozen=True)
class Report:
    """Findings.

    Args:
        missing: listed, and not there.
        unlisted_in_meta: named by an official split, and not by meta.csv.
        repeated: named more than once by the table or by the official split.
        unreachable: what cannot be opened, or has a name that cannot be written → why.
        unlabelled: recordings in a folder where no class can be.
        twins: classes whose names differ in nothing but case, Unicode form or spaces around them.
        findings: kind (``found.KINDS``) → file → what exactly.
        duplicates: files of equal samples, whatever they are called.
        leaked: those of them that lie in several parts.
        contradictory: those of them that have several classes.
        leaks: place → the parts that it is in, where one is for training and another is not.
        unlisted: in the audio folder, and in no list.
        ignored: hidden, or left behind by an archiver.
        empty: class folders without a recording.
        unavailable: how many are listed and not there, in a data set that nobody has as a whole.
        formats: "44100 Hz, 1 channel, 10.0 s" → how many.
    """

    recordings: int
    missing: tuple[str, ...]
    unlisted_in_meta: tuple[str, ...]
    repeated: tuple[str, ...]
    unreachable: dict[str, str]
    unlabelled: tuple[str, ...]
    twins: tuple[tuple[str, ...], ...]
    findings: dict[str, dict[str, str]]
    duplicates: tuple[tuple[str, ...], ...]
    leaked: tuple[tuple[str, ...], ...]
    contradictory: tuple[tuple[str, ...], ...]
    leaks: dict[str, tuple[str, ...]]
    unlisted: tuple[str, ...]
    ignored: tuple[str, ...]
    empty: tuple[str, ...]
    formats: dict[str, int]
    unavailable: int = 0

    @property
    def faults(self) -> int:
        """How many findings keep a training on this data set from being what it claims to be."""
        found_in_files = sum(
            len(names) for kind, names in self.findings.items() if KINDS[kind].severity != "note"
        )
        others: tuple[Sequence[object] | dict[str, Any], ...] = (
            self.missing, self.unlisted_in_meta, self.repeated, self.unreachable, self.unlabelled, self.twins,
            self.duplicates, self.leaks,
        )  # fmt: skip
        return found_in_files + sum(map(len, others))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, with ``faults``."""
        return {"faults": self.faults, **dataclasses.asdict(self)}


def check(
    source: Path,
    columns: Columns | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    spec: ClipSpec | None = None,
) -> Report:
    """Read every recording of a data set and compare.

    Args:
        source: a folder or a table, as ``datasets.load`` takes it.
        columns: the table's columns, where they have other names than usual.
        progress: called with the files done and the files in all.
        spec: a front end; what it would make of the recordings is said too.

    Raises:
        DataError: there is no list, one that cannot be read, or folders whose classes cannot be told.
    """
    survey = datasets.survey(source, columns)
    recordings = tuple(dict.fromkeys(survey.recordings))
    told = dict(zip(recordings, intake.examine([r.path for r in recordings], progress), strict=True))
    names = {recording: _name(recording.path, survey.root) for recording in recordings}
    alike = _alike(told)
    listed = {recording.path.resolve() for recording in survey.listed}
    return Report(
        recordings=len(survey.recordings),
        missing=tuple(_name(Path(path), survey.root) for path in survey.missing),
        unlisted_in_meta=survey.unlisted_in_meta,
        repeated=tuple(_name(Path(path), survey.root) for path in survey.repeated),
        unreachable=survey.unreachable,
        unlabelled=survey.unlabelled,
        twins=survey.twins,
        findings=_findings({names[r]: one for r, one in told.items()}, spec),
        duplicates=_named(alike, names),
        leaked=_named([same for same in alike if len({r.part for r in same}) > 1], names),
        contradictory=_named([same for same in alike if len({r.label for r in same}) > 1], names),
        leaks=leaks(recordings, survey.unions),
        unlisted=tuple(_name(p, survey.root) for p in _audio_files(recordings) if p.resolve() not in listed),
        ignored=survey.ignored,
        empty=survey.empty,
        formats=dict(Counter(_format(one) for one in told.values() if one.samples).most_common()),
        unavailable=survey.unavailable,
    )


def leaks(
    recordings: Sequence[Recording], unions: Mapping[str, tuple[str, ...]] | None = None
) -> dict[str, tuple[str, ...]]:
    """Places that more than one part has: what was learned there would be asked there again.

    Parts that have a name together (``Listing.unions``) are one part here, under the name of the largest.
    """
    widest = max((unions or {}).items(), key=lambda union: len(union[1]), default=("", ()))
    whole = dict.fromkeys(widest[1], widest[0])
    parts: dict[str, set[str]] = defaultdict(set)
    for recording in recordings:
        if recording.place and recording.part:
            parts[recording.place].add(whole.get(recording.part, recording.part))
    return {place: tuple(sorted(there)) for place, there in sorted(parts.items()) if len(there) > 1}


def _findings(told: dict[str, Found], spec: ClipSpec | None) -> dict[str, dict[str, str]]:
    kinds: dict[str, dict[str, str]] = {kind: {} for kind in KINDS}
    for name, one in told.items():
        for finding in (*one.findings, *(found.in_clip(one, spec) if spec else ())):
            kinds[finding.kind][name] = finding.text
    return {kind: names for kind, names in kinds.items() if names}


def _alike(told: dict[Recording, Found]) -> list[list[Recording]]:
    """Recordings of equal samples; those without a sound are all alike and do not count."""
    alike: dict[tuple[str, int], list[Recording]] = defaultdict(list)
    for recording, one in told.items():
        if one.samples and "silent" not in one.kinds:
            alike[one.digest, one.channels].append(recording)
    return [same for same in alike.values() if len(same) > 1]


def _named(alike: list[list[Recording]], names: dict[Recording, str]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(sorted(names[recording] for recording in same)) for same in alike)


def _audio_files(recordings: Sequence[Recording]) -> list[Path]:
    """All that lies where the recordings lie."""
    where = sorted({recording.path.parent for recording in recordings})
    return [
        path
        for folder in where
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in folders.SUFFIXES and not folders.is_leftover(path.name)
    ]


def _format(one: Found) -> str:
    channels = "1 channel" if one.channels == 1 else f"{one.channels} channels"
    return f"{one.rate_hz} Hz, {channels}, {one.seconds:.1f} s"


def _name(path: Path, root: Path) -> str:
    return folders.readable_name(str(path.relative_to(root) if path.is_relative_to(root) else path))
