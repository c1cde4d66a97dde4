# SPDX-License-Identifier: Apache-2.0
"""Recipes: the shipped ones load, a wrong one says what is wrong."""

from __future__ import annotations

import copy
import tomllib
from pathlib import Path
from typing import Any

import pytest

from ascmcu import paths
from ascmcu.errors import AscmcuError, InputError
from ascmcu.train import recipe
from tests.train.conftest import TINY

# What they leave out is that of the run that they start from (test_start.py).
STARTED = ("device",)


@pytest.mark.parametrize("name", STARTED)
def test_a_recipe_that_starts_from_a_run_is_none_without(name: str) -> None:
    with pytest.raises(InputError, match="lacks a section"):
        recipe.load(name)


@pytest.mark.parametrize("name", [name for name in recipe.names() if name not in STARTED])
def test_shipped_recipes_load_and_round_trip(name: str) -> None:
    loaded = recipe.load(name)
    assert loaded.name == name
    assert loaded.description
    assert recipe.Recipe.from_dict(loaded.to_dict(), "again") == loaded
    raw = tomllib.loads((paths.recipes() / f"{name}.toml").read_text())
    assert loaded.training.epochs == raw.get("training", {}).get("epochs", recipe.Training.epochs)


@pytest.mark.parametrize(
    ("section", "key", "value", "what"),
    [
        ("training", "epoch", 3, "unknown key"),
        ("training", "epochs", "many", "wrong type"),
        ("training", "epochs", True, "wrong type"),
        ("training", "epochs", 0, "epochs cannot be 0"),
        ("training", "optimizer", "adamax", "unknown value"),
        ("augment", "time_roll", 1, "wrong type"),
        ("data", "train", "1", "expected a list"),
        ("features", "n_mel", 40, "unknown"),
        ("network", "name", 3, "names no network"),
    ],
)
def test_wrong_values(section: str, key: str, value: object, what: str) -> None:
    raw: dict[str, Any] = copy.deepcopy(TINY)
    raw[section][key] = value
    with pytest.raises(AscmcuError, match=what) as caught:
        recipe.Recipe.from_dict(raw, "x.toml")
    assert str(caught.value.where).startswith(f"x.toml, {section}")


def test_missing_section() -> None:
    with pytest.raises(InputError, match="lacks a section"):
        recipe.Recipe.from_dict({key: value for key, value in TINY.items() if key != "network"}, "x.toml")


def test_unknown_and_broken_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such recipe") as caught:
        recipe.load("dem")
    assert "demo" in str(caught.value)
    broken = tmp_path / "broken.toml"
    broken.write_text("[data\n")
    with pytest.raises(InputError, match="not a readable TOML file"):
        recipe.load(str(broken))


@pytest.mark.parametrize(
    ("section", "key", "value", "hint"),
    [
        ("training", "epoch", 3, "did you mean epochs?"),
        ("augment", "mixup_alfa", 0.2, "did you mean mixup_alpha?"),
        ("training", "optimizer", "adamm", "did you mean adam?"),
        ("teacher", "stages", ["respons"], "did you mean response?"),
        ("fusion", "rule", "averag", "did you mean average?"),
    ],
)
def test_near_matches_are_named(section: str, key: str, value: object, hint: str) -> None:
    raw: dict[str, Any] = copy.deepcopy(TINY)
    raw.setdefault(section, {})[key] = value
    with pytest.raises(InputError) as caught:
        recipe.Recipe.from_dict(raw, "x.toml")
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("section", "values", "what"),
    [
        ("augment", {"crop_rows": 99}, "crop is longer than the clip"),
        ("augment", {"swap_stereo": True}, "mono recording"),
        ("training", {"average": 0.9, "snapshot_from": 2}, "either by step or by epoch"),
        ("teacher", {"stages": ["hint"]}, "a hint needs two layers"),
        ("teacher", {"stages": ["relation", "response"], "weight": [0.1, 0.2, 0.3]}, "one for each stage"),
        ("data", {"validate_share": 1.0}, "validate_share cannot be 1.0"),
        ("augment", {"mixup_alpha": -1}, "mixup_alpha cannot be -1.0"),
        ("augment", {"mixstyle_chance": 1.5}, "mixstyle_chance cannot be 1.5"),
        ("training", {"seed": -1}, "seed cannot be -1"),
        ("training", {"seed": 1 << 32}, "seed cannot be 4294967296"),
        ("training", {"learning_rate": float("nan")}, "must be finite"),
        ("training", {"restart_epochs": [2, -4]}, "restart_epochs cannot be -4"),
        ("variation", {"versions": 1, "speed": 0.9}, "speed cannot be 0.9"),
        ("teacher", {"weight": [2.0]}, "weight cannot be 2.0"),
        ("heads", {"groups": {"x": ["a"]}, "weights": [1.0]}, "two classifiers"),
        ("heads", {"groups": ["a"]}, "expected a table"),
    ],
)
def test_values_that_cannot_be(section: str, values: dict[str, object], what: str) -> None:
    raw: dict[str, Any] = copy.deepcopy(TINY)
    raw.setdefault(section, {}).update(values)
    with pytest.raises(InputError, match=what):
        recipe.Recipe.from_dict(raw, "x.toml")


def test_sounds_are_only_mixed_where_energies_are_known() -> None:
    raw: dict[str, Any] = copy.deepcopy(TINY)
    raw["augment"]["mixup_energy"] = True
    raw["features"]["deltas"] = 1
    with pytest.raises(InputError, match="mixing as sounds"):
        recipe.Recipe.from_dict(raw, "x.toml")


def test_values_are_changed_from_outside() -> None:
    changed = recipe.load(
        "esc10",
        ["training.seed=7", "augment.time_roll=false", "network.dropout=0.5", "training.optimizer=sgd"],
    )
    assert (changed.training.seed, changed.augment.time_roll) == (7, False)
    assert (changed.network.options["dropout"], changed.training.optimizer) == (0.5, "sgd")
    with pytest.raises(InputError, match="invalid --set"):
        recipe.load("esc10", ["seed=7"])
    with pytest.raises(InputError, match="unknown key"):
        recipe.load("esc10", ["training.sed=7"])
