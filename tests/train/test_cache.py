# SPDX-License-Identifier: Apache-2.0
"""The feature cache: equal to direct extraction, resumed after a break, never stale."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from ascmcu.data import cache
from ascmcu.data.datasets import Dataset
from ascmcu.train.recipe import Recipe


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The files that are extracted, in order, with a cache of the test's own."""
    monkeypatch.setenv("ASCMCU_CACHE", str(tmp_path))
    monkeypatch.setattr(cache, "CHUNK_CLIPS", 4)
    seen: list[str] = []
    original = cache.one

    def one(path: str, spec: object, start_s: float = 0.0) -> object:
        seen.append(path)
        return original(path, spec, start_s)  # type: ignore[arg-type]

    monkeypatch.setattr(cache, "one", one)
    return seen


def _few(scenes: Dataset, count: int = 10) -> Dataset:
    return dataclasses.replace(scenes, recordings=scenes.recordings[:count])


def test_features_are_extracted_once(scenes: Dataset, tiny: Recipe, calls: list[str]) -> None:
    few = _few(scenes)
    progress: list[tuple[int, int]] = []
    first = cache.features(few, tiny.features, lambda done, total: progress.append((done, total)))
    assert first.shape == (10, *tiny.features.shape)
    assert progress == [(4, 10), (8, 10), (10, 10)]
    again = cache.features(few, tiny.features)
    assert len(calls) == 10
    assert np.array_equal(first, again)
    raw = tiny.features.unnormalized()
    assert np.array_equal(first[3], cache.one(str(few.recordings[3].path), raw))


def test_a_broken_off_extraction_goes_on(
    scenes: Dataset, tiny: Recipe, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    few = _few(scenes)
    working = cache.one

    def fails_late(path: str, spec: object, start_s: float = 0.0) -> object:
        if len(calls) == 6:
            raise KeyboardInterrupt
        return working(path, spec, start_s)  # type: ignore[arg-type]

    monkeypatch.setattr(cache, "one", fails_late)
    with pytest.raises(KeyboardInterrupt):
        cache.features(few, tiny.features)
    monkeypatch.setattr(cache, "one", working)
    calls.clear()
    resumed = cache.features(few, tiny.features)
    assert [Path(path) for path in calls] == [r.path for r in few.recordings[4:]], "the first chunk was kept"
    for row, recording in zip(resumed, few.recordings, strict=True):
        assert np.array_equal(row, working(str(recording.path), tiny.features.unnormalized()))


def test_another_spec_or_file_is_extracted_anew(scenes: Dataset, tiny: Recipe, calls: list[str]) -> None:
    few = _few(scenes, 3)
    cache.features(few, tiny.features)
    cache.features(few, tiny.features.replace(n_mels=12))
    assert len(calls) == 6
    few.recordings[0].path.touch()
    cache.features(few, tiny.features)
    assert len(calls) == 9


def test_processes_give_the_same(
    scenes: Dataset, tiny: Recipe, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    few = _few(scenes, 6)
    serial = np.array(cache.features(few, tiny.features))
    monkeypatch.setattr(cache, "PARALLEL_FROM_CLIPS", 1)
    few.recordings[0].path.touch()
    assert np.array_equal(cache.features(few, tiny.features), serial)
