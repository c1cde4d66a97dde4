# SPDX-License-Identifier: Apache-2.0
"""Operators that cannot be compiled are refused where they are imported: rows of ``refused/rows.toml``.

Each refusal stands beside the nearest operator that is taken, so that the limit is where it is said to be.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from ascmcu.errors import ModelError
from ascmcu.frontends import tflite
from ascmcu.ir import interp
from ascmcu.ir.verify import verify
from tests.support.cases import Case

ROWS = tomllib.loads((Path(__file__).parent / "refused" / "rows.toml").read_text())["case"]
CASES = [Case(row["op"].lower(), row["name"], row) for row in ROWS]


def _imported(case: Case) -> object:
    return verify(tflite.parse(case.model(), "net.tflite"), "import")


@pytest.mark.parametrize("case", [c for c in CASES if "says" in c.row], ids=lambda case: case.id)
def test_refused(case: Case) -> None:
    with pytest.raises(ModelError) as refused:
        _imported(case)
    assert str(refused.value).splitlines()[0] == case.row["says"]
    assert str(refused.value.found) == case.row.get("found", str(refused.value.found))
    assert "net.tflite" in (refused.value.where or "") or (refused.value.where or "").startswith("import: ")


@pytest.mark.parametrize("case", [c for c in CASES if "says" not in c.row], ids=lambda case: case.id)
def test_taken(case: Case) -> None:
    graph = tflite.parse(case.model(), "net.tflite")
    verify(graph, "import")
    assert interp.run(graph, case.inputs(3)[2])
