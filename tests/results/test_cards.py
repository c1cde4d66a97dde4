# SPDX-License-Identifier: Apache-2.0
"""Headlines of a result and its card, and names that tell results apart."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from ascmcu.results import cards, comparison
from ascmcu.results.schema import Benchmark


def test_headlines_are_what_there_is(benchmark_result: Benchmark) -> None:
    assert cards.headlines(benchmark_result) == [
        ("inputs", "4 clips"), ("accuracy", "75.0 % right"), ("cycles", "150,000 cycles"),
        ("time per clip", "1.50 ms"), ("RAM", "10,000 B of RAM"), ("flash", "20,000 B of flash"),
    ]  # fmt: skip
    one = dataclasses.replace(benchmark_result, clips=1, accuracy=None, counts=None)
    names = [name for name, _ in cards.headlines(one)]
    assert names == ["inputs", "RAM", "flash"] and cards.headlines(one)[0] == ("inputs", "1 clip")


def test_a_card_has_a_line_for_each_layer(benchmark_result: Benchmark) -> None:
    card = cards.of_benchmark(benchmark_result)
    assert card.title == "tiny on ST NUCLEO-F446RE, 100 MHz, 0 wait states"
    assert dict(card.figures)["RAM"] == "10,000 B" and dict(card.figures)["cycles"] == "150,000"
    assert card.head == ("layer", "operator", "kernel", "MACs", "cycles", "flash bytes")
    assert [row.percent for row in card.rows] == [60.0, 40.0]
    assert [row.cells[4] for row in card.rows] == ["60,000", "40,000"]
    layers = tuple(dataclasses.replace(layer, count=None) for layer in benchmark_result.layers)
    bare = cards.of_benchmark(
        dataclasses.replace(benchmark_result, counts=None, layers=layers, clock_hz=None)
    )
    assert bare.title == "tiny on ST NUCLEO-F446RE"
    assert bare.head == ("layer", "operator", "kernel", "MACs", "flash bytes")
    assert [(row.percent, len(row.cells)) for row in bare.rows] == [(None, 5)] * 2


@pytest.mark.parametrize(
    ("results", "names"),
    [
        ([("a/one.json", "m"), ("b/two.json", "n")], ["m", "n"]),
        ([("a/one.json", "m"), ("a/two.json", "m"), ("c.json", "n")], ["m (one.json)", "m (two.json)", "n"]),
        ([("a/r.json", "m"), ("b/r.json", "m")], ["m (a/r.json)", "m (b/r.json)"]),
        # The place is told apart from all files, also of other models.
        ([("a/r.json", "m"), ("b/s.json", "m"), ("c/r.json", "n")], ["m (a/r.json)", "m (s.json)", "n"]),
    ],
)
def test_results_are_told_apart(
    benchmark_result: Benchmark, results: list[tuple[str, str]], names: list[str]
) -> None:
    given = [(Path(path), dataclasses.replace(benchmark_result, model=model)) for path, model in results]
    assert comparison.told_apart(given) == names


def test_a_file_that_is_given_twice_has_its_whole_path(benchmark_result: Benchmark) -> None:
    given = [(Path("a/r.json"), benchmark_result)] * 2
    assert comparison.told_apart(given) == ["tiny (a/r.json)"] * 2
