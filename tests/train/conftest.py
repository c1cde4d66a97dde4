# SPDX-License-Identifier: Apache-2.0
"""A tiny synthetic data set and a recipe of seconds, shared by the training tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from ascmcu.data import datasets, synth
from ascmcu.train.recipe import Recipe

TINY = {
    "data": {"train": ["1", "2", "3"], "validate": ["4"], "test": ["5"]},
    "features": {
        "sample_rate_hz": 8000,
        "duration_s": 1.0,
        "n_fft": 256,
        "hop_length": 256,
        "center": False,
        "n_mels": 16,
        "log_offset": 1e-6,
        "normalization": "mean_std",
    },
    "network": {"name": "dscnn", "stem_filters": 8, "filters": [12, 16], "strides": [1, 2], "residual": True},
    "augment": {"mixup_alpha": 0.2, "time_roll": True, "time_mask_rows": 4, "freq_mask_bands": 3},
    "training": {"epochs": 4, "batch": 8, "learning_rate": 0.01, "warmup_epochs": 1, "seed": 7},
}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASCMCU_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> datasets.Dataset:
    """Six scenes, ten clips each of one second, five folds, two devices."""
    folder = tmp_path_factory.mktemp("synth") / "scenes"
    spec = synth.SynthSpec(clips_per_scene=10, clip_seconds=1.0, sample_rate_hz=8000)
    return datasets.load(synth.write(folder, spec))


@pytest.fixture
def tiny() -> Recipe:
    """Two blocks on 31 × 16 features, four epochs."""
    return Recipe.from_dict(TINY, "tiny.toml")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a run may write."""
    return tmp_path / "run"
