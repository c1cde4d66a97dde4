# SPDX-License-Identifier: Apache-2.0
"""Features that need the whole clip before their first row, and the nearest ones that do not."""

from __future__ import annotations

from typing import Any

from ascmcu.errors import FeatureError
from ascmcu.features.spec import FeatureSpec, Spec


def changes(spec: Spec) -> dict[str, Any]:
    """The fields that hold the clip, with values that do not; empty where the spec streams."""
    if not isinstance(spec, FeatureSpec) or not spec.needs_whole_clip:
        return {}
    found: dict[str, Any] = {}
    if spec.amplitude == "clip_max":
        found["amplitude"] = "full_scale"
    if spec.wraps:
        found["pre_emphasis_before"] = "zero"
    if spec.db_reference == "clip_max":
        found["db_reference"] = "unit"
    if spec.top_db is not None and spec.top_db_mode == "clip":
        found["top_db_mode"] = "running"
    if spec.normalization in ("clip_zscore", "window_zscore"):
        found["normalization"] = "mean_std"
    if spec.normalization == "clip_minmax":
        found["normalization"] = "range"
    return found


def counterpart(spec: FeatureSpec) -> FeatureSpec | None:
    """The spec with these changes: other features, for a network that is trained on them; ``None`` where none can be.

    Means and deviations are fitted in training; the range is 0 to 1 until it is set.
    """
    try:
        return spec.replace(**changes(spec))
    except FeatureError:
        return None
