# SPDX-License-Identifier: Apache-2.0
"""What people read of a result: page, plots, tables and summaries, from results whose every figure is its own."""

from __future__ import annotations

import base64
import dataclasses
import io
import itertools
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from ascmcu import __version__, boards
from ascmcu.results import (
    budgets,
    comparison,
    comparison_table,
    inspection,
    inspection_table,
    junit,
    limits,
    markdown,
    page,
    pareto,
    table,
    words,
)
from ascmcu.results.inspection import BoardReport
from ascmcu.results.limits import Figures
from ascmcu.results.schema import Benchmark, CountSummary, Energy, Mistake, Provenance, Symbol
from tests.results.conftest import layer, outcome
from tests.support.snapshots import Snapshot


@pytest.fixture
def rich(benchmark_result: Benchmark) -> Benchmark:
    """No figure twice: seven layers of several kinds, three classes, four devices, mistakes of which one is close."""
    ops = ("conv2d", "depthwise_conv2d", "conv2d", "average_pool2d", "fully_connected", "softmax", "barrier")
    layers = tuple(
        layer(
            f"net_1/block{n}_relu/Relu:{n}", 1009 * (9 - n) ** 2, op=op, output_shape=(1, 3 + n, 8),
            macs=0 if op in ("average_pool2d", "softmax", "barrier") else 10_007 * (n + 1) ** 2,
            parameters=13 * n, weights_bytes=17 * n, flash_bytes=600 + 31 * n, buffer_bytes=211 + 7 * n,
            kernel=f"{op}_portable", predicted_cycles=None if n == 6 else 1013 * (9 - n) ** 2 + 401,
        )
        for n, op in enumerate(ops)
    )  # fmt: skip
    clips = tuple(
        outcome(f"clip{n}.wav", n % 3, *probabilities, device="abcd"[n % 4])
        for n, probabilities in enumerate(
            [(0.9, 0.07, 0.03), (0.2, 0.5, 0.3), (0.6, 0.3, 0.1), (0.34, 0.36, 0.3), (0.0, 1.0, 0.0), (0.1, 0.2, 0.7),
             (0.8, 0.1, 0.1)]
        )
    )  # fmt: skip
    levels = base64.b64encode(bytes(range(0, 240, 10))).decode()
    figures = Figures(
        parameters=130_003, parameter_bytes=131_009, nonzero_bytes=120_011, macs=29_000_017, int8_weights=True
    )
    return dataclasses.replace(
        benchmark_result, clips=7, labels=("rain", "<sea> & co", "bird"), accuracy=5 / 7, macro_accuracy=0.7222,
        log_loss=0.7071, class_accuracy={"rain": 2 / 3, "<sea> & co": 1.0, "bird": 0.5},
        device_accuracy={"a": 1.0, "b": 0.5, "c": 0.25, "d": 0.75}, confusion=((2, 1, 0), (0, 2, 0), (1, 0, 1)),
        counts=CountSummary(100_003, 50_021, 71_011, 82_003, 99_013, 101_027),
        energy=Energy(41.5, 46.2, 194, 216, 3000, "a lab"), layers=layers, network=figures,
        limits=limits.report(figures), wait_states=5,
        ram_bytes={"total": 10_007, "activations": 6_011, "stack": 2_048, "features": 1_013, "stack_peak": 317},
        flash_bytes={"total": 20_011, "code": 14_009, "weights": 5_003, "dsp_tables": 999},
        flash_symbols=(
            Symbol("model_push", "code", None, 7_103), Symbol("weights_0", "weights", 0, 4_507),
            Symbol("conv2d_0", "code", 0, 907), Symbol("conv2d_2", "code", 2, 811),
            Symbol("twiddle", "dsp_tables", None, 999), Symbol("tiny", "code", None, 3),
        ),
        link={"bad_frames": 3, "asked_again": 2, "disturbed_chunks": 1}, resumed=2, clip_results=clips,
        mistakes=(Mistake(2, 6, 4, -80.0, -1.5, levels), Mistake(3, 4, 6, -70.5, 0.0, levels)),
        provenance=Provenance("2026-01-02T03:04:05Z", "Linux x86_64", {"python": "3.11.2"}, 3, "cd" * 32),
    )  # fmt: skip


def _body(html: str) -> str:
    """A page without its style sheet, a tag a line."""
    html = re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)
    html = html.replace(f"ascmcu {__version__}", "ascmcu VERSION")
    return re.sub(r">\s*<", ">\n<", html)


@pytest.mark.parametrize("what", ["cycles", "instructions", "nothing"])
def test_pages(what: str, rich: Benchmark, snapshot: Snapshot) -> None:
    if what != "cycles":
        rich = dataclasses.replace(rich, count_kind=what if what != "nothing" else "none", energy=None)
    if what == "nothing":
        rich = dataclasses.replace(
            rich, counts=None, labels=None, accuracy=None, macro_accuracy=None, log_loss=None, confusion=None,
            class_accuracy=None, device_accuracy=None, mistakes=(), limits=(), resumed=0,
            layers=tuple(dataclasses.replace(x, count=None) for x in rich.layers),
        )  # fmt: skip
    snapshot(f"page-{what}", _body(page.render(rich, None)))


def _at(b: Benchmark, cycles: int, accuracy: float) -> Benchmark:
    return dataclasses.replace(b, counts=CountSummary(cycles, 0, 0, 0, 0, 0), accuracy=accuracy)


def test_a_plot(benchmark_result: Benchmark, snapshot: Snapshot) -> None:
    results = [
        (name, _at(benchmark_result, cycles, accuracy))
        for name, cycles, accuracy in (
            ("small", 1_100_000, 0.503), ("large", 3_070_000, 0.907), ("poor", 3_110_000, 0.91),
            ("middle", 2_090_000, 0.83), ("dull", 2_530_000, 0.61), ("close", 2_101_000, 0.828),
        )
    ]  # fmt: skip
    cycles, accuracy = budgets.by_name("cycles"), budgets.by_name("accuracy")
    snapshot("pareto", pareto.svg(pareto.points(results, cycles, accuracy), cycles, accuracy))
    snapshot("pareto-turned", pareto.svg(pareto.points(results, accuracy, cycles), accuracy, cycles))


def test_a_plot_by_matplotlib_has_the_same_parts(
    benchmark_result: Benchmark, snapshot: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every line, point and word, with place, colour and size; the pixels are matplotlib's business."""
    figure = pytest.importorskip("matplotlib.figure")
    drawn: list[Any] = []
    saved = figure.Figure.savefig

    def savefig(self: Any, *arguments: Any, **options: Any) -> None:
        drawn.append((self, options))
        saved(self, *arguments, **options)

    monkeypatch.setattr(figure.Figure, "savefig", savefig)
    results = [(n, _at(benchmark_result, c, a)) for n, c, a in (("small", 1_100_000, 0.5), ("large", 3_070_000, 0.9),
                                                                ("poor", 3_110_000, 0.8))]  # fmt: skip
    cycles, accuracy = budgets.by_name("cycles"), budgets.by_name("accuracy")
    pareto.write(tmp_path / "p.png", pareto.points(results, cycles, accuracy), cycles, accuracy)
    ((made, options),) = drawn
    (axes,) = made.axes
    edges = [float(v) for v in (*(made.get_size_inches() * 96), *axes.get_xlim(), *axes.get_ylim())]
    places = [round(float(v), 3) for v in axes.get_position().bounds]
    lines = [f"size and limits {edges}, {options}, axes {axes.axison} at {places}"]
    for line in axes.lines:
        places = " ".join(f"{x:.1f},{y:.1f}" for x, y in line.get_xydata())
        size = f"{line.get_linewidth():g} {line.get_marker()} {line.get_markersize():g}"
        lines.append(f"line {places} {line.get_color()} {size} z {line.get_zorder():g}")
    for text in axes.texts:
        (x, y), side = text.get_position(), f"{text.get_ha()} {text.get_va()}"
        lines.append(
            f"text {x:.1f},{y:.1f} {text.get_color()} {text.get_fontsize():g} {side}: {text.get_text()}"
        )
    snapshot("pareto-png", "\n".join(lines) + "\n")


@pytest.fixture
def changed(rich: Benchmark) -> Benchmark:
    """Something of everything differs."""
    assert rich.counts is not None
    first, second, *rest = rich.layers
    return dataclasses.replace(
        rich, counts=dataclasses.replace(rich.counts, network=90_001, latency=83_000), accuracy=0.5, log_loss=None,
        layers=(first, dataclasses.replace(second, count=30_000, flash_bytes=1), *rest[1:], layer("net/new/Relu:3", 5)),
        flash_bytes={**rich.flash_bytes, "total": 20_100}, flags="-O2", compiler="gcc 13",
        clip_results=(outcome("clip0.wav", 0, 0.1, 0.9, 0.0), *rich.clip_results[1:5]),
    )  # fmt: skip


def _shown(show: object, what: object) -> str:
    text = io.StringIO()
    show(what, Console(file=text, width=130))  # type: ignore[operator]
    return text.getvalue()


def _coloured(show: object, what: object) -> list[str]:
    """The words that are not plain or bold, each behind its code: 2 dim, 31 red, 32 green, 33 yellow, 36 a number."""
    text = io.StringIO()
    console = Console(file=text, width=130, force_terminal=True, color_system="standard", no_color=False)
    show(what, console)  # type: ignore[operator]
    spans = re.findall(r"\x1b\[([\d;]+)m([^\x1b]+)", text.getvalue())
    return [f"{code} {words.strip()}" for code, words in spans if code not in ("0", "1") and words.strip()]


def test_colours_stand_for_something(rich: Benchmark, changed: Benchmark, snapshot: Snapshot) -> None:
    """Good, bad, what to mind, what is beside the point."""
    asked = [budgets.parse(text) for text in ("ram=9999", "flash=+100", "accuracy=-10%")]
    steps = dataclasses.replace(
        rich,
        state_bytes=96,
        notices=("one of 3 clips was kept",),
        clock_state="hsi_alone",
        labels_source="2 files",
    )
    unlike = comparison.compare(rich, dataclasses.replace(changed, board="nucleo-f411"), asked[:1])
    shown = [
        *_coloured(table.show, steps), "", *_coloured(comparison_table.show, unlike), "",
        *_coloured(comparison_table.show, comparison.compare(rich, changed, asked)), "",
        *_coloured(comparison_table.show, comparison.compare(rich, rich)),
    ]  # fmt: skip
    snapshot("colours", "\n".join(shown) + "\n")
    assert "96 bytes of RAM are states, which live on from step to step" in _shown(table.show, steps)


def test_tables_and_summaries(rich: Benchmark, changed: Benchmark, snapshot: Snapshot) -> None:
    asked = [budgets.parse(text) for text in ("ram=9999", "flash=+100", "accuracy=-10%", "cycles=150024")]
    found = comparison.compare(rich, changed, asked)
    verdicts = [budgets.judge(budget, rich, rich) for budget in asked]
    snapshot("table", _shown(table.show, rich))
    snapshot("table-instructions", _shown(table.show, dataclasses.replace(rich, count_kind="instructions")))
    snapshot("comparison", _shown(comparison_table.show, found))
    snapshot("comparison-back", _shown(comparison_table.show, comparison.compare(changed, rich)))
    snapshot("markdown", markdown.of_benchmark(rich, verdicts))
    snapshot("markdown-comparison", markdown.of_comparison([found, comparison.compare(rich, rich)]))
    snapshot("junit", junit.render([("tiny.sim", junit.cases(rich, verdicts)), ("other", [])]))


def test_a_library_has_no_compiler_to_name(rich: Benchmark) -> None:
    library = dataclasses.replace(rich, compiler="", flags="")
    assert f"{rich.runner_detail}; {rich.compiler}\n" in _shown(table.show, rich)
    assert f"{rich.runner_detail}\n" in _shown(table.show, library)
    assert f"{rich.runner_detail}; schedule" in markdown.of_benchmark(library, [])


def test_an_inspection(snapshot: Snapshot) -> None:
    from ascmcu import passes
    from ascmcu.frontends import tflite
    from ascmcu.schedule import LAYERS, ROWS, make_plan
    from tests.support import recipes_flat
    from tests.support.recipes import Recipe, Step

    window = {"kernel": [3, 3], "stride": [1, 1], "same": True, "act": "none", "dilation": [1, 1], "dead": 1}
    steps = (
        Step("conv", (0,), {**window, "channels": 6, "groups": 1}),
        Step("mean", (1,), {"axes": [1, 2], "keep": False}),
        Step("dense", (2,), {"units": 5, "flatten": False, "act": "none", "bias": True, "dead": 0}),
    )
    source = tflite.parse(recipes_flat.make(Recipe((1, 9, 7, 2), "int8", 5, steps)), "net")
    graph = passes.optimize(source)
    made = inspection.make("net", "ab" * 32, source, make_plan(graph, LAYERS), make_plan(graph, ROWS))
    assert made.compiled_macs <= made.macs and made.ram_rows_bytes < made.ram_layers_bytes
    assert {board.name for board in made.boards} == set(boards.names())
    # What kernels and schedules make of it changes with them.
    shown = dataclasses.replace(
        made, compiled_layers=3, compiled_parameters=51, compiled_macs=4_556, compiled_weights_bytes=252,
        ram_layers_bytes=488, ram_rows_bytes=196,
        boards=(
            BoardReport("large", 131_072, 524_288, True, True), BoardReport("rows", 400, 2_048, False, True),
            BoardReport("small", 100, 1_000, False, False),
        ),
    )  # fmt: skip
    snapshot("inspection", _shown(inspection_table.show, shown))
    two = dataclasses.replace(
        shown, inputs=(*shown.inputs, inspection.InputReport("hour", (1, 3), "float32"))
    )
    assert _shown(inspection_table.show, two).startswith("net: 1x9x7x2 int8 , 1x3 float32 -> 1x5\n")
    snapshot("inspection-dict", "\n".join(f"{k}: {v}" for k, v in sorted(shown.to_dict().items())) + "\n")


@pytest.mark.parametrize(
    ("over_bytes", "weights_over_bytes", "fits"), [(0, 0, True), (1, 0, False), (0, 1, False)]
)
def test_a_board_fits_to_the_byte(over_bytes: int, weights_over_bytes: int, fits: bool) -> None:
    board = boards.load("nucleo-f446")
    room = board.ram.size_bytes - board.stack_bytes + over_bytes
    found = inspection._board("nucleo-f446", board.flash.size_bytes + weights_over_bytes, room, room)
    assert (found.ram_bytes, found.flash_bytes) == (board.ram.size_bytes, board.flash.size_bytes)
    assert (found.fits_layers, found.fits_rows) == (fits, fits)
    full = inspection._board("nucleo-f446", board.flash.size_bytes + 1, 1, 0)
    assert (full.fits_layers, full.fits_rows) == (False, False), "of what flash does not hold nothing fits"
    one = inspection._board("nucleo-f446", 1000, room + 1, 100)
    assert (one.fits_layers, one.fits_rows) == (False, True)


@pytest.mark.parametrize(
    ("function", "value", "text"),
    [
        (words.digits, 0, "0"), (words.digits, 99.95, "100"), (words.digits, 99.94, "99.9"),
        (words.digits, 9.995, "10.0"),
        (words.digits, 9.994, "9.99"), (words.digits, 0.9995, "1.00"), (words.digits, 0.9994, "0.999"),
        (words.digits, -1234.5, "-1,234"), (words.digits, -0.05, "-0.050"), (words.digits, 100.4, "100"),
        (words.duration, 1.0, "1.00 s"), (words.duration, 0.9999, "1,000 ms"), (words.duration, 0.0525, "52.5 ms"),
        (words.duration, 0.001, "1.00 ms"), (words.duration, 2.5e-6, "2.50 µs"), (words.duration, 1e-6, "1.00 µs"),
        (words.duration, 3e-9, "3.00 ns"), (words.duration, 5e-11, "0.050 ns"), (words.duration, -0.002, "-2.00 ms"),
        (words.kibibytes, 1023, "1023 B"), (words.kibibytes, 1024, "1.00 KiB"), (words.kibibytes, 82842, "80.9 KiB"),
        (words.percent, 0.9118, "91.2 %"), (words.percent, 0.0, "0.0 %"), (words.thousands, 9451956, "9,451,956"),
        (words.short_layer, "net_1/block1_relu/Relu:30", "block1_relu"), (words.short_layer, "Identity:0", "Identity"),
        (words.short_layer, "a/b", "a"),
    ],
)  # fmt: skip
def test_words(function: object, value: object, text: str) -> None:
    assert function(value) == text  # type: ignore[operator]


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.0, 1.0, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]), (0.0, 6.0, [0, 1, 2, 3, 4, 5, 6]), (0.5, 6.7, [2, 4, 6]),
        (0.0, 12.1, [0.0, 5.0, 10.0]), (-3.0, 3.0, [-3, -2, -1, 0, 1, 2, 3]),
        (100.0, 1300.0, [200, 400, 600, 800, 1000, 1200]),
        (0.0, 39.0, [0, 10, 20, 30]),
    ],
)  # fmt: skip
def test_ticks_are_round_and_some_five(low: float, high: float, ticks: list[float]) -> None:
    assert pareto._ticks(low, high) == pytest.approx(ticks)


def test_a_range_has_room_at_both_ends() -> None:
    assert pareto._range([2.0, 12.0]) == pytest.approx((1.2, 13.2))
    assert pareto._range([0.5, 1.0], True) == pytest.approx((0.46, 1.0)), "nothing above 100 %"
    assert pareto._range([0.0, 0.5], True)[0] == 0.0
    assert pareto._range([5.0]) == pytest.approx((4.6, 5.6))
    assert pareto._range([0.0, 0.0]) == pytest.approx((-0.08, 0.12))


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [("accuracy", 0.8125, "81.2 %"), ("cycles", 999, "999"), ("cycles", 1000, "1.00 k"),
     ("cycles", 2_500_000, "2.50 M"), ("cycles", 1e6, "1.00 M"), ("cycles", 1e9, "1.00 G"), ("cycles", 0, "0")],
)  # fmt: skip
def test_values_on_axes(name: str, value: float, text: str) -> None:
    assert pareto._tell(budgets.by_name(name), value) == text


@pytest.mark.parametrize(("before", "after"), list(itertools.product((1, 2), repeat=2)))
@pytest.mark.parametrize("higher", [True, False])
def test_what_is_better(before: int, after: int, higher: bool) -> None:
    found = comparison.Difference("x", "x", before, after, higher=higher)
    assert (found.change, found.percent) == (after - before, 100 * (after - before) / before)
    if before != after:
        assert found.better is ((after > before) is higher)
    nothing = comparison.Difference("x", "x", None, after, higher=higher)
    assert (nothing.change, nothing.percent, nothing.better) == (None, None, None)
    assert comparison.Difference("x", "x", 0, after, higher=higher).percent is None


@pytest.mark.parametrize(
    ("other", "covers"),
    [
        ((10, 10, 20, 20), True), ((20, 10, 30, 20), False), ((19.9, 10, 30, 20), True), ((0, 10, 10, 20), False),
        ((10, 20, 20, 30), False), ((10, 19.9, 20, 30), True), ((10, 0, 20, 10), False), ((12, 12, 14, 14), True),
        ((0, 0, 40, 40), True),
    ],
)  # fmt: skip
def test_boxes_that_touch_do_not_meet(other: tuple[float, float, float, float], covers: bool) -> None:
    assert pareto._Box(10, 10, 20, 20).meets(pareto._Box(*other)) is covers
    assert pareto._Box(*other).meets(pareto._Box(10, 10, 20, 20)) is covers


@pytest.mark.parametrize(
    ("inner", "within"),
    [((10, 10, 20, 20), True), ((9.9, 10, 20, 20), False), ((10, 9.9, 20, 20), False), ((10, 10, 20.1, 20), False),
     ((10, 10, 20, 20.1), False), ((12, 13, 14, 15), True)],
)  # fmt: skip
def test_a_box_within_another_may_touch_its_edges(
    inner: tuple[float, float, float, float], within: bool
) -> None:
    assert pareto._Box(*inner).within(pareto._Box(10, 10, 20, 20)) is within


def test_names_avoid_points_and_stairs() -> None:
    """The right of a point is taken by its neighbour, or by the line: the name goes elsewhere."""
    point = pareto.Mark(300.0, 200.0, "name", True, "")
    (alone,) = pareto._labels([point], [])
    assert (alone.left, alone.base) == (309.0, 193.0)
    neighbour = pareto.Mark(320.0, 190.0, "", False, "")
    beside = next(label for label in pareto._labels([point, neighbour], []) if label.text == "name")
    assert (beside.left, beside.base) == (309.0, 216.0)
    below = next(x for x in pareto._labels([point], [(305.0, 190.0), (400.0, 190.0)]) if x.text == "name")
    assert (below.left, below.base) == (309.0, 216.0)


def test_names_find_a_place_all_around_their_point() -> None:
    """To the right above and below, to the left above and below, centred above, centred below, or nowhere."""
    width = 4 * pareto._CHARACTER
    places = [
        (309.0, 193.0), (309.0, 216.0), (291 - width, 193.0), (291 - width, 216.0), (300 - width / 2, 188.0),
        (300 - width / 2, 222.0),
    ]  # fmt: skip
    point, others = pareto.Mark(300.0, 200.0, "name", True), []
    for left, base in places:
        (found,) = (x for x in pareto._labels([point, *others], []) if x.text)
        assert (found.left, found.base) == pytest.approx((left, base))
        # Covers no place but this one and those before: at the outer end, on the outer side.
        outer = left + (width - 1 if left >= 300 else 1 if left + width <= 300 else width / 2)
        others.append(pareto.Mark(outer, base - 3 + (6 if base > 200 else -6), ""))
    assert not [x for x in pareto._labels([point, *others], []) if x.text]


def test_names_keep_a_pixel_from_stairs_and_stay_on_the_page() -> None:
    point = pareto.Mark(300.0, 200.0, "name", True)
    box_right, box_top = 309 + 4 * pareto._CHARACTER, 183.0
    for gap, left in ((1.5, 309.0), (0.5, None)):
        beside = [(box_right + gap, 100.0), (box_right + gap, 300.0)]
        (found,) = pareto._labels([point], beside)
        assert (found.left == left) if left else found.left < 300, "a line at half a pixel is too near"
        above = [(250.0, box_top - gap), (400.0, box_top - gap)]
        (found,) = pareto._labels([point], above)
        assert found.base == (193.0 if left else 216.0)
    for y, base in ((17.0, 10.0), (16.5, 32.5)):  # a letter's top is ten pixels above its base
        (found,) = pareto._labels([pareto.Mark(300.0, y, "name", True)], [])
        assert found.base == base
    (corner,) = pareto._labels([pareto.Mark(840.0 + 52, 200.0, "name", True)], [])
    assert corner.left == pytest.approx(892 - 9 - 4 * pareto._CHARACTER), (
        "to the left of its point, where the page ends to the right"
    )


def test_counts_of_two_kinds_are_not_compared_by_layer(rich: Benchmark) -> None:
    first, *rest = rich.layers
    assert first.count is not None
    other = dataclasses.replace(
        rich, count_kind="instructions", layers=(dataclasses.replace(first, count=first.count + 1, macs=3), *rest)
    )  # fmt: skip
    (changed,) = comparison.compare(rich, other).layers
    assert [figure.name for figure in changed.figures] == ["macs"]


def test_files_of_plots(rich: Benchmark, tmp_path: Path) -> None:
    ram, flash = budgets.by_name("ram"), budgets.by_name("flash")
    found = pareto.points([("one", rich)], ram, flash)
    pareto.write(tmp_path / "p.svg", found, ram, flash)
    assert (tmp_path / "p.svg").read_text() == pareto.svg(found, ram, flash)
