# SPDX-License-Identifier: Apache-2.0
"""Random networks, a bounded number; ``tools/fuzz_graphs`` goes on for as long as one likes."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.support import fuzzing, recipes, recipes_flat, recipes_tensorflow
from tests.support.recipes import Recipe

FOUND = tomllib.loads((Path(__file__).parent / "found.toml").read_text())["graph"]


@pytest.mark.parametrize("row", FOUND, ids=lambda row: row["name"])
def test_found(row: dict) -> None:
    assert fuzzing.check(Recipe.from_row(row), row["source"]) == row.get("verdict", "equal")


@pytest.mark.parametrize(
    ("source", "graphs", "with_sum"),
    [("flat", 90, False), ("flat", 15, True), ("tensorflow", 60, False), ("tensorflow", 10, True)],
)
def test_random_networks(source: str, graphs: int, with_sum: bool) -> None:
    verdicts, row = fuzzing.batch(source, 20, graphs, with_sum=with_sum)
    assert row is None, row
    assert verdicts["equal"] >= graphs // 2, verdicts


def test_a_row_reads_back() -> None:
    for row in FOUND:
        recipe = Recipe.from_row(row)
        assert Recipe.from_row(tomllib.loads(recipe.row("x"))["graph"][0]) == recipe


def test_every_kind_of_layer_is_built() -> None:
    """A kind that is drawn has a builder of either source; only QUANTIZE within a network is the converter's own."""
    assert set(recipes_flat._LAYERS) == set(recipes.KINDS)
    assert set(recipes_tensorflow.KINDS) == set(recipes.KINDS) - {"requantize"}
