# SPDX-License-Identifier: Apache-2.0
"""The page: whole, well-formed, escaped, and every figure where it belongs."""

from __future__ import annotations

import base64
import dataclasses
import itertools
import re
import zlib
from html.parser import HTMLParser

import numpy as np
import pytest

from ascmcu import paths
from ascmcu.ir import registry
from ascmcu.ir.op import FAMILIES
from ascmcu.results import page, page_answers, page_layers, page_memory, page_parts, pictures
from ascmcu.results.schema import Benchmark, LayerCount
from tests.results.conftest import outcome

VOID = {"meta", "img", "br", "link", "input", "hr"}


class _Reader(HTMLParser):
    """Checks that tags close in order, and collects what there is."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.ids: set[str] = set()
        self.labelled_by: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.addresses += [v for k, v in attrs if k in ("src", "href", "xlink:href") and v]
        if found.get("id"):
            self.ids.add(str(found["id"]))
        if found.get("aria-labelledby"):
            self.labelled_by.append(str(found["aria-labelledby"]))
        if tag == "img":
            assert found.get("alt"), "a picture without words"
        if tag == "th":
            assert found.get("scope"), "a head cell that heads nothing"
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)


def _read(html: str) -> _Reader:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    assert not reader.open
    return reader


SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><rect width="1" height="1"></rect></svg>'


def test_the_page_is_whole_and_needs_no_network(benchmark_result: Benchmark) -> None:
    html = page.render(benchmark_result, SVG)
    reader = _read(html)
    assert all(address.startswith("data:") for address in reader.addresses)
    assert not re.search(r"<script|@import|url\(|https?://(?!www\.w3\.org/2000/svg)", html)
    assert set(reader.labelled_by) <= reader.ids
    assert SVG in html


def test_the_figures_stand_there(benchmark_result: Benchmark) -> None:
    words = " ".join(" ".join(_read(page.render(benchmark_result, None)).words).split())
    for expected in (
        "A clip of 1 s takes 1.50 ms on ST NUCLEO-F446RE at 100 MHz, in 9.77 KiB of RAM and 19.5 KiB of flash.",
        "75.0 % of 4 clips are answered right", "0.600 guessing gives 0.69", "667 times faster than real time",
        "Latency 8.00 µs", "Cycles per MAC 5.00", "cycles × 194–216 µA/MHz at 3 V, core alone (a lab)", "41.5–46.2 µJ",
        "dcase2025 kept",
        "asked again 2", "SHA-256 " + "ab" * 32, "but it is", "b.wav · loss 1.61",
        "-O3", "each run once", "python 3.11.2",
    ):  # fmt: skip
        assert expected in words, expected


def test_names_are_escaped(benchmark_result: Benchmark) -> None:
    html = page.render(dataclasses.replace(benchmark_result, model="<script>alert(1)</script>"), None)
    assert "<script" not in html and "&lt;sea&gt; &amp; co" in html
    _read(html)


def test_a_memory_map_that_is_no_picture_is_left_out(benchmark_result: Benchmark) -> None:
    assert "oops" not in page.render(benchmark_result, "<script>oops</script>")


def test_instructions_give_no_time(benchmark_result: Benchmark) -> None:
    b = dataclasses.replace(benchmark_result, count_kind="instructions", runner="qemu", energy=None)
    words = " ".join(" ".join(_read(page.render(b, None)).words).split())
    assert "qemu counts instructions, from which no time follows" in words
    assert "Real-time factor" not in words and "cycles" not in words and " ms" not in words


def test_real_time_is_of_the_clip_s_own_length(benchmark_result: Benchmark) -> None:
    """1.5 ms of 4 s."""
    long = dataclasses.replace(benchmark_result, clip_seconds=4.0)
    (fact,) = (f for f in page._time_facts(long) if f.name == "Real-time factor")
    assert (fact.figure, fact.unit, fact.fraction) == ("0.04", "%", pytest.approx(0.000375))
    assert fact.note.endswith("2,667 times faster than real time")


def test_predictions_stand_beside_what_was_counted(benchmark_result: Benchmark) -> None:
    first, second = benchmark_result.layers
    assert first.off is None and benchmark_result.off is None
    told = dataclasses.replace(
        benchmark_result, predicted_cycles=110_000,
        layers=(dataclasses.replace(first, predicted_cycles=45_000), dataclasses.replace(second, predicted_cycles=0)),
    )  # fmt: skip
    assert told.off == pytest.approx(0.1)
    assert [layer.off for layer in told.layers] == [pytest.approx(-0.25), -1.0]
    assert [row.off for row in page_layers.rows(told)] == ["-25.0 %", "-100.0 %"]
    assert "+10.0 %" in page.render(told, None)
    assert dataclasses.replace(told, counts=None).off is None
    assert told.counts is not None
    idle = dataclasses.replace(told.counts, network=0)
    assert dataclasses.replace(told, counts=idle).off is None
    assert dataclasses.replace(told.layers[0], count=0).off is None


def test_layers_that_nobody_counted_have_no_strip(benchmark_result: Benchmark) -> None:
    first, second = benchmark_result.layers
    half = dataclasses.replace(benchmark_result, layers=(first, dataclasses.replace(second, count=None)))
    assert page_layers.strip(half) == page_layers.kinds(half) == []
    none = dataclasses.replace(benchmark_result, layers=())
    assert page_layers.rows(none) == []


def test_work_by_operator_is_summed(benchmark_result: Benchmark) -> None:
    """50,000 in the front end, 60,000 in two convolutions, 40,000 in a softmax."""
    first, second = benchmark_result.layers
    half = dataclasses.replace(first, count=30_000)
    b = dataclasses.replace(benchmark_result, layers=(half, half, second))
    assert [(k.name, k.text, round(k.percent, 1)) for k in page_layers.kinds(b)] == [
        ("conv2d", "60,000", 40.0), ("front end", "50,000", 33.3), ("softmax", "40,000", 26.7),
    ]  # fmt: skip
    assert [(k.text, round(k.percent)) for k in page_layers.strip(b)] == [
        ("50,000", 33), ("30,000", 20), ("30,000", 20), ("40,000", 27),
    ]  # fmt: skip
    assert sum(row.fraction for row in page_layers.rows(b)) == pytest.approx(1.0)


def test_bars_are_of_the_largest(benchmark_result: Benchmark) -> None:
    empty = LayerCount("a", "reshape", (1, 2), 0, 0, 0, 0, 0, 0)
    big = dataclasses.replace(empty, count=8, buffer_bytes=4, flash_bytes=2, macs=2)
    small = dataclasses.replace(empty, count=2, buffer_bytes=3, flash_bytes=1, macs=1)
    b = dataclasses.replace(benchmark_result, layers=(big, small))
    rows = page_layers.rows(b)
    assert [(r.count_bar, r.ram_bar, r.flash_bar) for r in rows] == [(100, 100, 100), (25, 75, 50)]
    assert [(r.fraction, r.per_mac, r.heat) for r in rows] == [(0.8, "4.00", 1.0), (0.2, "2.00", 0.5)]
    idle = dataclasses.replace(b, layers=(big, empty))
    assert [(r.fraction, r.count_bar) for r in page_layers.rows(idle)] == [(1.0, 100), (0.0, 0)]
    assert [s.text for s in page_layers.strip(idle)] == ["50,000", "8", "0"]
    (row,) = page_layers.rows(dataclasses.replace(b, layers=(empty,)))
    assert (row.count_bar, row.ram_bar, row.flash_bar, row.fraction, row.per_mac, row.heat) == (
        0,
        0,
        0,
        0,
        "",
        0,
    )


def test_tensors_without_labels_have_no_answers(benchmark_result: Benchmark) -> None:
    b = dataclasses.replace(
        benchmark_result, accuracy=None, macro_accuracy=None, log_loss=None, confusion=None, class_accuracy=None,
        device_accuracy=None, mistakes=(), clip_seconds=None, labels=(), counts=None, count_kind="none",
        ram_bytes={"total": 1}, flash_bytes={"total": 2}, flash_symbols=(),
        layers=tuple(dataclasses.replace(x, count=None) for x in benchmark_result.layers),
    )  # fmt: skip
    reader = _read(page.render(b, None))
    assert {"time", "memory", "flash", "provenance"} <= reader.ids
    assert not {"answers", "mistakes"} & reader.ids


def test_tiles_cover_the_whole_flash(benchmark_result: Benchmark) -> None:
    tiles = page_memory.tiles(benchmark_result)
    assert sum(t.box.width * t.box.height for t in tiles) == pytest.approx(100 * 100)
    fractions = {t.name: t.box.width * t.box.height / 100 for t in tiles}
    assert fractions["model_push"] == pytest.approx(70.5)
    assert fractions["first: weights"] == pytest.approx(22.5) and fractions["first: kernel"] == pytest.approx(
        4.5
    )


def test_the_treemap_neither_overlaps_nor_leaves_gaps() -> None:
    sizes = [float(x) for x in (50, 20, 10, 8, 5, 4, 2, 1)]
    boxes = pictures.treemap(sizes, 2.0)
    for box in boxes:
        assert min(box.left, box.top) >= -1e-9 and box.left + box.width <= 100 + 1e-9
        assert box.top + box.height <= 100 + 1e-9
    for one, other in itertools.combinations(boxes, 2):
        across = min(one.left + one.width, other.left + other.width) - max(one.left, other.left)
        down = min(one.top + one.height, other.top + other.height) - max(one.top, other.top)
        assert min(across, down) <= 1e-9
    areas = [box.width * box.height / 100 for box in boxes]
    assert areas == pytest.approx(sizes)
    assert pictures.treemap([], 2.0) == []


@pytest.mark.parametrize(
    ("used", "board", "state", "share", "free", "free_percent"),
    [
        (10_000, 20_000, "", "50.0 % of 19.5 KiB", "9.77 KiB", 50.0),
        (20_000, 20_000, "", "100.0 % of 19.5 KiB", "0 B", 0.0),
        (20_001, 20_000, "bad", "100.0 % of 19.5 KiB", "0 B", 0.0),
        (30_000, 20_000, "bad", "150.0 % of 19.5 KiB", "0 B", 0.0),
    ],
)
def test_a_memory_may_be_full_to_the_byte(
    benchmark_result: Benchmark, used: int, board: int, state: str, share: str, free: str, free_percent: float
) -> None:
    sizes = {"total": used, "activations": used, "stack_peak": 300}
    b = dataclasses.replace(benchmark_result, ram_bytes=sizes, board_ram_bytes=board)
    ram, flash = page_memory.facts(b)
    assert (ram.state, ram.note, flash.state) == (state, share, "")
    of_use, left = page_memory.parts(sizes, board)
    assert (left.name, left.text, left.percent) == ("free", free, pytest.approx(free_percent))
    assert of_use.percent == pytest.approx(100 * used / board)


def test_the_treemap_is_the_published_one() -> None:
    """The example of Bruls, Huizing and van Wijk, Squarified Treemaps (2000): areas on a rectangle of 6 by 4."""
    boxes = pictures.treemap([6, 6, 4, 3, 2, 2, 1], 6 / 4)
    sizes = [(box.width * 6 / 100, box.height * 4 / 100) for box in boxes]
    expected = [
        (3, 2),
        (3, 2),
        (12 / 7, 7 / 3),
        (9 / 7, 7 / 3),
        (6 / 5, 5 / 3),
        (6 / 5, 5 / 3),
        (3 / 5, 5 / 3),
    ]
    assert sizes == [pytest.approx(size) for size in expected]
    assert pictures.treemap([0, 0], 2.0) == []


def test_the_spectrogram_is_a_png_with_the_low_bands_below(benchmark_result: Benchmark) -> None:
    (mistake,) = benchmark_result.mistakes
    data = base64.b64decode(pictures.spectrogram(mistake).partition("base64,")[2])
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert tuple(np.frombuffer(data[16:24], ">u4")) == (6, 4)
    at = data.index(b"IDAT")
    length = int.from_bytes(data[at - 4 : at], "big")
    lines = np.frombuffer(zlib.decompress(data[at + 4 : at + 4 + length]), np.uint8).reshape(4, 1 + 6 * 3)
    brightness = lines[:, 1:].astype(int).sum(axis=1)
    assert list(np.argsort(brightness)) == [3, 2, 1, 0], "levels grow upwards in this one"


@pytest.mark.parametrize(
    ("right", "clips", "low", "high"), [(70, 80, 0.785, 0.931), (2, 2, 0.342, 1.0), (0, 0, 0, 1)]
)
def test_the_interval_of_a_share(right: int, clips: int, low: float, high: float) -> None:
    # The first two: R's binom::binom.confint(method = "wilson"), which follows the same formula.
    assert pictures.wilson(right, clips) == pytest.approx((low, high), abs=1e-3)


def test_the_worst_mistake_is_told_with_what_the_network_thought(benchmark_result: Benchmark) -> None:
    (card,) = page_answers.mistakes(benchmark_result)
    assert (card.truth, card.predicted, card.loss) == ("rain", "<sea> & co", "1.61")
    assert [p for _, p, _ in card.ranked] == pytest.approx([80, 20])
    sure = dataclasses.replace(benchmark_result, clip_results=(outcome("x", 0, 0.0, 1.0),) * 4)
    assert page_answers.mistakes(sure)[0].loss == "16.12", "no probability counts for less than 1e-7"


def _luminance(colour: str) -> float:
    """WCAG 2.2's relative luminance."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(a: str, b: str) -> float:
    low, high = sorted((_luminance(a), _luminance(b)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read(scheme: str) -> None:
    """Contrast of at least 4.5, as WCAG 2.2 AA asks for, of text on cards, on pages and on coloured areas."""
    css = (paths.templates() / "report.css").read_text()
    light, dark = (
        dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", part)) for part in css.split("@media", 2)[:2]
    )
    colours = light if scheme == "light" else {**light, **dark}
    texts = [
        (text, on) for text in ("ink", "soft", "accent", "good", "bad", "warn") for on in ("card", "paper")
    ]
    areas = ("conv", "depthwise", "dense", "pool", "activation", "frontend", "other", "code", "tables")
    pairs = [
        *texts,
        *(("on-colour", area) for area in areas),
        ("ink", "rest"),
        ("good", "good-soft"),
        ("bad", "bad-soft"),
    ]
    weak = {p: round(_contrast(colours[p[0]], colours[p[1]]), 2) for p in pairs}
    assert not {p: c for p, c in weak.items() if c < 4.5}


def test_operators_of_a_family_look_alike() -> None:
    assert {page_parts.colour_of(op) for op in ("conv2d", "float_conv2d")} == {"op-conv"}
    assert {page_parts.colour_of(op) for op in ("depthwise_conv2d", "float_depthwise_conv2d")} == {
        "op-depthwise"
    }
    assert (
        page_parts.colour_of("front end") == "op-frontend"
        and page_parts.colour_of("add") == page_parts.colour_of("unknown") == "op-other"
    )
    css = (paths.templates() / "report.css").read_text()
    assert all(f".op-{kind} " in css for kind in FAMILIES)
    assert {op.FAMILY for op in registry.kinds().values()} <= set(FAMILIES)


def test_on_a_phone_every_figure_of_a_layer_has_its_title(benchmark_result: Benchmark) -> None:
    """There the table has no head: a cell says itself what it holds."""
    first, second = benchmark_result.layers
    told = dataclasses.replace(
        benchmark_result,
        predicted_cycles=110_000,
        layers=(dataclasses.replace(first, predicted_cycles=45_000, macs=0), second),
    )
    for b in (told, dataclasses.replace(benchmark_result, counts=None, count_kind="none")):
        table = page.render(b, None).partition('<table class="layers stack">')[2].partition("</table>")[0]
        cells = re.findall(r"<td([^>]*)>(.*?)</td>", table, re.DOTALL)
        assert len(cells) >= 3 * (len(b.layers) + 1)
        assert all('data-title="' in attributes for attributes, content in cells if content)
        empty = [attributes for attributes, content in cells if re.sub(r"<[^>]*>", "", content) == "·"]
        assert all('class="none"' in attributes for attributes in empty), "what is not there takes no line"


@pytest.mark.parametrize(
    ("percent", "name", "room"),
    [(100, "front end", ""), (25, "front end", "narrow"), (4, "front end", "thin"), (9, "conv", "narrow"),
     (25, "a_very_long_name_of_a_layer_that_goes_on", "thin")],
)  # fmt: skip
def test_names_stand_in_a_bar_where_they_fit(percent: float, name: str, room: str) -> None:
    assert page_parts.Slice(name, "1", percent, "op-conv").room == room


def test_names_and_sizes_stand_in_tiles_that_hold_them() -> None:
    def tile(width: float, height: float, name: str = "arm_rfft_fast") -> page_memory.Tile:
        return page_memory.Tile(
            pictures.Rectangle(0, 0, width, height), name, "12,345 B, 10.0 %", "flash-code"
        )

    assert tile(40, 40).named and tile(40, 40).detailed
    assert tile(8, 40).named and not tile(8, 40).detailed
    assert not tile(40, 4).named and not tile(4, 40).named
    assert tile(4, 40, "abc").named, "a short name fits a narrow tile"


def test_units_stay_with_their_figures(benchmark_result: Benchmark) -> None:
    html = page.render(benchmark_result, None)
    assert "1.50\u00a0ms" in html and "9.77\u00a0KiB" in html and "75.0\u00a0%" in html
