# SPDX-License-Identifier: Apache-2.0
"""``tools/before_after``: a tree against itself is the same, and no loss stays hidden."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from tests.support import recipes_flat, tool
from tests.support.recipes import Recipe, Step

tool_ = tool.load("before_after")
CONV = {
    "kernel": [3, 3],
    "stride": [1, 1],
    "same": True,
    "act": "none",
    "dilation": [1, 1],
    "groups": 1,
    "dead": 0,
}
SIDE = tool_.Side("c", "s", "equal", cycles=1000, ideal_cycles=900, ram_bytes=400, flash_bytes=2000)
needs_gcc = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="no arm-none-eabi-gcc")


def _row(name: str, **after: object) -> tool_.Row:
    return tool_.Row(name, "0", "rows", before=SIDE, after=dataclasses.replace(SIDE, **after))


@needs_gcc
def test_a_tree_against_itself(tmp_path: Path) -> None:
    """In rows the network runs along the other axis than in layers, so the input is permuted."""
    recipe = Recipe((1, 4, 9, 3), "int8", 7, (Step("conv", (0,), {**CONV, "channels": 5}),))
    model = tmp_path / "conv.tflite"
    model.write_bytes(recipes_flat.make(recipe))
    tree = tool_.Tree(tool_.ROOT)
    try:
        measuring = tool_.Measuring((tree, tree), "this", tmp_path, {})
        rows = [measuring.row(model.name, model, schedule) for schedule in tool_.SCHEDULES]
        (tmp_path / "none.tflite").write_bytes(b"none")
        refused = measuring.row("none.tflite", tmp_path / "none.tflite", "rows")
    finally:
        tree.close()
    for row in rows:
        assert row.before == row.after and row.before is not None and row.before.outputs == "equal"
        assert row.before.cycles > row.before.ideal_cycles > 100 and row.before.ram_bytes > 100
    assert refused.why and refused.before is None
    # What is known is not measured again.
    known = {
        (row.before.source, "this"): dataclasses.replace(row.before, cycles=1) for row in rows if row.before
    }
    tree = tool_.Tree(tool_.ROOT)
    again = tool_.Measuring((tree, tree), "this", tmp_path, known).row(model.name, model, "rows")
    tree.close()
    assert again.after is not None and again.after.cycles == 1


def test_a_table_survives_its_file(tmp_path: Path) -> None:
    table = tool_.Table("a", "b", [_row("x"), tool_.Row("y", "1", "layers", why="refused")])
    table.store(tmp_path / "t.json")
    assert tool_.Table.load(tmp_path / "t.json") == table
    assert len(json.loads((tmp_path / "t.json").read_text())["rows"]) == len(table.measured) + 1


def test_losses_are_listed() -> None:
    rows = [
        _row("slower", cycles=1100), _row("by-chance", cycles=1003), _row("traded", cycles=900, ram_bytes=480),
        _row("wasted", flash_bytes=2100), _row("wrong", outputs="77"),
    ]  # fmt: skip
    text = "\n".join(tool_.tables(tool_.Table("a", "b", rows)))
    slower, unpaid = text.split("Rows that take more")[1:3]
    assert "| slower |" in slower and "by-chance" not in slower and "wasted" not in slower
    assert "| wasted |" in unpaid.split("\n\nThe ")[0] and "traded" not in unpaid.split("\n\nThe ")[0]
    assert "of 4 rows equal" in text and "those of 1 differ" in text
    assert "cycles: 1 of 5 are worse" in "\n".join(tool_.worst(tool_.Table("a", "b", rows), 9))
