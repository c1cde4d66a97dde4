"""One training run: recipe and data set in, ``runs/<name>/`` out, with all that is needed to repeat it."""

from __future__ import annotations

import csv
import dataclasses
import json
import platform
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

import ascmcu
from ascmcu import paths, zoo
from ascmcu.data import cache
from ascmcu.data.datasets import Dataset
from ascmcu.data.scores import Scores, score
from ascmcu.errors import DataError
from ascmcu.features import extract
from ascmcu.features.spec import FeatureSpec
from ascmcu.train import checkpoint, loop
from ascmcu.train.augment import Levels
from ascmcu.train.loop import Epoch, Examples
from ascmcu.train.recipe import Recipe


@dataclass(frozen=True)
class Part:
    """A part of the data set with its normalized features in the network's layout."""

    dataset: Dataset
    examples: Examples


@dataclass(frozen=True)
class Run:
    """A finished training: the float model, what it was trained on, and where its files are."""

    folder: Path
    model: keras.Model
    features: FeatureSpec
    train: Part
    test: Part | None
    scores: Scores | None


def train(
    recipe: Recipe,
    dataset: Dataset,
    folder: Path,
    *,
    on_features: cache.Progress = lambda done, total: None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> Run:
    """Train by a recipe and write recipe.json, history.csv, model.keras and metrics.json to ``folder``.

    Two runs of one recipe on one machine give the same weights, also when one of them was cut off and begun
    again: its state lies in ``folder`` until the end.

    Raises:
        DataError: the data set lacks a part that the recipe names, or a recording cannot be read.
    """
    if not recipe.data.train:
        raise DataError("the recipe names no part to train on", expected=", ".join(dataset.parts))
    keras.utils.set_random_seed(recipe.training.seed)
    tf.config.experimental.enable_op_determinism()
    features, parts = prepare(recipe, dataset, on_features)
    model = zoo.build(
        recipe.network.name, features.input_shape[1:], len(dataset.labels), recipe.network.options
    )
    started = time.perf_counter()
    history = loop.fit(
        model,
        parts["train"].examples,
        parts["validate"].examples if "validate" in parts else None,
        recipe.augment,
        recipe.training,
        on_epoch,
        state_file=folder / "state.npz",
        run=checkpoint.digest([dataclasses.replace(recipe, features=features).to_dict(), _listed(dataset)]),
    )
    seconds = time.perf_counter() - started
    test = parts.get("test")
    scores = score(test.dataset, loop.probabilities(model, test.examples.x)) if test else None
    model.save(folder / "model.keras")
    _write_history(folder / "history.csv", history)
    write_json(folder / "recipe.json", dataclasses.replace(recipe, features=features).to_dict())
    write_json(folder / "metrics.json", _metrics(model, dataset, history, seconds, scores))
    (folder / "state.npz").unlink(missing_ok=True)
    return Run(folder, model, features, parts["train"], test, scores)


def prepare(
    recipe: Recipe, dataset: Dataset, on_features: cache.Progress = lambda done, total: None
) -> tuple[FeatureSpec, dict[str, Part]]:
    """The fitted feature specification and the parts train, validate, test, as far as the recipe has them."""
    names = {"train": recipe.data.train, "validate": recipe.data.validate, "test": recipe.data.test}
    chosen = {name: dataset.only(parts) for name, parts in names.items() if parts}
    used = dataset.only([part for parts in names.values() for part in parts])
    raw = cache.features(used, recipe.features, on_features)
    row = {recording.path: number for number, recording in enumerate(used.recordings)}
    rows = {name: [row[r.path] for r in part.recordings] for name, part in chosen.items()}
    spec = recipe.features
    if spec.normalization == "mean_std":
        spec = extract.fit(spec, (raw[number] for number in rows["train"]))
    time_axis = 1 if spec.layout == "time_mel" else 2
    parts = {}
    for name, part in chosen.items():
        x = _input(raw[rows[name]], spec)
        parts[name] = Part(part, Examples(x, np.array(part.targets()), time_axis))
    if "train" in parts:
        versions = tuple(
            _input(
                cache.features(
                    used,
                    recipe.features,
                    on_features,
                    variation=recipe.variation,
                    version=version,
                    rows=rows["train"],
                )[rows["train"]],
                spec,
            )
            for version in range(1, recipe.variation.versions + 1)
        )
        levels = Levels.of(spec) if recipe.augment.mixup_energy else None
        examples = dataclasses.replace(parts["train"].examples, versions=versions, levels=levels)
        parts["train"] = dataclasses.replace(parts["train"], examples=examples)
    return spec, parts


def _input(x: npt.NDArray[np.float32], spec: FeatureSpec) -> npt.NDArray[np.float32]:
    """Features (clips, time, mel, channel) before normalisation as the network takes them."""
    if spec.normalization == "mean_std":
        x = np.stack([extract.normalize(clip, spec) for clip in x])
    return np.ascontiguousarray(extract.to_input(x, spec), np.float32)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write indented JSON with a last newline."""
    path.write_text(json.dumps(content, indent=2) + "\n")


def _listed(dataset: Dataset) -> list[list[str]]:
    return [[recording.path.name, recording.label, recording.part] for recording in dataset.recordings]


def _metrics(
    model: keras.Model, dataset: Dataset, history: list[Epoch], seconds: float, scores: Scores | None
) -> dict[str, Any]:
    return {
        "labels": list(dataset.labels),
        "parameters": model.count_params(),
        "epochs": len(history),
        "training_seconds": round(seconds, 1),
        "float": dataclasses.asdict(scores) if scores else None,
        "made_with": {
            "ascmcu": ascmcu.__version__,
            "commit": _commit(),
            "python": platform.python_version(),
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "machine": platform.machine(),
        },
    }


def _commit() -> str | None:
    """The commit of the checkout that this package runs from, ``+`` for local changes; None in a wheel."""
    git = ["git", "-C", str(paths.recipes().parent), "describe", "--always", "--dirty=+", "--exclude=*"]
    try:
        return subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _write_history(path: Path, history: list[Epoch]) -> None:
    with path.open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(field.name for field in dataclasses.fields(Epoch))
        table.writerows(dataclasses.astuple(epoch) for epoch in history)
