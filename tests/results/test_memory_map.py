# SPDX-License-Identifier: Apache-2.0
"""The picture of the activations: a name stands within its own box, or not at all."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from ascmcu import api
from ascmcu.codegen import memory_map
from ascmcu.codegen.memory_map import render_memory_map
from ascmcu.schedule.plan import Buffer
from tests.cli.conftest import dense
from tests.support import recipes_flat
from tests.support.recipes import Recipe, Step

WINDOW = {"kernel": [3, 3], "stride": [1, 1], "same": True, "act": "none", "dilation": [1, 1], "dead": 0}


def _chain(layers: int) -> bytes:
    steps = tuple(Step("conv", (n,), {**WINDOW, "channels": 4, "groups": 1}) for n in range(layers))
    return recipes_flat.make(Recipe((1, 16, 8, 4), "int8", 11, steps))


@pytest.mark.parametrize("schedule", ["layers", "rows"])
@pytest.mark.parametrize(
    "model", [dense(16, 4), _chain(3), _chain(9), _chain(24)], ids=["dense", "3", "9", "24"]
)
def test_names_stand_within_their_boxes(model: bytes, schedule: api.Schedule, tmp_path: Path) -> None:
    (tmp_path / "m.tflite").write_bytes(model)
    (candidate,) = api.candidates(api.compile_model(tmp_path / "m.tflite"), schedule)
    plan = candidate.plan
    root = ET.fromstring(render_memory_map(plan, "m"))
    boxes = [e for e in root if e.tag.endswith("path")]
    assert len(boxes) == len(plan.buffers)
    labels = [e for e in root if e.get("class") == "label"]
    for label in labels:
        x, y, name = float(label.attrib["x"]), float(label.attrib["y"]), label.text or ""
        long, high = 8.9 * len(name), 11
        turned = "transform" in label.attrib
        left, right, top, bottom = (x - high, x, y - long, y) if turned else (x, x + long, y - high, y)
        places = [place for box in boxes if name in _names(box) for place in _places(box)]
        assert any(a <= left and right <= c and b <= top and bottom <= d for a, b, c, d in places), name
    assert labels or len(plan.buffers) > 12, "a small network's buffers have room for names"


def _names(box: ET.Element) -> str:
    """The tensor that the box's tooltip names, as labels write it."""
    return (box[0].text or "").partition(":")[0].replace("#", " ")


def _places(box: ET.Element) -> list[tuple[float, float, float, float]]:
    runs = re.findall(r"M(\d+) ([\d.]+)h(\d+)v([\d.]+)", box.attrib["d"])
    return [(float(a), float(b), float(a) + float(w), float(b) + float(h)) for a, b, w, h in runs]


@pytest.mark.parametrize("schedule", ["layers", "rows"])
@pytest.mark.parametrize("layers", [1, 9, 30])
def test_the_peak_is_the_most_that_is_in_use_and_lists_all_of_it(
    layers: int, schedule: api.Schedule, tmp_path: Path
) -> None:
    (tmp_path / "m.tflite").write_bytes(_chain(layers))
    (candidate,) = api.candidates(api.compile_model(tmp_path / "m.tflite"), schedule)
    plan = candidate.plan
    root = ET.fromstring(render_memory_map(plan, "m"))
    event = memory_map.peak_event(plan)
    live = memory_map.live_at(plan, event)
    assert sum(buffer.size_bytes for buffer in live) == plan.lower_bound_bytes
    every = max(sum(b.size_bytes for b in memory_map.live_at(plan, e)) for e in range(plan.events + 2))
    assert every == plan.lower_bound_bytes
    texts = [e.text or "" for e in root if e.tag.endswith("text")]
    assert any(text.startswith(f"peak: {plan.lower_bound_bytes:,} bytes") for text in texts)
    swatches = [n for n, e in enumerate(root) if e.get("class") == "swatch"]
    sizes = [int((root[n + 2].text or "").replace(",", "")) for n in swatches]
    assert sum(sizes) == plan.lower_bound_bytes, "names and bytes of the list are all that is live"
    assert len({root[n].get("fill") for n in swatches}) >= min(len(swatches), 8)
    heights = [float(root[n].attrib["y"]) for n in swatches]
    assert all(b - a >= 15 for a, b in itertools.pairwise(heights))


@pytest.mark.parametrize("buffers", [3, 24, 25, 100])
def test_a_long_list_ends_in_what_it_leaves_out(buffers: int) -> None:
    live = [Buffer(f"net/t{n}/Relu:1", 1, 4 * (n + 1), ((0, 1),), 0) for n in range(buffers)]
    lines = memory_map._lines(live, {b.name: "#123456" for b in live})
    assert sum(int(line.size.replace(",", "")) for line in lines) == sum(b.size_bytes for b in live)
    assert len(lines) == min(buffers, memory_map._LINES)
    assert ("smaller ones" in lines[-1].name) is (buffers > memory_map._LINES)
