# SPDX-License-Identifier: Apache-2.0
"""A few random networks in random parts and strips; tools/fuzz_strips checks hundreds."""

from __future__ import annotations

import shutil
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from tests.support import fuzzing, on_target, strips
from tests.support.recipes import Recipe

FOUND = tomllib.loads((Path(__file__).parent / "found_strips.toml").read_text())["graph"]


@pytest.fixture(scope="module")
def drawn() -> tuple[Counter[str], list[strips.Case]]:
    found: Counter[str] = Counter()
    cases: list[strips.Case] = []
    for recipe in fuzzing.drawn(901, 10, strips.KINDS, ("int8",)):
        counted, made = strips.drawn(recipe)
        found += sum((case.counted for case in made), counted)
        cases += made
    return found, cases


def test_strips_of_random_networks_give_the_same_bits(drawn: tuple[Counter[str], list[strips.Case]]) -> None:
    found, cases = drawn
    for case in cases:
        strips.check(case)
    assert found["networks"] >= 2
    assert found["in strips"] >= 2 and found["within a limit"] == found["networks"]


@pytest.mark.skipif(
    not (shutil.which(on_target.GCC) and shutil.which(on_target.QEMU)), reason="no cross compiler or no QEMU"
)
def test_and_on_target(drawn: tuple[Counter[str], list[strips.Case]], tmp_path: Path) -> None:
    strips.check_on_targets(drawn[1], tmp_path)


@pytest.mark.parametrize("row", FOUND, ids=lambda row: row["name"])
def test_found(row: dict) -> None:
    _, cases = strips.drawn(Recipe.from_row(row))
    assert cases
    for case in cases:
        strips.check(case)
