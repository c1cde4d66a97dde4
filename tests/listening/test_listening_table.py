# SPDX-License-Identifier: Apache-2.0
"""What a hop costs against computing its window anew: the stored figures, and one of them measured again."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

from tests.support import outside

TOOL = Path(__file__).resolve().parents[2] / "tools" / "listening_table"
# Of recomputing, for a window of a second every 100 ms: the goal of the sharing of rows.
MOST = 0.35


def test_the_page_shows_the_stored_figures() -> None:
    tool = runpy.run_path(str(TOOL))
    assert tool["table"]() in tool["PAGE"].read_text()


def test_a_stored_hop_takes_little_of_its_window() -> None:
    row = next(r for r in json.loads(runpy.run_path(str(TOOL))["RESULT"].read_text()) if r["hop_ms"] == 100)
    assert row["hop_network_cycles"] <= MOST * row["clip_network_cycles"]


def test_a_hop_measured_again() -> None:
    tool = runpy.run_path(str(TOOL))
    case = tool["CASES"][0]
    if not outside.model(f"{case.model}.tflite").is_file():
        pytest.skip(f"needs {case.model}.tflite: tools/fetch_models")
    row = tool["measured"](case, outside.models(), windows=2)
    assert row.windows == 2 and row.hop_ms == 100
    assert 0 < row.hop_network_cycles <= MOST * row.clip_network_cycles
    assert row.hop_frontend_cycles < 0.12 * row.clip_frontend_cycles
