# SPDX-License-Identifier: Apache-2.0
"""Training and quantization examine all recordings before they begin, refuse by name and say what they heard."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from ascmcu.cli import cli
from ascmcu.data import cache, datasets
from ascmcu.data.datasets import Dataset
from ascmcu.errors import DataError
from ascmcu.quantize import material
from ascmcu.train import run
from ascmcu.train.recipe import Recipe
from tests.data import made
from tests.train.conftest import TINY

RATE_HZ = 8000


@pytest.fixture
def spoiled(scenes: Dataset, tmp_path: Path) -> Path:
    """The scenes as folders of parts and classes: one short recording, one cut off."""
    for number, recording in enumerate(scenes.recordings):
        to = tmp_path / "data" / f"Fold{recording.part}" / recording.label / f"{number}.wav"
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(recording.path, to)
    files = sorted((tmp_path / "data").rglob("*.wav"))
    samples, _ = soundfile.read(files[0])
    soundfile.write(files[0], samples[:4000], RATE_HZ)
    files[1].write_bytes(files[1].read_bytes()[:9000])
    return tmp_path / "data"


def test_a_training_says_what_it_heard(spoiled: Path, tiny: Recipe, folder: Path) -> None:
    finished = run.train(
        dataclasses.replace(tiny, training=dataclasses.replace(tiny.training, epochs=1)),
        datasets.load(spoiled),
        folder,
    )
    told = json.loads((folder / "metrics.json").read_text())["recordings"]
    assert told["findings"] == {"shorter": 2, "truncated": 1} and told["recordings"] == 60
    assert told["long"] == "first"
    assert told == dataclasses.asdict(finished.heard)
    assert finished.heard.lines()[0].startswith(
        "1 of 60 recordings truncated: fewer samples than the header states (Fold1/"
    )


@pytest.mark.parametrize("verb", ["train", "quantize", "tune"])
def test_recordings_of_no_use_are_named_before_anything_is_computed(
    spoiled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    bad = np.zeros(8000)
    bad[7] = np.nan
    made.put(spoiled / "Fold2" / "birds" / "nan.wav", made.sound(bad, subtype="FLOAT", rate_hz=RATE_HZ))
    made.put(spoiled / "Fold5" / "rain" / "none.wav", made.raw(b""))
    monkeypatch.setattr(cache, "features", lambda *_, **__: pytest.fail("features were extracted"))
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(_toml())
    (tmp_path / "study.toml").write_text(_toml() + _STUDY)
    arguments = {
        "train": ["train", str(recipe), "--data", str(spoiled), "-o", str(tmp_path / "run")],
        "quantize": [],
        "tune": ["tune", str(tmp_path / "study.toml"), "--data", str(spoiled), "-o", str(tmp_path / "study")],
    }[verb]
    if verb == "quantize":
        with pytest.raises(DataError) as refused:
            material.of_features(Recipe.from_dict(TINY, "tiny").features, spoiled)
        error = str(refused.value)
    else:
        error = str(CliRunner().invoke(cli, arguments).exception)
    assert "2 of 62 recordings cannot be used" in error
    assert "Fold2/birds/nan.wav: with NaN or infinite samples (1 of 8000" in error
    assert "Fold5/rain/none.wav: unreadable (an empty file)" in error
    assert not (tmp_path / "run").exists() and not (tmp_path / "study").exists()


_STUDY = """
[study]
board = "nucleo-f446"
objectives = ["accuracy", "flash"]
trials = 1
[search]
"training.learning_rate" = {low = 0.001, high = 0.01}
"""


def _toml() -> str:
    lines = []
    for section, values in TINY.items():
        lines.append(f"[{section}]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    return "\n".join(lines) + "\n"


def test_held_out_by_any_name_of_the_part(spoiled: Path, tiny: Recipe) -> None:
    dataset = datasets.load(spoiled)
    assert dataset.parts == ("1", "2", "3", "4", "5")
    assert len(dataset.only(["fold5"]).recordings) == 12
    assert set(run.prepare(tiny, dataset)[1]) == {"train", "validate", "test"}
