# SPDX-License-Identifier: Apache-2.0
"""The notebooks in examples/ run from top to bottom, show what they are to show, and hold no outputs."""

from __future__ import annotations

import ast
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ascmcu.results.schema import Benchmark
from tests.cli.conftest import dense
from tests.support import outside

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
KWS = outside.model("mlperf_tiny_kws_int8.tflite")

pytestmark = pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="no cross compiler")


def _cells(path: Path) -> list[dict[str, Any]]:
    notebook = json.loads(path.read_text())
    assert notebook["nbformat"] == 4 and notebook["metadata"]["kernelspec"]["language"] == "python"
    cells: list[dict[str, Any]] = notebook["cells"]
    assert len({cell["id"] for cell in cells}) == len(cells)
    return cells


def _run(cell: str, names: dict[str, Any]) -> Any:
    """What a kernel shows for the cell: the value of an expression at its end."""
    tree = ast.parse(cell)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)
    if last is None:
        return None
    assert isinstance(last, ast.Expr)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.name)
def test_no_outputs_are_stored(path: Path) -> None:
    for cell in _cells(path):
        assert cell["cell_type"] in ("markdown", "code")
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [] and cell["execution_count"] is None
    assert path.read_text().endswith("}\n")


def test_the_cells_run_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.tflite").write_bytes(KWS.read_bytes() if KWS.is_file() else dense(490, 12))
    names: dict[str, Any] = {}
    shown = []
    for cell in _cells(ROOT / "examples" / "from_python.ipynb"):
        if cell["cell_type"] != "code":
            continue
        value = _run("".join(cell["source"]), names)
        if value is not None:
            rich = value._repr_html_() if hasattr(value, "_repr_html_") else ""
            assert rich.startswith("<div") or len(repr(value)) < 300, value
            shown.append(type(value).__name__)
    assert shown == ["Inspection", "Compiled", "tuple", "Export", "Benchmark", "Comparison", "PosixPath"]
    assert isinstance(names["result"], Benchmark) and names["result"].counts is not None
    assert names["outputs"].dtype == np.int8 and len(names["outputs"]) == 4
    assert (tmp_path / "build-notebook" / "report.html").is_file()
