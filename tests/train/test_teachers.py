# SPDX-License-Identifier: Apache-2.0
"""Learning from trained networks: their answers are kept, stages follow each other, breaks change nothing."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from ascmcu.data.datasets import Dataset
from ascmcu.errors import DataError, InputError
from ascmcu.train import distill, loop, run
from ascmcu.train.loop import Epoch
from ascmcu.train.recipe import Augment, Recipe, Teacher


@pytest.fixture(scope="module")
def teacher(scenes: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.train.conftest import TINY

    recipe = Recipe.from_dict(TINY, "tiny.toml")
    longer = dataclasses.replace(recipe.training, epochs=12)
    folder = tmp_path_factory.mktemp("runs") / "teacher"
    run.train(dataclasses.replace(recipe, training=longer, augment=Augment()), scenes, folder)
    return folder


def _taught(tiny: Recipe, **changes: object) -> Recipe:
    return dataclasses.replace(tiny, teacher=dataclasses.replace(tiny.teacher, **changes))  # type: ignore[arg-type]


def test_answers_are_the_teachers_own_and_are_kept(
    teacher: Path, scenes: Dataset, tiny: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = distill.load(teacher)
    train = scenes.only(["1", "2", "3"])
    told = distill.answers([loaded], train, groups=False)
    _, parts = run.prepare(tiny, scenes)
    wanted = loop.probabilities(loaded.model, parts["train"].examples.x)
    assert np.allclose(told, wanted, atol=1e-5)

    def asked_again(*_: object) -> None:
        raise AssertionError("the answers are not kept")

    monkeypatch.setattr(loop, "probabilities", asked_again)
    assert np.array_equal(distill.answers([loaded], train, groups=False), told)


def test_several_teachers_teach_by_their_mean(teacher: Path, scenes: Dataset) -> None:
    first, second = distill.load(teacher), distill.load(teacher)
    weights = second.model.get_weights()
    second.model.set_weights([weight * 0.5 for weight in weights])
    alone = [distill.answers([one], scenes, groups=False) for one in (first, second)]
    assert not np.allclose(*alone)
    both = distill.answers([first, second], scenes, groups=False)
    assert np.allclose(both, (alone[0] + alone[1]) / 2, atol=1e-6)


def test_a_teacher_of_other_labels_or_without_groups_is_refused(
    teacher: Path, scenes: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="no classifier of groups"):
        distill.answers([distill.load(teacher)], scenes, groups=True)
    other = shutil.copytree(teacher, tmp_path / "other")
    metrics = json.loads((other / "metrics.json").read_text())
    (other / "metrics.json").write_text(json.dumps(metrics | {"labels": ["a", "b"]}))
    with pytest.raises(DataError, match="has other labels"):
        distill.answers([distill.load(other)], scenes, groups=False)
    with pytest.raises(InputError, match="no finished training run"):
        distill.load(tmp_path)


def test_with_all_the_weight_on_the_teacher_the_labels_do_not_matter(
    teacher: Path, scenes: Dataset, tiny: Recipe, tmp_path: Path
) -> None:
    turned = {label: scenes.labels[number - 1] for number, label in enumerate(scenes.labels)}
    recordings = tuple(dataclasses.replace(r, label=turned[r.label]) for r in scenes.recordings)
    wrong = dataclasses.replace(scenes, recordings=recordings)
    # The validation part would choose the epoch by its labels.
    unjudged = dataclasses.replace(tiny, data=dataclasses.replace(tiny.data, validate=()))
    for weight, equal in ((1.0, True), (0.5, False)):
        recipe = _taught(unjudged, runs=(str(teacher),), weight=(weight,))
        weights = [
            run.train(recipe, data, tmp_path / f"{weight}-{name}").model.get_weights()
            for name, data in (("right", scenes), ("wrong", wrong))
        ]
        assert all(np.array_equal(a, b) for a, b in zip(*weights, strict=True)) == equal


def test_a_hint_then_answers_and_a_break_in_either_changes_nothing(
    teacher: Path, scenes: Dataset, tiny: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "STATE_SECONDS", 0.0)
    short = dataclasses.replace(tiny, training=dataclasses.replace(tiny.training, epochs=3))
    recipe = _taught(
        short,
        runs=(str(teacher),),
        stages=("hint", "response"),
        weight=(0.5,),
        hint=("block1_point_relu", "block1_point_relu"),
    )
    seen: list[Epoch] = []
    whole = run.train(recipe, scenes, tmp_path / "whole", on_epoch=seen.append)
    assert [epoch.epoch for epoch in seen] == [1, 2, 3, 1, 2, 3]
    assert seen[2].loss < seen[0].loss, "the map comes closer to the teacher's"
    calls = 0

    def killed(epoch: Epoch) -> None:
        nonlocal calls
        calls += 1
        if calls in (2, 4):  # in the second epoch of the hint, in the first of the answers
            raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run.train(recipe, scenes, tmp_path / "cut", on_epoch=killed)
    resumed = run.train(recipe, scenes, tmp_path / "cut")
    for a, b in zip(whole.model.get_weights(), resumed.model.get_weights(), strict=True):
        assert np.array_equal(a, b)


def test_a_hint_needs_layers_that_fit(teacher: Path, scenes: Dataset, tiny: Recipe, tmp_path: Path) -> None:
    hint = Teacher(runs=(str(teacher),), stages=("hint",), hint=("stem_relu", "nothing"))
    with pytest.raises(InputError, match="no such layer"):
        run.train(dataclasses.replace(tiny, teacher=hint), scenes, tmp_path)
    other = dataclasses.replace(hint, hint=("stem_relu", "block2_point_relu"))
    with pytest.raises(InputError, match="maps of one size"):
        run.train(dataclasses.replace(tiny, teacher=other), scenes, tmp_path)
