# SPDX-License-Identifier: Apache-2.0
"""A training that is cut off and begun again ends as one that was not."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest

from ascmcu.data.datasets import Dataset
from ascmcu.train import loop, run
from ascmcu.train.loop import Epoch
from ascmcu.train.recipe import Recipe

CHANGES = {
    "adam, moving average, best epoch": {"average": 0.9},
    "radam, snapshots, renewed statistics": {
        "optimizer": "radam",
        "snapshot_from": 2,
        "renew_statistics": True,
    },
    "sgd, restarts, balance, early stop": {
        "optimizer": "sgd",
        "restart_epochs": (2,),
        "balance": True,
        "early_stop_epochs": 2,
    },
}


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES.keys())
def test_a_killed_training_goes_on_exactly(
    changes: dict[str, object],
    scenes: Dataset,
    tiny: Recipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    training = dataclasses.replace(tiny.training, epochs=5, **changes)  # type: ignore[arg-type]
    recipe = dataclasses.replace(tiny, training=training)
    whole = run.train(recipe, scenes, tmp_path / "whole")
    monkeypatch.setattr(loop, "STATE_SECONDS", 0.0)

    def killed(epoch: Epoch) -> None:
        if epoch.epoch == 4:  # three epochs are on disk, the fourth is lost
            raise KeyboardInterrupt

    if _epochs(tmp_path / "whole") >= 4:
        with pytest.raises(KeyboardInterrupt):
            run.train(recipe, scenes, tmp_path / "cut", on_epoch=killed)
        assert list((tmp_path / "cut").glob("state*.npz"))
    seen: list[int] = []
    resumed = run.train(recipe, scenes, tmp_path / "cut", on_epoch=lambda epoch: seen.append(epoch.epoch))
    assert seen[0] == 4
    for a, b in zip(whole.model.get_weights(), resumed.model.get_weights(), strict=True):
        assert np.array_equal(a, b)
    assert _losses(tmp_path / "whole") == _losses(tmp_path / "cut")


def test_another_recipe_begins_anew(
    scenes: Dataset, tiny: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "STATE_SECONDS", 0.0)

    def killed(epoch: Epoch) -> None:
        if epoch.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.train(tiny, scenes, tmp_path, on_epoch=killed)
    other = dataclasses.replace(tiny, training=dataclasses.replace(tiny.training, epochs=2, batch=16))
    seen: list[int] = []
    run.train(other, scenes, tmp_path, on_epoch=lambda epoch: seen.append(epoch.epoch))
    assert seen == [1, 2]


def _epochs(folder: Path) -> int:
    return len(_losses(folder))


def _losses(folder: Path) -> list[tuple[str, str, str]]:
    rows = csv.DictReader((folder / "history.csv").read_text().splitlines())
    return [(row["loss"], row["validation_loss"], row["learning_rate"]) for row in rows]
