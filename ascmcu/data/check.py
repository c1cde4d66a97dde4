"""What is wrong with a data set: files that are missing, twice there, unreadable, or on both sides of a split."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ascmcu.data import audio, datasets
from ascmcu.data.datasets import Columns, Recording
from ascmcu.errors import DataError


@dataclass(frozen=True)
class Heard:
    """What decoding a file told; ``problem`` is empty where it could be read."""

    digest: str = ""
    rate_hz: int = 0
    channels: int = 0
    seconds: float = 0.0
    silent: bool = False
    problem: str = ""


@dataclass(frozen=True)
class Report:
    """Findings; a data set with none of the first six is sound.

    Args:
        missing: listed, and not there.
        unlisted_in_meta: named by an official split, and not by meta.csv.
        repeated: named more than once by the table or by the official split.
        unreadable: file → why.
        duplicates: files of equal sound, whatever they are called.
        leaks: place → the parts that it is in, where one is for training and another is not.
        unlisted: in the audio folder, and in no list.
        silent: nothing but zeros.
        formats: "44100 Hz, 1 channel, 10.0 s" → how many.
    """

    recordings: int
    missing: tuple[str, ...]
    unlisted_in_meta: tuple[str, ...]
    repeated: tuple[str, ...]
    unreadable: dict[str, str]
    duplicates: tuple[tuple[str, ...], ...]
    leaks: dict[str, tuple[str, ...]]
    unlisted: tuple[str, ...]
    silent: tuple[str, ...]
    formats: dict[str, int]

    @property
    def sound(self) -> bool:
        """Whether a training on this data set would be what it claims to be."""
        lists = self.missing or self.unlisted_in_meta or self.repeated
        return not (lists or self.unreadable or self.duplicates or self.leaks)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, with ``sound``."""
        return {"sound": self.sound, **dataclasses.asdict(self)}


def check(
    source: Path,
    columns: Columns | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Report:
    """Read every recording of a data set and compare.

    Args:
        source: a folder or a table, as ``datasets.load`` takes it.
        progress: called with the files done and the files in all.

    Raises:
        DataError: there is no list, or one that cannot be read.
    """
    survey = datasets.survey(source, columns)
    recordings = tuple(dict.fromkeys(survey.recordings))
    heard = dict(zip(recordings, _all_heard(recordings, progress), strict=True))
    names = {recording: _name(recording.path, survey.root) for recording in recordings}
    readable = {recording: told for recording, told in heard.items() if not told.problem}
    listed = {recording.path.resolve() for recording in survey.listed}
    return Report(
        recordings=len(survey.recordings),
        missing=tuple(_name(Path(path), survey.root) for path in survey.missing),
        unlisted_in_meta=survey.unlisted_in_meta,
        repeated=tuple(_name(Path(path), survey.root) for path in survey.repeated),
        unreadable={names[r]: told.problem for r, told in heard.items() if told.problem},
        duplicates=_duplicates({names[r]: told.digest for r, told in readable.items() if not told.silent}),
        leaks=leaks(recordings),
        unlisted=tuple(_name(p, survey.root) for p in _audio_files(recordings) if p.resolve() not in listed),
        silent=tuple(names[r] for r, told in readable.items() if told.silent),
        formats=dict(Counter(_format(told) for told in readable.values()).most_common()),
    )


def leaks(recordings: Sequence[Recording]) -> dict[str, tuple[str, ...]]:
    """Places that more than one part has: what was learned there would be asked there again."""
    parts: dict[str, set[str]] = defaultdict(set)
    for recording in recordings:
        if recording.place and recording.part:
            parts[recording.place].add(recording.part)
    return {place: tuple(sorted(found)) for place, found in sorted(parts.items()) if len(found) > 1}


def _all_heard(recordings: Sequence[Recording], progress: Callable[[int, int], None]) -> list[Heard]:
    # Decoding is C code that lets other threads run.
    told = []
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for done, heard in enumerate(pool.map(_heard, (r.path for r in recordings)), start=1):
            told.append(heard)
            progress(done, len(recordings))
    return told


def _heard(path: Path) -> Heard:
    try:
        samples, rate_hz = audio.read(path)
    except DataError as error:
        return Heard(problem=str(error.found))
    if not len(samples):
        return Heard(problem="no samples")
    return Heard(
        digest=hashlib.sha256(samples.astype("<f4").tobytes()).hexdigest(),
        rate_hz=rate_hz,
        channels=samples.shape[1],
        seconds=round(len(samples) / rate_hz, 1),
        silent=not samples.any(),
    )


def _duplicates(digests: dict[str, str]) -> tuple[tuple[str, ...], ...]:
    alike: dict[str, list[str]] = defaultdict(list)
    for name, digest in digests.items():
        alike[digest].append(name)
    return tuple(tuple(sorted(names)) for names in alike.values() if len(names) > 1)


def _audio_files(recordings: Sequence[Recording]) -> list[Path]:
    """All that lies where the recordings lie."""
    folders = sorted({recording.path.parent for recording in recordings})
    return [
        path
        for folder in folders
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in datasets.AUDIO_SUFFIXES
    ]


def _format(heard: Heard) -> str:
    channels = "1 channel" if heard.channels == 1 else f"{heard.channels} channels"
    return f"{heard.rate_hz} Hz, {channels}, {heard.seconds} s"


def _name(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
