# SPDX-License-Identifier: Apache-2.0
"""Training, quantization and what a run leaves, on seconds of audio and a network of some hundred weights."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from ascmcu import zoo
from ascmcu.data import cache
from ascmcu.data.datasets import Dataset
from ascmcu.errors import DataError, InputError, ModelError
from ascmcu.features import extract
from ascmcu.quantize import metadata, ptq
from ascmcu.quantize import run as quantize
from ascmcu.train import loop, run
from ascmcu.train.loop import Plan
from ascmcu.train.recipe import Augment, Recipe, Training
from tests.train.conftest import TINY


def _training(recipe: Recipe, **changes: object) -> Recipe:
    return dataclasses.replace(recipe, training=dataclasses.replace(recipe.training, **changes))


def _shown(folder: Path) -> tuple[int, bool]:
    """The epochs that the table of a running training holds, and whether it has a picture."""
    table = folder / "progress.csv"
    lines = len(table.read_text().splitlines()) - 1 if table.is_file() else 0
    return lines, (folder / "progress.png").is_file()


def test_a_run_learns_and_leaves_its_files(scenes: Dataset, tiny: Recipe, folder: Path) -> None:
    plain = dataclasses.replace(_training(tiny, epochs=16), augment=Augment())
    shown: list[tuple[int, bool]] = []
    finished = run.train(plain, scenes, folder, on_epoch=lambda epoch: shown.append(_shown(folder)))
    path, scores = quantize.finish(finished)
    history = list(csv.DictReader((folder / "history.csv").read_text().splitlines()))
    assert shown == [(number - 1, number > 1) for number in range(1, 17)], "written after every epoch"
    assert not list(folder.glob("progress.*")) and (folder / "curves.png").is_file()
    assert float(history[-1]["loss"]) < 0.7 * float(history[0]["loss"])
    metrics = json.loads((folder / "metrics.json").read_text())
    assert scores is not None
    assert metrics["float"]["clips"] == metrics["int8"]["clips"] == 12
    assert metrics["int8"]["accuracy"] == scores.accuracy
    assert scores.accuracy > 2 / 6, "twice what guessing gives"
    assert set(metrics["int8"]["by_device"]) == {"studio", "handset"}
    again = Recipe.from_dict(json.loads((folder / "recipe.json").read_text()), "recipe.json")
    assert again.features == finished.features
    assert metadata.read(path.read_bytes()) == (finished.features, scenes.labels)


def test_the_same_seed_gives_the_same_weights(scenes: Dataset, tiny: Recipe, folder: Path) -> None:
    weights = [
        run.train(_training(tiny, epochs=2, average=0.9, seed=seed), scenes, folder).model.get_weights()
        for seed in (7, 7, 8)
    ]
    assert all(np.array_equal(a, b) for a, b in zip(weights[0], weights[1], strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(weights[0], weights[2], strict=True))


def test_examples_are_the_features_of_the_fitted_spec(scenes: Dataset, tiny: Recipe) -> None:
    spec, parts = run.prepare(tiny, scenes)
    test = parts["test"]
    assert test.examples.x.shape == (12, *spec.shape)
    expected = cache.one(str(test.dataset.recordings[5].path), spec)
    assert np.allclose(test.examples.x[5], expected, atol=1e-5)
    assert abs(float(parts["train"].examples.x[:].mean())) < 1e-3
    assert {r.part for r in test.dataset.recordings} == {"5"}


def test_the_best_validation_epoch_is_kept(scenes: Dataset, tiny: Recipe) -> None:
    spec, parts = run.prepare(tiny, scenes)
    model = zoo.build("dscnn", spec.shape, 6, tiny.network.options)
    training = Training(epochs=6, batch=8, learning_rate=0.02, warmup_epochs=1)
    validate = parts["validate"].examples
    seen: list[int] = []
    history = loop.fit(
        model,
        parts["train"].examples,
        validate,
        Plan(tiny.augment, training),
        watch=lambda h: seen.append(len(h)),
    )
    (number,) = loop.kept_epochs(history, training)
    answers = loop.probabilities(model, validate.x)
    kept = history[number - 1]
    assert (answers.argmax(1) == validate.y).mean() == kept.validation_score
    assert kept.validation_score == max(epoch.validation_score for epoch in history)
    loss = float(-np.log(answers[np.arange(len(answers)), validate.y]).mean())
    assert np.isclose(loss, kept.validation_loss, rtol=1e-4)
    assert seen == [1, 2, 3, 4, 5, 6]


def test_the_rate_rises_falls_and_restarts(scenes: Dataset, tiny: Recipe) -> None:
    spec, parts = run.prepare(tiny, scenes)
    model = zoo.build("dscnn", spec.shape, 6, tiny.network.options)
    training = Training(
        epochs=7, batch=36, learning_rate=0.5, warmup_epochs=2, restart_epochs=(4,), optimizer="sgd"
    )
    history = loop.fit(model, parts["train"].examples, None, Plan(tiny.augment, training))
    rates = [epoch.learning_rate for epoch in history]
    assert np.allclose(rates, [0.25, 0.5, 0.5, 0.25, 0.5, 0.375, 0.125])


def test_early_stop(scenes: Dataset, tiny: Recipe) -> None:
    spec, parts = run.prepare(tiny, scenes)
    model = zoo.build("dscnn", spec.shape, 6, tiny.network.options)
    still = Training(epochs=50, batch=32, learning_rate=1e-12, early_stop_epochs=2, warmup_epochs=1)
    plan = Plan(tiny.augment, still)
    history = loop.fit(model, parts["train"].examples, parts["validate"].examples, plan)
    assert len(history) < 20


def test_int8_answers_like_the_float_network(scenes: Dataset, tiny: Recipe, folder: Path) -> None:
    finished = run.train(_training(tiny, epochs=6), scenes, folder)
    x = finished.train.examples.x
    model = ptq.int8(finished.model, x)
    as_float = loop.probabilities(finished.model, x)
    as_int8 = quantize.probabilities(model, x)
    assert (as_float.argmax(1) == as_int8.argmax(1)).mean() >= 0.9
    assert np.abs(as_float - as_int8).mean() < 0.03
    with pytest.raises(DataError, match="does not fit the model"):
        ptq.int8(finished.model, x[:, 1:])


def test_the_network_may_have_the_bands_in_front(scenes: Dataset, tiny: Recipe, folder: Path) -> None:
    swapped = dataclasses.replace(tiny, features=tiny.features.replace(layout="mel_time"))
    spec, parts = run.prepare(swapped, scenes)
    straight = run.prepare(tiny, scenes)[1]["test"].examples.x
    assert parts["test"].examples.time_axis == 2
    assert np.array_equal(parts["test"].examples.x[:], extract.to_input(straight[:], spec))
    finished = run.train(_training(swapped, epochs=1), scenes, folder)
    assert finished.model.input_shape == (None, 16, 31, 1)


def test_metadata_is_replaced_and_told_apart(tiny: Recipe) -> None:
    model = ptq.int8(zoo.build("dscnn", (31, 16, 1), 2), np.zeros((2, 31, 16, 1), np.float32))
    spec = tiny.features.replace(normalization="none")
    assert metadata.read(model) is None
    once = metadata.embedded(model, spec, ["a", "b"])
    twice = metadata.embedded(once, spec.replace(n_mels=20), ["c", "é"])
    assert metadata.read(once) == (spec, ("a", "b"))
    assert metadata.read(twice) == (spec.replace(n_mels=20), ("c", "é"))
    with pytest.raises(ModelError, match=r"not a \.tflite"):
        metadata.read(b"RIFF....WAVE")


def test_unknown_network_and_option() -> None:
    with pytest.raises(InputError, match="no such network") as network:
        zoo.build("dscnnn", (31, 16, 1), 2)
    assert network.value.hint == "did you mean dscnn?"
    with pytest.raises(InputError, match="takes no option 'filter'") as option:
        zoo.build("dscnn", (31, 16, 1), 2, {"filter": 3})
    assert option.value.hint == "did you mean filters?"


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"network": {"name": "dscnn", "filters": [8], "strides": [1, 2]}}, "cannot be built"),
        ({"data": {"train": ["1"], "test": ["6"]}}, "no part '6'"),
        ({"teacher": {"runs": ["not/there"]}}, "no finished training run"),
        ({"fusion": {"runs": ["not/there"]}}, "no finished training run"),
    ],
    ids=["network", "part", "teacher", "member"],
)
def test_what_cannot_be_is_told_before_features_are_extracted(
    change: dict[str, object], what: str, scenes: Dataset, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def extracted(*_: object, **__: object) -> None:
        raise AssertionError("features were asked for")

    monkeypatch.setattr(cache, "features", extracted)
    with pytest.raises(InputError, match=what):
        run.train(Recipe.from_dict({**TINY, **change}, "x.toml"), scenes, folder)
    assert not folder.exists()
