"""Every shipped recipe, on its data set's official layout in miniature: the loss falls, the files are there."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import os
from pathlib import Path
from typing import Any

import pytest

from ascmcu import zoo
from ascmcu.data import datasets, synth
from ascmcu.quantize import metadata
from ascmcu.quantize import run as quantize
from ascmcu.train import recipe as recipes
from ascmcu.train import run
from ascmcu.train.recipe import Recipe
from tests.train import tau

zoo.load_tensorflow()

import tensorflow as tf  # noqa: E402  (after it was told to be quiet)

# A graph that runs for a dozen steps is not worth the seconds that its rewriting takes; the results are the same.
tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})

# Which data set, seconds of a clip (BUPT's five pools need them), rows of a crop.
CASES = {
    "mobnet": ("3class", 0.5, 0),
    "small_fcnn": ("3class", 0.5, 0),
    "bupt": ("3class", 4.0, 0),
    "hu2020-average": ("3class", 0.5, 0),
    "hu2020-logistic": ("3class", 0.5, 0),
    "zhao": ("mobile", 1.0, 30),
    "zhao-teacher": ("mobile", 1.0, 30),
    "zhao-taught": ("mobile", 1.0, 30),
    "dsmn": ("mobile-2022", 1.0, 0),
    "tmsic": ("mobile-2022", 1.0, 0),
    "tmsic-teacher": ("mobile-2022", 1.0, 0),
    "tmsic-response": ("mobile-2022", 1.0, 0),
    "tmsic-taught": ("mobile-2022", 1.0, 0),
    "tmsic-hint": ("mobile-2022", 1.0, 0),
    "demo": ("folds", 1.0, 0),
    "esc10": ("folds", 1.0, 0),
    "esc10-small": ("folds", 1.0, 0),
}
TEACHERS = {
    "zhao-taught": ["zhao-teacher"],
    "tmsic-response": ["tmsic-teacher"],
    "tmsic-taught": ["tmsic-teacher"],
    "tmsic-hint": ["tmsic"],
    "hu2020-average": ["small_fcnn", "mobnet"],
    "hu2020-logistic": ["small_fcnn", "mobnet"],
}


# The others differ in their networks' size, or need teachers: minutes in all.
QUICK = ("small_fcnn", "tmsic", "tmsic-hint", "demo", "esc10")
long = pytest.mark.skipif("ASCMCU_LONG_TESTS" not in os.environ, reason="minutes: set ASCMCU_LONG_TESTS")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, datasets.Dataset]:
    root = tmp_path_factory.mktemp("tau")
    spec = synth.SynthSpec(clips_per_scene=10, clip_seconds=1.0, sample_rate_hz=16000)
    folders = {
        "3class": tau.three_class(root / "3class"),
        "mobile": tau.mobile(root / "mobile", seconds_in_name=False, places=2),
        "mobile-2022": tau.mobile(root / "mobile-2022", seconds_in_name=True, places=2),
        "folds": synth.write(root / "folds", spec),
    }
    return {name: datasets.load(folder) for name, folder in folders.items()}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Finished runs, by recipe, that further ones learn from."""
    return tmp_path_factory.mktemp("runs")


def small(name: str, runs: Path) -> Recipe:
    """The recipe with short clips and few epochs; its network, losses and steps are its own."""
    chosen = recipes.load(name)
    _, seconds, crop = CASES[name]
    features = chosen.features.replace(clip_samples=round(seconds * chosen.features.sample_rate_hz))
    training = dataclasses.replace(
        chosen.training,
        epochs=10 if name == "bupt" else 4,
        # BUPT's last maps are so small that statistics of four clips are noise.
        batch=10 if name == "bupt" else 4,
        # Four epochs on a dozen clips are fewer steps than the published rates warm up in.
        learning_rate=min(max(chosen.training.learning_rate, 0.003), 0.05),
        warmup_epochs=min(chosen.training.warmup_epochs, 1),
        restart_epochs=tuple(e for e in chosen.training.restart_epochs if e < 4),
        snapshot_epochs=(2, 4) if chosen.training.snapshot_epochs else (),
        snapshot_from=2 if chosen.training.snapshot_from else 0,
    )
    return dataclasses.replace(
        chosen,
        features=features if not chosen.fusion.runs else chosen.features,
        training=training,
        variation=dataclasses.replace(chosen.variation, versions=min(1, chosen.variation.versions)),
        # Masks keep their share of the clip; a mixture of everything would hide a dozen steps' progress.
        augment=dataclasses.replace(
            chosen.augment,
            crop_rows=crop,
            time_mask_rows=min(chosen.augment.time_mask_rows, features.rows // 8),
            mixup_alpha=min(chosen.augment.mixup_alpha, 0.05),
        ),
        teacher=dataclasses.replace(chosen.teacher, runs=_at(chosen.teacher.runs, runs)),
        fusion=dataclasses.replace(chosen.fusion, runs=_at(chosen.fusion.runs, runs)),
    )


def _at(folders: tuple[str, ...], runs: Path) -> tuple[str, ...]:
    return tuple(str(runs / Path(folder).name) for folder in folders)


def trained(name: str, data: dict[str, datasets.Dataset], runs: Path) -> run.Run:
    for needed in TEACHERS.get(name, ()):
        if not (runs / needed / "metrics.json").is_file():
            trained(needed, data, runs)
    return run.train(small(name, runs), data[CASES[name][0]], runs / name)


def test_every_recipe_is_here() -> None:
    assert set(CASES) == set(recipes.names())


@pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=long) for n in CASES])
def test_the_loss_falls_and_the_files_are_there(
    name: str, data: dict[str, datasets.Dataset], runs: Path
) -> None:
    finished = trained(name, data, runs)
    folder = runs / name
    path, scores = quantize.finish(finished)
    assert scores is not None
    features, labels = metadata.read(path.read_bytes()) or (None, ())
    assert (features, labels) == (finished.features, data[CASES[name][0]].labels)
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["int8"]["clips"] == len(finished.test.dataset.recordings) if finished.test else False
    assert (folder / "confusion.png").read_bytes().startswith(b"\x89PNG")
    assert not list(folder.glob("state*.npz"))
    if name.startswith("hu2020"):
        return
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    history = [dict(row) for row in csv.DictReader((folder / "history.csv").open())]
    assert _falls(history, max(1, len(recipes.load(name).teacher.stages))), history


def _falls(history: list[dict[str, Any]], stages: int) -> bool:
    """Within every stage; the last half is held against the first."""
    length = len(history) // stages
    for start in range(0, stages * length, length):
        losses = [float(row["loss"]) for row in history[start : start + length]]
        half = length // 2
        if not sum(losses[half:]) / (length - half) < sum(losses[:half]) / half or math.isnan(losses[-1]):
            return False
    return True
