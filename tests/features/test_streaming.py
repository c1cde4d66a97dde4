# SPDX-License-Identifier: Apache-2.0
"""Features of the whole clip: which fields hold it, what streams instead, and that an export says so."""

from __future__ import annotations

from typing import Any

import pytest

from ascmcu.codegen.frontend import frontend_cost
from ascmcu.features import spec as specs
from ascmcu.features import streaming
from ascmcu.features.spec import FeatureSpec

_DB = {"log": "db", "log_offset": 0.0, "log_floor": 1e-10}
ROWS: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "top_db": ({**_DB, "top_db": 80.0}, {"top_db_mode": "running"}),
    "ref=max": ({**_DB, "db_reference": "clip_max"}, {"db_reference": "unit"}),
    "loudest sample": ({"amplitude": "clip_max"}, {"amplitude": "full_scale"}),
    "z-score": ({"normalization": "clip_zscore"}, {"normalization": "mean_std"}),
    "min-max": ({"normalization": "clip_minmax"}, {"normalization": "range"}),
    "cmvnw": ({"normalization": "window_zscore"}, {"normalization": "mean_std"}),
    "rolled": (
        {"pre_emphasis": 0.9, "pre_emphasis_before": "clip_end", "center": False}, {"pre_emphasis_before": "zero"}
    ),
    "streams": ({}, {}),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_counterpart(name: str) -> None:
    fields, changes = ROWS[name]
    spec = FeatureSpec(**fields)
    assert streaming.changes(spec) == changes
    other = streaming.counterpart(spec)
    assert other is not None and not other.needs_whole_clip
    assert bool(changes) == spec.needs_whole_clip
    assert not changes or frontend_cost(other).ram_bytes < frontend_cost(spec).ram_bytes


def test_every_shipped_spec_that_holds_its_clip_has_one() -> None:
    held = [name for name in specs.names() if specs.load(name).needs_whole_clip]
    assert len(held) > 4
    for name in held:
        other = streaming.counterpart(specs.load_log_mel(name))
        assert other is not None and not other.needs_whole_clip, name
