# SPDX-License-Identifier: Apache-2.0
"""Descriptions of wake words: the published forms, and what is wrong with others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ascmcu.errors import ModelError
from ascmcu.features import wakeword
from ascmcu.features.wakeword import Detection
from ascmcu.results.detections import moments

GOOD: dict[str, Any] = {
    "type": "micro", "wake_word": "Okay Nabu", "author": "a", "website": "b", "model": "nabu.tflite", "version": 2,
    "micro": {"probability_cutoff": 0.97, "sliding_window_size": 5, "feature_step_size": 10, "tensor_arena_size": 1},
}  # fmt: skip


def _written(folder: Path, description: Any, name: str = "nabu.json") -> Path:
    (folder / "nabu.tflite").write_bytes(b"")
    path = folder / name
    path.write_text(description if isinstance(description, str) else json.dumps(description))
    return path


def test_published_form(tmp_path: Path) -> None:
    found = wakeword.load(_written(tmp_path, GOOD))
    assert (found.model, found.step_ms) == (tmp_path / "nabu.tflite", 10)
    assert found.detection == Detection("Okay Nabu", 0.97, 5)
    spec = found.features
    assert (spec.step_ms, spec.window_ms, spec.mapping, spec.n_mels) == (10, 30, "scaled", 40)
    assert wakeword.beside(tmp_path / "nabu.tflite") == found


def test_version_1(tmp_path: Path) -> None:
    """Its models step by 20 ms, and its window has another name."""
    micro = {"probability_cutoff": 0.5, "sliding_window_average_size": 10}
    found = wakeword.load(_written(tmp_path, {**GOOD, "version": 1, "micro": micro}))
    assert (found.step_ms, found.detection.window) == (20, 10)


def _micro(**changes: Any) -> dict[str, Any]:
    return {**GOOD, "micro": {**GOOD["micro"], **changes}}


@pytest.mark.parametrize(
    ("description", "told"),
    [
        ("{", "not a readable JSON"),
        ([1], "not the description of a wake word"),
        ({**GOOD, "type": "openwakeword"}, "openwakeword"),
        ({k: v for k, v in GOOD.items() if k != "micro"}, "micro"),
        ({**GOOD, "micro": 3}, "table"),
        (_micro(probability_cutoff=1.5), "out of range"),
        (_micro(probability_cutoff="high"), "probability_cutoff"),
        (_micro(sliding_window_size=0), "out of range"),
        (_micro(feature_step_size=0), "feature_step_size"),
        ({**GOOD, "model": "other.tflite"}, "not beside"),
        ({**GOOD, "model": 5}, "model"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_descriptions(tmp_path: Path, description: Any, told: str) -> None:
    path = _written(tmp_path, description)
    with pytest.raises(ModelError) as caught:
        wakeword.load(path)
    assert told in str(caught.value) and str(path) in str(caught.value)


@pytest.mark.parametrize(
    "description", ["{", [1], {"labels": ["a"]}, {**GOOD, "model": "other.tflite"}], ids=str
)
def test_other_files_beside_a_model(tmp_path: Path, description: Any) -> None:
    """A JSON file of the same name may be anything: labels, a manifest."""
    _written(tmp_path, description)
    assert wakeword.beside(tmp_path / "nabu.tflite") is None


def test_no_file_beside_a_model(tmp_path: Path) -> None:
    assert wakeword.beside(tmp_path / "nabu.tflite") is None


@pytest.mark.parametrize(
    ("probabilities", "window", "expected"),
    [
        ([1.0, 1.0, 1.0], 3, [2]),
        ([1.0, 1.0], 3, []),
        ([0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0], 2, [2, 7]),
        ([0.5, 0.5, 0.5], 1, []),
        ([0.5, 0.75, 0.25, 0.5, 1.0], 2, [1, 4]),
    ],
)
def test_moments(probabilities: list[float], window: int, expected: list[int]) -> None:
    """The mean must lie above the threshold, and as long as it stays there it is one detection."""
    assert moments(probabilities, Detection("w", 0.5, window)) == expected
