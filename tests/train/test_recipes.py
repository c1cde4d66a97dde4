# SPDX-License-Identifier: Apache-2.0
"""Every shipped recipe, on its data set's official layout in miniature: the loss falls, a broken training goes on
exactly, the files are there.

Networks have few channels and layers here; ASCMCU_LONG_TESTS=1 trains them at their published widths as well.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ascmcu import zoo
from ascmcu.data import datasets, synth
from ascmcu.features.spec import FeatureSpec
from ascmcu.quantize import metadata
from ascmcu.quantize import run as quantize
from ascmcu.train import loop, run
from ascmcu.train import recipe as recipes
from ascmcu.train.loop import Epoch
from ascmcu.train.recipe import Recipe
from tests.data import layouts_made
from tests.train import tau

zoo.load_tensorflow()

import tensorflow as tf  # noqa: E402  (after it was told to be quiet)

# A graph that runs for a dozen steps is not worth the seconds that its rewriting takes; the results are the same.
tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


@dataclass(frozen=True)
class Case:
    """A recipe in miniature.

    Args:
        data: which data set.
        seconds: of a clip (BUPT's five pools need four of them).
        network: options that make the network narrow, and deep ones shallower.
        needs: the cases it learns from.
        crop_rows: in place of the recipe's.
        mels: bands, in place of the recipe's.
        least_rate: of learning: some epochs on some dozen clips are few steps.
        recipe: its name, where the case's differs.
        variant: options of the published widths, where they are not the recipe's.
    """

    data: str
    seconds: float = 1.0
    network: dict[str, Any] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    crop_rows: int = 0
    mels: int = 32
    least_rate: float = 0.003
    epochs: int = 4
    recipe: str = ""
    variant: dict[str, Any] = field(default_factory=dict)


FEW = {"filters": [8, 8], "hidden": 16}
TAUGHT = {"hidden": 16}
CASES = {
    "mobnet": Case("3class", 0.5, {"alpha": 0.25, "units": 1}),
    "small_fcnn": Case("3class", 0.5, {"widths": [8, 8, 8]}),
    "bupt": Case("3class", 4.0, {"widths": [8, 8]}, mels=256, epochs=10),
    "hu2020-average": Case("3class", 0.5, needs=("small_fcnn", "mobnet")),
    "hu2020-logistic": Case("3class", 0.5, needs=("small_fcnn", "mobnet")),
    "zhao": Case("mobile", 1.0, {"alpha": 0.25, "units": 1}, crop_rows=30),
    "zhao-teacher": Case("mobile", 1.0, {"filters": 4, "units": 1}, crop_rows=30),
    "zhao-taught": Case("mobile", 1.0, {"alpha": 0.25, "units": 1}, ("zhao-teacher",), crop_rows=30),
    "dsmn": Case("mobile-2022", 1.0, FEW, mels=64, least_rate=0.02, epochs=8),
    "dsmn model3": Case(
        "mobile-2022", 1.0, FEW, mels=64, least_rate=0.02, epochs=8, recipe="dsmn", variant={"plain_from": 1}
    ),
    "dsmn model2": Case(
        "mobile-2022", 1.0, FEW, mels=64, least_rate=0.02, epochs=8, recipe="dsmn", variant={"plain_from": 0}
    ),
    "dsmn model4": Case(
        "mobile-2022",
        1.0,
        {"filters": [4, 16], "hidden": 8},
        mels=64,
        least_rate=0.02,
        epochs=8,
        recipe="dsmn",
        variant={"filters": [24, 128, 128, 128, 128], "hidden": 64},
    ),
    "cp_mobile": Case("mobile-2022", 1.0, {"base": 8, "multiplier": 1.0}, mels=64, least_rate=0.02, epochs=8),
    "cp_mobile-branches": Case(
        "mobile-2022",
        1.0,
        {"base": 8, "multiplier": 1.0, "blocks": [1, 1]},
        mels=64,
        least_rate=0.02,
        epochs=6,
    ),
    "cnn_gru": Case("mobile-2022", 1.0, {"base": 8, "units": 8}, mels=64, least_rate=0.01, epochs=6),
    "tf_sepnet": Case("mobile-2022", 1.0, {"base": 8}, mels=64, least_rate=0.01, epochs=6),
    "micro_acdnet": Case(
        "folds", 0.3, {"widths": [4, 8, 4, 4, 4, 4, 4, 4, 4, 8, 8, 8]}, least_rate=0.02, epochs=8
    ),
    "tmsic": Case("two scenes", 1.0, TAUGHT),
    "tmsic-teacher": Case("two scenes", 1.0, TAUGHT),
    "tmsic-response": Case("two scenes", 1.0, TAUGHT, ("tmsic-teacher",)),
    "tmsic-taught": Case("two scenes", 1.0, TAUGHT, ("tmsic-teacher",)),
    "tmsic-hint": Case("two scenes", 1.0, TAUGHT, ("tmsic",)),
    "demo": Case("folds"),
    "tagging": Case("tags", 0.5, {"stem_filters": 8, "filters": [8, 8], "strides": [2, 2]}, epochs=6),
    "toy_car": Case("machines", 0.192, {"width": 16}, epochs=6),
    "folder": Case("split", 1.0, {"stem_filters": 8, "filters": [8] * 3, "strides": [2, 1, 2]}, epochs=8),
    "esc10": Case("folds", 1.0, {"stem_filters": 8, "filters": [8, 8, 8, 8, 8], "head_filters": 16}),
    "esc10-small": Case("folds", 1.0, {"stem_filters": 8, "filters": [8] * 3, "strides": [2, 1, 2]}),
}
long = pytest.mark.skipif("ASCMCU_LONG_TESTS" not in os.environ, reason="minutes: set ASCMCU_LONG_TESTS")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, datasets.Dataset]:
    root = tmp_path_factory.mktemp("tau")
    spec = synth.SynthSpec(clips_per_scene=10, clip_seconds=1.0, sample_rate_hz=16000)
    folders = {
        "3class": tau.three_class(root / "3class"),
        "mobile": tau.mobile(root / "mobile", seconds_in_name=False),
        "mobile-2022": tau.mobile(root / "mobile-2022", seconds_in_name=True, places=2),
        # A teacher of one network per class trains as many.
        "two scenes": tau.mobile(root / "two", seconds_in_name=True, places=3, scenes=tau.SCENES[:2]),
        "folds": synth.write(root / "folds", spec),
        "tags": layouts_made.fsd50k(root / "tags"),
        "machines": layouts_made.toy_car(root / "machines"),
    }
    loaded = {name: datasets.load(folder) for name, folder in folders.items()}
    shares = {"train": 0.6, "validate": 0.2, "test": 0.2}
    return {**loaded, "split": datasets.split(loaded["folds"], shares)}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Finished runs, by case, that further ones learn from."""
    return tmp_path_factory.mktemp("runs")


def small(name: str, runs: Path, *, narrow: bool) -> Recipe:
    """The recipe with short clips and few epochs; its losses and steps are its own."""
    case = CASES[name]
    chosen = recipes.load(case.recipe or name)
    shorter = {"clip_samples": round(case.seconds * chosen.features.sample_rate_hz)}
    pictures = isinstance(chosen.features, FeatureSpec)
    fewer = {"n_mels": case.mels} if narrow and pictures else {}
    features = chosen.features.replace(**shorter, **fewer)
    options = {**chosen.network.options, **case.variant, **(case.network if narrow else {})}
    training = dataclasses.replace(
        chosen.training,
        epochs=case.epochs,
        # BUPT's last maps are so small that statistics of four clips are noise.
        batch=10 if name == "bupt" else 4,
        learning_rate=min(max(chosen.training.learning_rate, case.least_rate), 0.05),
        warmup_epochs=min(chosen.training.warmup_epochs, 1),
        restart_epochs=tuple(e for e in chosen.training.restart_epochs if e < 4),
        snapshot_epochs=(2, 4) if chosen.training.snapshot_epochs else (),
        snapshot_from=2 if chosen.training.snapshot_from else 0,
    )
    return dataclasses.replace(
        chosen,
        features=features if not chosen.fusion.runs else chosen.features,
        network=dataclasses.replace(chosen.network, options=options),
        training=training,
        variation=dataclasses.replace(chosen.variation, versions=min(1, chosen.variation.versions)),
        # Masks keep their share of the clip; a mixture of everything would hide a dozen steps' progress.
        augment=dataclasses.replace(
            chosen.augment,
            crop_rows=case.crop_rows,
            time_mask_rows=min(chosen.augment.time_mask_rows, features.rows // 8),
            freq_mask_bands=min(chosen.augment.freq_mask_bands, features.bands // 8),
            mixup_alpha=min(chosen.augment.mixup_alpha, 0.05),
        ),
        teacher=dataclasses.replace(chosen.teacher, runs=_at(chosen.teacher.runs, runs)),
        fusion=dataclasses.replace(chosen.fusion, runs=_at(chosen.fusion.runs, runs)),
    )


def _at(folders: tuple[str, ...], runs: Path) -> tuple[str, ...]:
    return tuple(str(runs / Path(folder).name) for folder in folders)


def trained(
    name: str, data: dict[str, datasets.Dataset], runs: Path, *, narrow: bool, cut: Path | None = None
) -> run.Run:
    """The finished case; ``cut`` gets the folder as it lay when the last epoch but one had ended."""
    for needed in CASES[name].needs:
        if not (runs / needed / "metrics.json").is_file():
            trained(needed, data, runs, narrow=narrow)
    recipe = small(name, runs, narrow=narrow)
    stages = max(1, len(recipe.teacher.stages) if recipe.teacher.runs else 1)
    members = len(data[CASES[name].data].labels) if name == "tmsic-teacher" else 0
    last = (stages + members) * recipe.training.epochs
    seen = 0

    def on_epoch(_: Epoch) -> None:
        nonlocal seen
        seen += 1
        if cut and seen == last:
            shutil.copytree(runs / name, cut)

    return run.train(recipe, data[CASES[name].data], runs / name, on_epoch=on_epoch)


def test_every_recipe_is_here() -> None:
    # `device` has no network: it goes on from another recipe's run (test_start).
    assert {case.recipe or name for name, case in CASES.items()} == set(recipes.names()) - {"device"}


@pytest.mark.parametrize("name", CASES)
def test_in_miniature_the_loss_falls_and_a_broken_training_goes_on_exactly(
    name: str,
    data: dict[str, datasets.Dataset],
    runs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loop, "STATE_SECONDS", 0.0)
    cut = tmp_path / "cut"
    finished = trained(name, data, runs, narrow=True, cut=cut)
    assert finished.scores is not None
    assert not list((runs / name).glob("state*.npz"))
    if small(name, runs, narrow=True).fusion.runs:
        return
    history = _history(runs / name)
    assert _falls(history, max(1, len(recipes.load(CASES[name].recipe or name).teacher.stages))), history
    if CASES[name].recipe:  # another network for a recipe that has a case of its own
        return
    seen: list[int] = []
    again = run.train(
        small(name, runs, narrow=True),
        data[CASES[name].data],
        cut,
        on_epoch=lambda epoch: seen.append(epoch.epoch),
    )
    assert seen == [int(history[-1]["epoch"])], "only the last epoch was missing"
    for a, b in zip(finished.model.get_weights(), again.model.get_weights(), strict=True):
        assert np.array_equal(a, b)
    assert _timeless(_history(cut)) == _timeless(history)


@long
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case.recipe])
def test_at_published_widths_the_loss_falls_and_the_files_are_there(
    name: str, data: dict[str, datasets.Dataset], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / "wide"
    finished = trained(name, data, folder, narrow=False)
    history = _leaves_its_files(folder / name, finished, data[CASES[name].data].labels)
    assert _falls(history, max(1, len(recipes.load(name).teacher.stages))), history


def _leaves_its_files(folder: Path, finished: run.Run, labels: tuple[str, ...]) -> list[dict[str, Any]]:
    """Checks them; the history, empty for a fusion."""
    path, scores = quantize.finish(finished)
    assert scores is not None
    features, named = metadata.read(path.read_bytes()) or (None, ())
    assert (features, named) == (finished.features, () if finished.task == "reconstruction" else labels)
    metrics = json.loads((folder / "metrics.json").read_text())
    assert finished.test
    if finished.task == "single_label":
        assert metrics["int8"]["clips"] == len(finished.test.dataset.recordings)
        assert (folder / "confusion.png").read_bytes().startswith(b"\x89PNG")
    if not (folder / "history.csv").is_file():
        return []
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    return _history(folder)


def _history(folder: Path) -> list[dict[str, Any]]:
    return [dict(row) for row in csv.DictReader((folder / "history.csv").read_text().splitlines())]


def _timeless(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    timed = ("seconds", "examples_per_second")
    return [{key: value for key, value in row.items() if key not in timed} for row in history]


def _falls(history: list[dict[str, Any]], stages: int) -> bool:
    """Within every stage; the last half is held against the first."""
    length = len(history) // stages
    for start in range(0, stages * length, length or 1):
        losses = [float(row["loss"]) for row in history[start : start + length]]
        half = length // 2
        if not sum(losses[half:]) / (length - half) < sum(losses[:half]) / half or math.isnan(losses[-1]):
            return False
    return True
