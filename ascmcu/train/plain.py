# SPDX-License-Identifier: Apache-2.0
"""A plain folder of classes: which recordings train and which test, and a recipe that fits them.

Nothing is asked of the user that the recordings tell. What was chosen, and what is doubtful, is said in ``notes``.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ascmcu import paths
from ascmcu.data import datasets, intake
from ascmcu.data.datasets import Dataset, Recording
from ascmcu.data.folders import part_of
from ascmcu.data.found import Found
from ascmcu.errors import DataError
from ascmcu.train import recipe as recipes
from ascmcu.train.recipe import Recipe

BASE = "folder"
SPLIT = "split.csv"
_SHARES = {"train": 0.7, "validate": 0.15, "test": 0.15}
_TEST = ("test", "eval", "evaluate", "evaluation")
_VALIDATE = ("val", "valid", "validate", "validation", "dev", "devel", "development")

# The longest clip that is chosen: a class that takes longer to tell is for whoever writes a recipe.
_CLIP_S_MAX, _CLIP_S_MIN = 10.0, 0.5
_RATES_HZ = (16000, 11025, 8000)
# Clips of at most this length are words and short events: finer steps in time.
_SHORT_S = 1.5
_LONG = ("features.n_fft=1024", "features.hop_length=512", "features.n_mels=64", "augment.time_mask_rows=20")
# Steps of the optimiser that the base recipe needs, and the epochs between which they are looked for.
_STEPS, _EPOCHS_MIN, _EPOCHS_MAX = 3000, 20, 300
_LARGE_CLIPS, _LARGE_BATCH = 5000, 64
# Below these, a figure or a class means little.
_CLASS_CLIPS, _TEST_CLIPS, _EPOCHS_FEW = 20, 50, 10
# A take, chunk or copy number at the end of a name: street_03_017, dog-2, bark 4, 1-100032-A.
_LAST = re.compile(r"(?<=.)[-_. ]+(?:\d+|[A-Za-z])$")
_SPEAKER = "_nohash_"  # Speech Commands: SPEAKER_nohash_TAKE


@dataclass(frozen=True)
class Planned:
    """The recipe, the recordings with their parts, and what to say of both before training."""

    recipe: Recipe
    dataset: Dataset
    notes: tuple[str, ...]


def plan(
    dataset: Dataset,
    folder: Path,
    changes: Sequence[str] = (),
    *,
    progress: intake.Progress = lambda done, total: None,
) -> Planned:
    """Choose parts, clip length, sample rate and epochs from the recordings.

    Args:
        dataset: as it was found.
        folder: of the run. A split that lies there is taken again; recordings that it lacks train.
        changes: of the recipe, as ``--set`` takes them; they win over what is chosen here.
        progress: called with the files read and the files in all.

    Raises:
        DataError: recordings that cannot be used, one class, or too few recordings of a class to split.
        InputError: a change that the recipe does not know.
    """
    if len(dataset.labels) < 2:
        raise DataError(
            "one class cannot be told from another",
            where=str(dataset.root),
            expected="a folder per class, two or more",
            found=", ".join(dataset.labels),
        )
    told = intake.usable([r.path for r in dataset.recordings], dataset.root, progress)
    notes: list[str] = []
    dealt, parts = _parts(_grouped(dataset, told, notes), folder, notes)
    chosen = [*parts, *_clip(told, notes), *_epochs(dealt, parts), *_task(dealt, notes)]
    recipe = dataclasses.replace(recipes.load(BASE, (*chosen, *changes)), name=dataset.root.name or BASE)
    return Planned(recipe, dealt, (*notes, *_doubts(recipe, dealt)))


def _task(dataset: Dataset, notes: list[str]) -> list[str]:
    """The words of a recipe for recordings of several classes."""
    if not dataset.multi_label:
        return []
    notes.append(f"multi-label: {len(dataset.labels)} classes, each with a sigmoid")
    return ["training.task=multi_label", "training.balance=false", "training.label_smoothing=0"]


def write_split(dataset: Dataset, folder: Path) -> Path:
    """Keep the split beside the run, as a table that ``--data`` takes."""
    folder.mkdir(parents=True, exist_ok=True)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    column = "labels" if dataset.multi_label else "category"
    writer.writerow(("filename", column, "split", "identifier"))
    writer.writerows((os.path.relpath(r.path, folder), r.label, r.part, r.place) for r in dataset.recordings)
    path = folder / SPLIT
    paths.write_whole(path, text.getvalue())
    return path


def _grouped(dataset: Dataset, told: Sequence[Found], notes: list[str]) -> Dataset:
    """Recordings with the place that keeps parts of one take together; those that the data set names stay."""
    if any(r.place for r in dataset.recordings):
        return dataset
    stems = [_origin(dataset.recordings, cuts) for cuts in range(4)]
    enough = (5, 5, 10, 10)
    cuts = max(n for n in range(4) if n == 0 or _fewest(dataset, stems[n]) >= enough[n])
    groups = list(stems[cuts])
    first: dict[str, str] = {}
    for number, one in enumerate(told):  # the same samples under two names are one recording
        groups[number] = first.setdefault(one.digest, groups[number]) if one.digest else groups[number]
    count = len({(r.label, g) for r, g in zip(dataset.recordings, groups, strict=True)})
    if count < len(groups):
        notes.append(
            f"{len(groups)} recordings in {count} groups by their names or samples; a group stays in one part"
        )
    # Names are counted anew in every class: two of one name in two of them have nothing in common.
    recordings = tuple(
        dataclasses.replace(r, place=f"{r.label}/{group}")
        for r, group in zip(dataset.recordings, groups, strict=True)
    )
    return dataclasses.replace(dataset, recordings=recordings)


def _origin(recordings: Sequence[Recording], cuts: int) -> list[str]:
    """Each recording's name without so many numbers or letters at its end."""
    names = []
    for r in recordings:
        stem = r.path.stem
        if cuts and _SPEAKER in stem:
            stem = stem.partition(_SPEAKER)[0]
        for _ in range(cuts):
            stem = _LAST.sub("", stem)
        names.append(str(r.path.with_name(stem)) if cuts == 0 else stem)
    return names


def _fewest(dataset: Dataset, groups: Sequence[str]) -> int:
    """Groups of the class that has the fewest."""
    of_class = {(r.label, g) for r, g in zip(dataset.recordings, groups, strict=True)}
    return min(Counter(label for label, _ in of_class).values())


def _parts(dataset: Dataset, folder: Path, notes: list[str]) -> tuple[Dataset, list[str]]:
    """The recordings with their parts, and the recipe's words for them."""
    named = [part for part in dataset.parts if part]
    if named:
        return dataset, _named_parts(dataset, named, notes)
    kept = _kept(dataset, folder, notes)
    if kept is None:
        kept = datasets.split(dataset, _SHARES)
        sizes = Counter(r.part for r in kept.recordings)
        notes.append(
            f"split by class and group: {sizes['train']} recordings train, {sizes['validate']} validate, "
            f"{sizes['test']} test; {folder / SPLIT} keeps it"
        )
    return kept, []


def _kept(dataset: Dataset, folder: Path, notes: list[str]) -> Dataset | None:
    """The parts of the split that lies there. What it lacks trains, or joins its group: a test stays unheard."""
    try:
        with (folder / SPLIT).open(newline="", encoding="utf-8") as file:
            rows = {os.path.realpath(folder / row["filename"]): row for row in csv.DictReader(file)}
    except (OSError, KeyError, ValueError, csv.Error):
        return None
    known: dict[int, str] = {}
    of_group: dict[tuple[str, str], str] = {}
    for number, r in enumerate(dataset.recordings):
        row = rows.get(os.path.realpath(r.path), {})
        if (
            row.get("labels" if dataset.multi_label else "category") == r.label
            and row.get("split") in _SHARES
        ):
            known[number] = row["split"]
            of_group[r.label, r.place] = row["split"]
    if not known:
        return None
    parts = [
        known.get(number) or of_group.get((r.label, r.place), "train")
        for number, r in enumerate(dataset.recordings)
    ]
    new = len(parts) - len(known)
    added = f"; {new} new recordings train or join their group; delete it for a new split" if new else ""
    notes.append(f"split of {folder / SPLIT}{added}")
    pairs = zip(dataset.recordings, parts, strict=True)
    return dataclasses.replace(
        dataset, recordings=tuple(dataclasses.replace(r, part=part) for r, part in pairs)
    )


def _named_parts(dataset: Dataset, named: list[str], notes: list[str]) -> list[str]:
    """The recipe's parts from the data set's own: what is called test tests; of folds, the last."""
    meant = {part: part_of(part) or part for part in named}
    test = [part for part in named if meant[part] in _TEST] or ([named[-1]] if len(named) > 1 else [])
    validate = [part for part in named if meant[part] in _VALIDATE and part not in test]
    train = [part for part in named if part not in (*test, *validate)]
    if not train:
        raise DataError(
            "the data set has no part to train on", where=str(dataset.root), found=", ".join(named)
        )
    said = [f"parts of the data set: {', '.join(train)} train"]
    said += [f"{', '.join(validate)} validate"] if validate else ["15 % of these validate"]
    said += [f"{', '.join(test)} test"] if test else ["none tests: the accuracy stays unknown"]
    notes.append("; ".join(said))
    words = [
        f"data.{key}={value}" for key, value in (("train", train), ("validate", validate), ("test", test))
    ]
    return [*words, *([] if validate else ["data.validate_share=0.15"])]


def _clip(told: Sequence[Found], notes: list[str]) -> list[str]:
    """Clip length and sample rate: four of five recordings are heard whole, and none is resampled upwards."""
    seconds = sorted(one.seconds for one in told)
    wanted = seconds[(4 * (len(seconds) - 1)) // 5]
    clip_s = round(min(max(wanted, _CLIP_S_MIN), _CLIP_S_MAX), 1)
    lowest = min(one.rate_hz for one in told)
    rate_hz = next((rate for rate in _RATES_HZ if rate <= lowest), _RATES_HZ[-1])
    notes.append(
        f"clips of {clip_s:g} s at {rate_hz:,} Hz (the recordings: {seconds[0]:.1f} to {seconds[-1]:.1f} s, "
        f"from {lowest:,} Hz)"
    )
    words = [f"features.sample_rate_hz={rate_hz}", f"features.duration_s={clip_s}"]
    return words if clip_s <= _SHORT_S else [*words, *_LONG]


def _epochs(dataset: Dataset, parts: Sequence[str]) -> list[str]:
    """Epochs and batch, so that small sets are seen often enough and large ones end."""
    train = recipes.load(BASE, parts).data.train
    clips = len(dataset.only(train).recordings)
    batch = _LARGE_BATCH if clips > _LARGE_CLIPS else 16
    epochs = min(max(round(_STEPS * batch / max(clips, 1)), _EPOCHS_MIN), _EPOCHS_MAX)
    return [f"training.epochs={epochs}", f"training.batch={batch}"]


def _doubts(recipe: Recipe, dataset: Dataset) -> list[str]:
    """What makes the result mean little."""
    doubts = []
    counts = Counter(name for r in dataset.only(recipe.data.train).recordings for name in r.classes)
    few = {label: counts[label] for label in dataset.labels if counts[label] < _CLASS_CLIPS}
    if few:
        listed = ", ".join(f"{label} {count}" for label, count in few.items())
        doubts.append(f"warning: fewer than {_CLASS_CLIPS} recordings to train on: {listed}")
    tested = len(dataset.only(recipe.data.test).recordings) if recipe.data.test else 0
    if 0 < tested < _TEST_CLIPS:
        doubts.append(
            f"warning: {tested} test recordings: one of them is {100 / tested:.1f} points of accuracy"
        )
    if recipe.training.epochs < _EPOCHS_FEW:
        epochs = recipe.training.epochs
        counted = "1 epoch is" if epochs == 1 else f"{epochs} epochs are"
        doubts.append(f"warning: {counted} too few for a network to learn from")
    return doubts
