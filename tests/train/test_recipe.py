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


@pytest.mark.parametrize("name", recipe.names())
def test_shipped_recipes_load_and_round_trip(name: str) -> None:
    loaded = recipe.load(name)
    assert loaded.name == name
    assert loaded.description
    assert recipe.Recipe.from_dict(loaded.to_dict(), "again") == loaded
    raw = tomllib.loads((paths.recipes() / f"{name}.toml").read_text())
    assert loaded.training.epochs == raw["training"]["epochs"]


@pytest.mark.parametrize(
    ("section", "key", "value", "what"),
    [
        ("training", "epoch", 3, "unknown key 'epoch'"),
        ("training", "epochs", "many", "epochs has the wrong type"),
        ("training", "epochs", True, "epochs has the wrong type"),
        ("training", "epochs", 0, "epochs must be positive"),
        ("training", "optimizer", "adamax", "unknown optimizer"),
        ("augment", "time_roll", 1, "time_roll has the wrong type"),
        ("data", "train", "1", "train must be a list"),
        ("features", "n_mel", 40, "unknown field"),
        ("network", "name", 3, "names no network"),
    ],
)
def test_wrong_values(section: str, key: str, value: object, what: str) -> None:
    raw: dict[str, Any] = copy.deepcopy(TINY)
    raw[section][key] = value
    with pytest.raises(AscmcuError, match=what):
        recipe.Recipe.from_dict(raw, "x.toml")


def test_missing_section() -> None:
    with pytest.raises(InputError, match="lacks a section"):
        recipe.Recipe.from_dict({key: value for key, value in TINY.items() if key != "network"}, "x.toml")


def test_unknown_and_broken_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such recipe") as caught:
        recipe.load("dem")
    assert "demo" in str(caught.value)
    broken = tmp_path / "broken.toml"
    broken.write_text("[data\n")
    with pytest.raises(InputError, match="not valid TOML"):
        recipe.load(str(broken))
