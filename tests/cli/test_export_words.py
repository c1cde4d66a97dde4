# SPDX-License-Identifier: Apache-2.0
"""What ``export`` says of the plan that it took and of the best other one."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ascmcu.cli.export import _predictions
from ascmcu.toolchain.manifest import Prediction


@pytest.mark.parametrize(
    ("chosen", "other", "first", "second"),
    [
        ("rows", "layers", "schedule rows: ", "schedule layers would take +50.0 % cycles, -20 bytes of RAM"),
        (
            "rows, 2 parts in 3 strips (2+1)", "rows", "schedule rows, 2 parts in 3 strips (2+1): ",
            "schedule rows would take ",
        ),
        ("rows, whole", "rows, whole", "schedule rows, whole: ", "another plan of schedule rows, whole would take "),
        ("", "", "schedule rows: ", "another plan of schedule rows would take "),
    ],
)  # fmt: skip
def test_which_plan_is_meant(chosen: str, other: str, first: str, second: str) -> None:
    manifest = SimpleNamespace(
        schedule="rows",
        predicted=Prediction("rows", 200, 10, 100, 0, chosen),
        runner_up=Prediction("rows", 300, 10, 80, 0, other),
    )
    lines = _predictions(manifest)
    assert lines[0].startswith(first)
    assert lines[1].startswith(second)
