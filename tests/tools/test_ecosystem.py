# SPDX-License-Identifier: Apache-2.0
"""``tools/ecosystem``: it sees what a kernel computes and not what it is called, and a wrong answer is never equal."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ascmcu import api
from tests.support import recipes_flat, tool
from tests.support.native_compilers import QUICK, needed
from tests.support.recipes import Recipe, Step

ecosystem = tool.load("ecosystem")
SOURCE = """/* A kernel. */
static void conv_3(const int8_t *x)
{
    copy(x, 7); /* seven */
}
static void layer_0(int32_t step)
{
    conv_3(t1(step));
}
"""


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [("conv_3", "gemm_3", True), ("seven", "7", True), ("    copy", "\tcopy", True), ("7)", "8)", False)],
)
def test_names_and_comments_do_not_count(old: str, new: str, same: bool) -> None:
    normalized = ecosystem.normalized
    assert (normalized(SOURCE.replace(old, new)) == normalized(SOURCE)) == same


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A network, one in a folder of its own, and a file that is none."""
    folder = tmp_path / "models"
    (folder / "below").mkdir(parents=True)
    data = recipes_flat.make(Recipe((1, 4, 4, 2), "int8", 3, (Step("dense", (0,), _DENSE),)))
    (folder / "net.tflite").write_bytes(data)
    (folder / "below" / "net.tflite").write_bytes(data)
    (folder / "text.tflite").write_text("no model")
    return folder


_DENSE = {"units": 3, "flatten": True, "act": "none", "bias": True, "dead": 0}


def _run(monkeypatch: pytest.MonkeyPatch, *words: str | Path) -> int:
    monkeypatch.setattr("sys.argv", ["tools/ecosystem", *map(str, words)])
    return int(ecosystem.main())


def test_every_model_below_a_folder_is_compiled_and_compared(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ai_edge_litert")
    native = dataclasses.replace(QUICK, level="-O1")
    needed(native)
    stored = tmp_path / "table.json"
    assert _run(monkeypatch, models, "--on", str(native), "--json", stored) == 0
    rows = {(row["model"], row["schedule"]): row for row in json.loads(stored.read_text())["rows"]}
    assert len(rows) == 6
    for model in ("net.tflite", "below/net.tflite"):
        for schedule in ecosystem.SCHEDULES:
            row = rows[model, schedule]
            assert (row["outcome"], row["bits"]) == ("built", {str(native): "equal"})
            assert row["macs"] == 4 * 4 * 2 * 3
    assert rows["text.tflite", "rows"]["outcome"] == "refused"
    page = tmp_path / "page.html"
    assert _run(monkeypatch, "--compare", stored, stored, "--html", page) == 0
    assert "Unchanged: 6 of 6 rows." in page.read_text()


def test_generated_code_alone(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored, sources = tmp_path / "table.json", tmp_path / "sources"
    assert _run(monkeypatch, models, "--code", "--json", stored, "--sources", sources) == 0
    rows = json.loads(stored.read_text())["rows"]
    assert [row["outcome"] for row in rows] == ["generated"] * 4 + ["refused"] * 2
    assert sorted(path.name for path in sources.iterdir()) == [
        "below-net.layers.c", "below-net.rows.c", "net.layers.c", "net.rows.c",
    ]  # fmt: skip


def test_a_wrong_answer_is_never_equal(models: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    path = models / "net.tflite"
    task = ecosystem.Task("net", path, ("layers",), ("sim",), (), 1, 1, None, {})
    compiled = api.compile_model(path, features=False)
    model = ecosystem._Model(task, path.read_bytes(), compiled)
    right = [[y.copy() for y in outputs] for outputs in model.expected]
    assert model._verdict(right) == "equal"
    right[1][0].reshape(-1)[2] ^= 1
    assert model._verdict(right) == "differs: inputs 1"


def test_float_answers_are_close_or_differ(models: Path) -> None:
    path = models / "net.tflite"
    task = ecosystem.Task("net", path, ("layers",), (), (), 1, 1, None, {})
    model = ecosystem._Model(task, b"", api.compile_model(path, features=False))
    model.in_float, model.expected = True, [[np.float32([1.0, -4.0])]]
    for answer, verdict in (
        ([1.0, -4.0], "equal"),
        ([1.00005, -4.0], "close"),
        ([1.001, -4.0], "differs: inputs 0"),
    ):
        model.first.clear()
        assert model._verdict([[np.float32(answer)]]) == verdict
    assert model._verdict([[np.float32([1.0, -4.0])]]) == "differs from the first build"


ROW: dict[str, Any] = {
    "model": "m", "sha256": "a", "schedule": "rows", "code_sha256": "c", "cycles": 1000, "ram_bytes": 50,
    "flash_bytes": 70, "bits": {"sim": "equal"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "texts"),
    [
        ({"cycles": 900}, ["", "1,000 → 900 (-10.0 %)", "", "", ""]),
        ({"ram_bytes": 51, "code_sha256": "d"}, ["", "", "50 → 51 (+2.0 %)", "", "other C"]),
        ({"bits": {"sim": "differs: inputs 0"}}, ["equal → differs: inputs 0", "", "", "", ""]),
        ({"sha256": "b"}, ["another file", "", "", "", ""]),
        ({"flash_bytes": None}, ["", "", "", "70 → –", ""]),
        ({}, None),
    ],
)
def test_a_comparison_shows_what_changed(change: dict[str, Any], texts: list[str] | None) -> None:
    before, after = (
        ecosystem.Table("c", "d", [], "", [ecosystem.Row(**row)]) for row in (ROW, {**ROW, **change})
    )
    _, lines, summary = ecosystem.comparison(before, after)
    assert [[cell.text for cell in line[2:]] for line in lines] == ([] if texts is None else [texts])
    assert ("Unchanged: 1 of 1 rows." in summary) == (texts is None)
