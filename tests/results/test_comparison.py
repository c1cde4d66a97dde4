# SPDX-License-Identifier: Apache-2.0
"""Comparisons tell what differs and nothing else; budgets decide the exit status."""

from __future__ import annotations

import dataclasses
import io
import itertools
import json
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from ascmcu.errors import InputError
from ascmcu.results import budgets, comparison, comparison_table, junit, markdown, pareto
from ascmcu.results.schema import Benchmark, CountSummary
from ascmcu.runners.base import CountKind
from tests.results.conftest import layer, outcome


@pytest.fixture
def faster(benchmark_result: Benchmark) -> Benchmark:
    """The second layer 10,000 cycles faster, 100 bytes of flash more, one answer another."""
    assert benchmark_result.counts is not None
    first, second = benchmark_result.layers
    return dataclasses.replace(
        benchmark_result,
        counts=dataclasses.replace(benchmark_result.counts, network=90_000),
        layers=(first, dataclasses.replace(second, count=30_000), layer("net/third/Relu:3", 5)),
        flash_bytes={**benchmark_result.flash_bytes, "total": 20_100},
        accuracy=0.5,
        flags="-O2",
        clip_results=(outcome("a.wav", 0, 0.1, 0.9), *benchmark_result.clip_results[1:3]),
    )


def test_equal_results_have_nothing_to_tell(benchmark_result: Benchmark) -> None:
    c = comparison.compare(benchmark_result, benchmark_result)
    assert (c.figures, c.layers, c.conditions, c.kept) == ((), (), (), True)
    assert (c.equal_answers, c.shared_clips) == (4, 4)
    assert "No figure differs" in markdown.of_comparison([c])


def test_only_what_differs_is_told(benchmark_result: Benchmark, faster: Benchmark) -> None:
    c = comparison.compare(benchmark_result, faster)
    assert {d.name: d.change for d in c.figures} == {
        "accuracy": -0.25, "cycles": -10_000, "network": -10_000, "flash": 100, "macs": 20_000, "parameters": 500,
    }  # fmt: skip
    assert [(x.name, x.state, len(x.figures)) for x in c.layers] == [
        ("net/second/Relu:2", "changed", 1),
        ("net/third/Relu:3", "new", 4),
    ]
    assert [x.name for x in c.conditions] == ["flags"]
    assert (c.equal_answers, c.shared_clips) == (2, 3)
    gone = comparison.compare(faster, benchmark_result)
    assert [x.state for x in gone.layers] == ["changed", "gone"]
    text = markdown.of_comparison([c])
    assert "| flash, bytes | 20,000 | 20,100 | +100 (+0.50 %) |" in text and "-25.00 points" in text
    told = json.loads(json.dumps(c.to_dict()))
    assert (told["schema"], told["version"], told["figures"][0]["name"]) == (
        "ascmcu.comparison",
        1,
        "accuracy",
    )


def test_cycles_and_instructions_are_not_compared(benchmark_result: Benchmark) -> None:
    emulated = dataclasses.replace(benchmark_result, count_kind="instructions", runner="qemu")
    c = comparison.compare(benchmark_result, emulated)
    assert {d.name for d in c.figures} == {"cycles", "instructions"}
    assert all(d.change is None for d in c.figures) and not c.layers


def test_counts_of_an_unknown_kind_are_not_compared(benchmark_result: Benchmark, faster: Benchmark) -> None:
    """Not even with one another: nobody knows what either counts."""
    known = comparison.compare(benchmark_result, faster)
    a, b = (dataclasses.replace(x, count_kind="counts", energy=None) for x in (benchmark_result, faster))
    unknown = comparison.compare(a, b)
    assert any(d.change is not None for d in known.figures if d.name in ("cycles", "network"))
    assert all(d.change is None for d in unknown.figures if d.name in ("counts", "network", "latency"))
    assert not any(f.name == "count" for layer in unknown.layers for f in layer.figures)


def test_layers_alone_may_differ(benchmark_result: Benchmark) -> None:
    """Nothing of the whole does, but two layers have exchanged their work."""
    first, second = benchmark_result.layers
    assert first.count is not None and second.count is not None
    moved = (
        dataclasses.replace(first, count=first.count - 5),
        dataclasses.replace(second, count=second.count + 5),
    )
    c = comparison.compare(benchmark_result, dataclasses.replace(benchmark_result, layers=moved))
    assert not c.figures and len(c.layers) == 2
    assert "No figure differs" not in markdown.of_comparison([c])
    text = io.StringIO()
    comparison_table.show(c, Console(file=text, width=120))
    assert "no figure differs" not in text.getvalue() and "59,995" in text.getvalue()
    text = io.StringIO()
    comparison_table.show(
        comparison.compare(benchmark_result, benchmark_result), Console(file=text, width=120)
    )
    assert text.getvalue().splitlines()[1:] == ["no figure differs", "4 of 4 clips are answered alike"]


def test_a_figure_s_higher_values_are_better_where_that_is_said() -> None:
    plain = comparison.Difference("flash", "flash", 1, 2)
    assert (plain.better, plain.fraction) == (False, False)


def test_memory_fits_to_the_byte(benchmark_result: Benchmark) -> None:
    full = dataclasses.replace(benchmark_result, board_ram_bytes=10_000, board_flash_bytes=20_000)
    assert [case.failure for case in junit.cases(full, [])] == ["", ""]
    short = dataclasses.replace(benchmark_result, board_ram_bytes=9_999, board_flash_bytes=19_999)
    assert [case.failure for case in junit.cases(short, [])] == [
        "10,000 bytes of 9,999",
        "20,000 bytes of 19,999",
    ]


def test_layers_of_one_name_are_kept_apart(benchmark_result: Benchmark) -> None:
    twins = dataclasses.replace(benchmark_result, layers=(layer("same", 1), layer("same", 2)))
    changed = dataclasses.replace(twins, layers=(layer("same", 1), layer("same", 3)))
    (only,) = comparison.compare(twins, changed).layers
    assert (only.name, only.figures[0].change) == ("same (2)", 1)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("cycles=140000", True), ("cycles=139999", False), ("cycles=+0", True), ("cycles=-6%", True),
        ("cycles=-7%", False), ("flash=+100", True), ("flash=+99", False), ("flash=+0.5%", True),
        ("flash=+0.49%", False), ("ram=10_000", True), ("accuracy=-25%", True), ("accuracy=-24.9%", False),
        ("accuracy=50%", True), ("accuracy=0.51", False), ("log-loss=0.6", True), ("instructions=1", False),
    ],
)  # fmt: skip
def test_budgets(text: str, kept: bool, benchmark_result: Benchmark, faster: Benchmark) -> None:
    (verdict,) = comparison.compare(benchmark_result, faster, [budgets.parse(text)]).verdicts
    assert verdict.kept is kept, verdict.sentence
    assert text in verdict.sentence


@pytest.mark.parametrize(
    "text", ["cycles", "cycles=", "speed=1", "cycles=1%", "cycles=lots", "=3", "ram=+-1"]
)
def test_what_is_no_budget(text: str) -> None:
    with pytest.raises(InputError):
        budgets.parse(text)


def test_a_relative_budget_needs_an_earlier_result(benchmark_result: Benchmark) -> None:
    with pytest.raises(InputError, match="needs an earlier result"):
        budgets.judge(budgets.parse("ram=+1%"), benchmark_result)


@pytest.mark.parametrize(
    ("kind", "budget", "found", "hint"),
    [
        ("instructions", "cycles=+1%", "it counts instructions", "--budget instructions=+1%"),
        ("cycles", "instructions=+5", "it counts cycles", "--budget cycles=+5"),
        ("counts", "network=+1%", "nobody knows what it counts", None),
        ("none", "latency=+1%", "it counts nothing", None),
        ("cycles", "log-loss=+1%", "no log-loss", None),
    ],
)
def test_an_earlier_result_without_the_figure_says_what_it_has(
    kind: CountKind, budget: str, found: str, hint: str | None, benchmark_result: Benchmark
) -> None:
    earlier = dataclasses.replace(benchmark_result, count_kind=kind, log_loss=None)
    if kind == "none":
        earlier = dataclasses.replace(earlier, counts=None)
    with pytest.raises(InputError, match="earlier result has no such figure") as caught:
        budgets.judge(budgets.parse(budget), earlier, earlier)
    assert (caught.value.found, caught.value.hint) == (found, hint)
    assert caught.value.where == f"{earlier.model} on {earlier.runner}"


def test_junit_says_what_failed(benchmark_result: Benchmark) -> None:
    verdicts = [budgets.judge(budgets.parse(text), benchmark_result) for text in ("ram=9999", "flash=20000")]
    large = dataclasses.replace(benchmark_result, board_ram_bytes=9_000)
    suite = ET.fromstring(junit.render([("tiny.sim", junit.cases(large, verdicts))])).find("testsuite")
    assert suite is not None and (suite.get("tests"), suite.get("failures")) == ("4", "2")
    failed = {case.get("name") for case in suite if case.find("failure") is not None}
    assert failed == {"RAM fits", "ram=9999"}


def test_markdown_keeps_names_from_becoming_markup(benchmark_result: Benchmark) -> None:
    text = markdown.of_benchmark(dataclasses.replace(benchmark_result, model="a|b*c"))
    assert "### a\\|b\\*c on" in text and "| time per clip at 100 MHz | 1.50 ms |" in text


def _at(b: Benchmark, cycles: int, accuracy: float | None) -> Benchmark:
    return dataclasses.replace(b, counts=CountSummary(cycles, 0, 0, 0, 0, 0), accuracy=accuracy)


def test_the_pareto_front(benchmark_result: Benchmark, tmp_path: Path) -> None:
    b = benchmark_result
    results = [
        ("small", _at(b, 100, 0.5)), ("large", _at(b, 300, 0.9)), ("poor", _at(b, 310, 0.9)),
        ("middle", _at(b, 200, 0.8)), ("dull", _at(b, 250, 0.6)), ("twin", _at(b, 200, 0.8)),
        ("unknown", _at(b, 1, None)),
    ]  # fmt: skip
    x, y = budgets.by_name("cycles"), budgets.by_name("accuracy")
    found = pareto.points(results, x, y)
    assert {p.name for p in found if p.best} == {"small", "large", "middle", "twin"}
    assert {p.name for p in found if not p.best} == {"poor", "dull"}
    pareto.write(tmp_path / "p.svg", found, x, y)
    drawn = ET.fromstring((tmp_path / "p.svg").read_text())
    assert sum(e.tag.endswith("circle") for e in drawn.iter()) == 6
    (line,) = (e for e in drawn.iter() if e.tag.endswith("polyline"))
    assert len(line.attrib["points"].split()) == 4 + 3, "four points, and a corner between each two"
    with pytest.raises(InputError, match=r"\.svg or \.png"):
        pareto.write(tmp_path / "p.pdf", found, x, y)
    pytest.importorskip("matplotlib")
    pareto.write(tmp_path / "p.png", found, x, y)
    assert (tmp_path / "p.png").read_bytes()[:4] == b"\x89PNG"


def test_names_of_many_results_cover_nothing(benchmark_result: Benchmark) -> None:
    rng = np.random.default_rng(1)
    results = [
        (f"network-{i}", _at(benchmark_result, int(c), float(a)))
        for i, (c, a) in enumerate(zip(rng.integers(100, 900, 120), rng.uniform(0.4, 0.9, 120), strict=True))
    ]
    x, y = budgets.by_name("cycles"), budgets.by_name("accuracy")
    drawn = pareto.picture(pareto.points(results, x, y), x, y)
    assert len(drawn.marks) == 120 and len(drawn.labels) < 120
    assert {m.text for m in drawn.marks if m.best} == {label.text for label in drawn.labels if label.best}
    boxes = [
        (label.left, label.base - 10, label.left + 6 * len(label.text), label.base + 3)
        for label in drawn.labels
    ]
    for i, (left, top, right, bottom) in enumerate(boxes):
        assert not any(left < m.x < right and top < m.y < bottom for m in drawn.marks)
        for a, b, c, d in boxes[:i]:
            assert right <= a or c <= left or bottom <= b or d <= top
    # Accuracy to the right: the stairs go down behind each point, not before it.
    down = pareto.picture(pareto.points(results[:2], y, x), y, x).steps
    assert all(a == c or b == d for (a, b), (c, d) in itertools.pairwise(down))


def test_one_point_is_a_plot_too(benchmark_result: Benchmark) -> None:
    x, y = budgets.by_name("ram"), budgets.by_name("flash")
    assert "circle" in pareto.svg(pareto.points([("one", benchmark_result)], x, y), x, y)
    with pytest.raises(InputError, match="both figures"):
        pareto.points([("one", benchmark_result)], budgets.by_name("instructions"), y)


def test_figures_say_what_was_counted(benchmark_result: Benchmark, faster: Benchmark) -> None:
    (said,) = [d.title for d in comparison.compare(benchmark_result, faster).figures if d.name == "network"]
    assert said == "network, cycles per clip"
    counted = dataclasses.replace(benchmark_result, count_kind="instructions")
    text = markdown.of_benchmark(counted)
    assert "| latency, instructions |" in text and "cycles" not in text.partition("<details>")[0]
    assert "| layer | op | kernel | MACs |" in text, text
    assert "| --- | --- | --- | ---: |" in text, "words left, numbers right"


def _sent(b: Benchmark, *inputs: str) -> Benchmark:
    clips = tuple(dataclasses.replace(c, input_sha256=x) for c, x in zip(b.clip_results, inputs, strict=True))
    provenance = dataclasses.replace(b.provenance, inputs_sha256="".join(inputs) * 16)
    return dataclasses.replace(b, clip_results=clips, provenance=provenance)


def test_clips_of_one_name_and_other_samples_are_not_compared(benchmark_result: Benchmark) -> None:
    base = _sent(benchmark_result, "1", "2", "3", "4")
    found = comparison.compare(base, _sent(benchmark_result, "1", "2", "5", "6"))
    assert (found.shared_clips, found.equal_answers) == (2, 2)
    (samples,) = found.conditions
    assert (samples.name, samples.before, samples.after) == ("clips' samples", "123412341234", "125612561256")
    assert comparison.compare(base, base).conditions == ()


def test_answers_are_compared_by_the_name_of_the_class(benchmark_result: Benchmark) -> None:
    swapped = dataclasses.replace(
        benchmark_result, labels=benchmark_result.labels[::-1],
        clip_results=tuple(dataclasses.replace(c, predicted=1 - c.predicted) for c in benchmark_result.clip_results),
    )  # fmt: skip
    assert comparison.compare(benchmark_result, swapped).equal_answers == 4
    assert (
        comparison.compare(
            benchmark_result, dataclasses.replace(swapped, labels=benchmark_result.labels)
        ).equal_answers
        == 0
    )


def test_counts_of_unknown_kind_are_not_compared_or_bounded(benchmark_result: Benchmark) -> None:
    unknown = dataclasses.replace(benchmark_result, count_kind="counts", energy=None)
    assert unknown.seconds is None
    more = dataclasses.replace(
        unknown,
        counts=dataclasses.replace(unknown.counts, network=999_999),  # type: ignore[type-var]
    )
    assert comparison.compare(unknown, more).figures == ()
    verdicts = [
        budgets.judge(budgets.parse(f"{name}=1"), unknown, None) for name in ("cycles", "network", "latency")
    ]
    assert not any(verdict.kept for verdict in verdicts)


UNLIKE = {
    "another runner": ({"runner": "host"}, ("cycles=+1%", "latency=+1"), ("ram=+1%", "accuracy=-1%")),
    "other wait states": ({"wait_states": 0}, ("cycles=+1%", "network=+1"), ("flash=+512",)),
    "another board": ({"board": "nucleo-f411"}, ("cycles=+1%",), ("accuracy=-1%",)),
    "other clips": ({"clips": 3}, ("accuracy=-1%", "log-loss=+1"), ("cycles=+1%",)),
}


@pytest.mark.parametrize("case", UNLIKE)
def test_what_was_not_made_alike_is_said_first_and_bounds_nothing(
    case: str, benchmark_result: Benchmark
) -> None:
    changes, refused, allowed = UNLIKE[case]
    base = dataclasses.replace(benchmark_result, wait_states=5)
    other = dataclasses.replace(base, **changes)  # type: ignore[arg-type]
    made = comparison.compare(base, other)
    assert [c.name for c in made.decisive] == [next(iter(changes)).replace("_", " ")]
    text = io.StringIO()
    comparison_table.show(made, Console(file=text, width=200))
    assert "not comparable as they are" in text.getvalue().splitlines()[1]
    assert "Not comparable as they are" in markdown.of_comparison([made]).split("|")[0]
    for budget in refused:
        with pytest.raises(InputError, match="not made under the same conditions"):
            comparison.compare(base, other, [budgets.parse(budget)])
    comparison.compare(base, other, [budgets.parse(budget) for budget in allowed])
    comparison.compare(base, other, [budgets.parse("cycles=999999999")])
