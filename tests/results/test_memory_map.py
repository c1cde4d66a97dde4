# SPDX-License-Identifier: Apache-2.0
"""The picture of the activations: a name stands within its own box, or not at all."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from ascmcu import api
from ascmcu.codegen.memory_map import render_memory_map
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
    root = ET.fromstring(render_memory_map(candidate.plan, "m"))
    assert len([e for e in root if e.tag.endswith("path")]) == len(candidate.plan.buffers)
    named = [(box, e) for box, e in zip(root, list(root)[1:], strict=False) if e.get("class") == "label"]
    for box, label in named:
        x, y, name = float(label.attrib["x"]), float(label.attrib["y"]), label.text or ""
        long, high = 7 * len(name), 10
        turned = "transform" in label.attrib
        left, right, top, bottom = (x - high, x, y - long, y) if turned else (x, x + long, y - high, y)
        runs = re.findall(r"M(\d+) ([\d.]+)h(\d+)v([\d.]+)", box.attrib["d"])
        places = [(float(a), float(b), float(a) + float(w), float(b) + float(h)) for a, b, w, h in runs]
        assert any(a <= left and right <= c and b <= top and bottom <= d for a, b, c, d in places), name
    assert named or len(candidate.plan.buffers) > 12, "a small network's buffers have room for names"
