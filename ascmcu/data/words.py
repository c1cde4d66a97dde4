# SPDX-License-Identifier: Apache-2.0
"""Keyword spotting: some words as classes, all others as *unknown*, noise as *silence*.

The published tasks choose 10 of Speech Commands' 35 words and add two classes. *Silence* is cut from the background
recordings in pieces of one second, half a second apart, as TensorFlow Datasets and MLPerf Tiny do it. All other
words are *unknown*; they stay more numerous than a word.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path

import soundfile

from ascmcu import paths
from ascmcu.data import audio
from ascmcu.data.datasets import Dataset
from ascmcu.data.labels import natural_order
from ascmcu.data.listing import Recording
from ascmcu.errors import DataError, near

PIECE_S = 1.0
STEP_S = 0.5


def is_unknown(label: str) -> bool:
    """Whether a class of this name takes the words that have no class."""
    return label.strip("_").casefold() == "unknown"


def is_silence(label: str) -> bool:
    """Whether a class of this name takes the background noise."""
    return label.strip("_").casefold() == "silence"


def choose(dataset: Dataset, classes: Sequence[str]) -> Dataset:
    """The data set with these classes alone.

    Args:
        dataset: any; what has no class is left out, or is *unknown* where that is a class and the data has none.
        classes: names of the data set's classes, and of *unknown* and *silence*, with or without ``_`` around them.

    Returns:
        The recordings of the classes, in the data set's order; silence at the end. The labels are in natural order.

    Raises:
        DataError: a class that the data set lacks, or one that is named twice.
    """
    twice = _twice(dataset, classes)
    if twice:
        raise DataError("a class is named twice", where=str(dataset.root), found=", ".join(twice))
    unknown = next((n for n in classes if is_unknown(n) and n not in dataset.labels), None)
    silence = next((n for n in classes if is_silence(n) and n not in dataset.labels), None)
    for name in classes:
        if name not in dataset.labels and name not in (unknown, silence):
            known = _choosable(dataset)
            raise DataError(
                "the data set has no such class",
                where=str(dataset.root),
                expected=", ".join(known),
                found=name,
                hint=near(name, known),
            )
    if silence is not None and not dataset.backgrounds:
        raise DataError(
            "the data set has no background noise to cut silence from",
            where=str(dataset.root),
            expected="_background_noise_/*.wav, as Speech Commands has it",
        )
    if dataset.multi_label:
        return _tagged(dataset, classes)
    kept = [
        recording if recording.label in classes else dataclasses.replace(recording, label=str(unknown))
        for recording in dataset.recordings
        if recording.label in classes or unknown is not None
    ]
    if silence is not None:
        kept += [piece for noise in dataset.backgrounds for piece in _pieces(noise, silence)]
    return dataclasses.replace(dataset, labels=natural_order(classes), recordings=tuple(kept))


def _tagged(dataset: Dataset, classes: Sequence[str]) -> Dataset:
    """The recordings that have one of the classes, with those of their classes alone.

    Raises:
        DataError: *unknown* or *silence*, which single-label data have.
    """
    made = [name for name in classes if name not in dataset.labels]
    if made:
        raise DataError(
            "a recording of several classes is of no made class",
            where=str(dataset.root),
            expected=", ".join(dataset.labels),
            found=", ".join(made),
        )
    kept = [
        recording.with_tags([tag for tag in recording.tags if tag in classes])
        for recording in dataset.recordings
        if any(tag in classes for tag in recording.tags)
    ]
    return dataclasses.replace(dataset, labels=natural_order(classes), recordings=tuple(kept))


def without_silence(dataset: Dataset) -> str:
    """What is to be said where *silence* lies in some parts alone, as with one background recording; else nothing."""
    cut = {r.part for r in dataset.recordings if is_silence(r.label)}
    missing = [part for part in dataset.parts if part not in cut]
    if not cut or not missing:
        return ""
    name = next(label for label in dataset.labels if is_silence(label))
    return f"{name!r} is in {', '.join(sorted(cut))} alone, not in {', '.join(missing)}"


def _twice(dataset: Dataset, classes: Sequence[str]) -> list[str]:
    """Names of one class: the same name, or several of *unknown* or of *silence*."""
    for name in classes:
        same = [other for other in classes if other == name]
        for means in (is_unknown, is_silence):
            if means(name) and name not in dataset.labels:
                same = [other for other in classes if means(other) and other not in dataset.labels]
        if len(same) > 1:
            return list(dict.fromkeys(same))
    return []


def _choosable(dataset: Dataset) -> list[str]:
    """The data set's classes, and what ``choose`` can make of it."""
    made = ((is_unknown, "_unknown_", True), (is_silence, "_silence_", bool(dataset.backgrounds)))
    own = [name for means, name, can in made if can and not any(map(means, dataset.labels))]
    return [*dataset.labels, *own]


def of_recipe(dataset: Dataset, classes: Sequence[str]) -> Dataset:
    """The data set with the classes that a recipe names; all where it names none.

    Raises:
        DataError: as ``choose``.
    """
    return choose(dataset, classes) if classes else dataset


def of_network(dataset: Dataset, classes: Sequence[str]) -> tuple[Dataset, tuple[str, ...]]:
    """The data set as a network hears it whose classes are words, *unknown* and *silence*; and what is to be said.

    Args:
        dataset: unchanged where the network has no such class, or the data has it itself.
        classes: the network's.
    """
    others = [label for label in dataset.labels if label not in classes]
    unknown = (
        next((n for n in classes if is_unknown(n) and n not in dataset.labels), None) if others else None
    )
    silence = next((n for n in classes if is_silence(n) and n not in dataset.labels), None)
    silence = silence if dataset.backgrounds else None
    if unknown is None and silence is None:
        return dataset, ()
    heard = [name for name in classes if name in dataset.labels or name in (unknown, silence)]
    told = f"{len(others)} other words count as {unknown!r}" if unknown is not None else ""
    cut = f"{silence!r} is cut from the background recordings" if silence is not None else ""
    return choose(dataset, heard), ("; ".join(filter(None, (told, cut))),)


def _pieces(noise: Recording, label: str) -> list[Recording]:
    """The pieces of a background recording, written once into the user's cache.

    Raises:
        DataError: it cannot be read.
    """
    status = noise.path.stat()
    identity = f"{noise.path.resolve()}\0{status.st_size}\0{status.st_mtime_ns}\0{PIECE_S}\0{STEP_S}"
    folder = paths.cache() / "pieces" / hashlib.sha256(identity.encode()).hexdigest()[:24]
    if not (folder / "whole").is_file():
        _cut(noise.path, folder)
    return [
        Recording(path, label, noise.part, place=noise.path.name) for path in sorted(folder.glob("*.wav"))
    ]


def _cut(source: Path, folder: Path) -> None:
    """Write the pieces of a recording; the file ``whole`` says that all are there."""
    sound = audio.usable(source)
    length, step = round(PIECE_S * sound.rate_hz), round(STEP_S * sound.rate_hz)
    folder.mkdir(parents=True, exist_ok=True)
    for number, start in enumerate(range(0, len(sound.samples) - length, step)):
        path = folder / f"{source.stem}_{number:04d}.wav"
        soundfile.write(path, sound.samples[start : start + length], sound.rate_hz, subtype="PCM_16")
    paths.write_whole(folder / "whole", "")
