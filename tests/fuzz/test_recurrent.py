# SPDX-License-Identifier: Apache-2.0
"""Random networks with recurrent layers and state, a bounded number; ``tools/fuzz_recurrent`` runs hundreds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ascmcu.ops._float import TOLERANCE
from tests.support import recurrent_graphs
from tests.support.chain import check_steps

RECORD = Path(__file__).resolve().parents[2] / "docs" / "results" / "fuzz-recurrent.json"
SEEDS, COMPILED = range(9001, 9013), 9003
LEAST = 500


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_differs(seed: int) -> None:
    """Interpreter and passes for all, the C for some."""
    made = recurrent_graphs.draw(seed)
    check_steps(
        made.data, steps=4, seed=seed, tolerance=TOLERANCE if made.real else 0.0, compiled=seed <= COMPILED
    )


def test_the_record_holds_enough_networks_and_no_difference() -> None:
    record = json.loads(RECORD.read_text())
    assert record["graphs"] >= LEAST
    assert record["different"] == []
    assert {name.partition(",")[0] for name in record["layers"]} == {"dense", "lstm", "sum", "svdf"}
