# SPDX-License-Identifier: Apache-2.0
"""The micro front end in training: its integers in the unit of training, from recordings to the firmware's scores."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ascmcu import api
from ascmcu.data import audio, cache
from ascmcu.data.datasets import Dataset
from ascmcu.errors import FeatureError, InputError
from ascmcu.features import extract
from ascmcu.features.microspec import MicroSpec
from ascmcu.quantize import material, metadata
from ascmcu.quantize import run as quantize
from ascmcu.train import run
from ascmcu.train.recipe import Recipe
from tests.support.litert import Reference
from tests.train.conftest import TINY

MICRO = {"spec": "micro_speech", "sample_rate_hz": 8000, "duration_s": 1.0, "n_mels": 16, "fmax_hz": 3800.0}


def _recipe(**augment: Any) -> Recipe:
    fields: dict[str, Any] = copy.deepcopy(TINY)
    fields["features"] = {name: value for name, value in MICRO.items() if name != "duration_s"} | {
        "clip_samples": 8000
    }
    fields["augment"] |= augment
    return Recipe.from_dict(fields, "micro.toml")


def test_from_recordings_to_firmware(scenes: Dataset, folder: Path, tmp_path: Path) -> None:
    finished = run.train(_recipe(), scenes, folder)
    assert isinstance(finished.features, MicroSpec) and finished.features.mapping == "scaled"
    path, _ = quantize.finish(finished)
    assert metadata.read(path.read_bytes()) == (finished.features, scenes.labels)
    api.export(folder, "nucleo-f446", tmp_path / "build")
    api.bench(
        tmp_path / "build",
        on="host",
        data=scenes.root,
        split="5",
        save_outputs=tmp_path / "scores.npy",
    )
    network = Reference(path.read_bytes())
    scale, zero_point = network.input_quantization
    tested = [r.path for r in scenes.recordings if r.part == "5"]
    pcms = [audio.load_pcm(Path(scenes.root, each), finished.features) for each in tested]
    inputs = [extract.inputs(pcm, finished.features, scale, zero_point, "int8") for pcm in pcms]
    wanted = np.array([network([x[None]])[0].reshape(-1) for x in inputs])
    found = np.load(tmp_path / "scores.npy").reshape(wanted.shape)
    np.testing.assert_array_equal(found, wanted)


def test_material_for_quantizing(scenes: Dataset) -> None:
    """Recordings with the front end's name are calibration, as with log-mel features."""
    spec = _recipe().features
    made = material.of_features(spec, scenes.root)
    assert made.features == spec
    first = cache.one(str(Path(scenes.root, scenes.recordings[0].path)), spec)
    np.testing.assert_array_equal(made.train[0], first)
    steps = first * 25.6
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-3)


@pytest.mark.parametrize("augment", [{"mixup_energy": True}, {"device_shift": 0.5}], ids=str)
def test_its_noise_is_off_so_energies_are_not_known(augment: dict[str, Any]) -> None:
    with pytest.raises((InputError, FeatureError)):
        _recipe(**augment)


def test_raw_samples_have_no_bands() -> None:
    fields: dict[str, Any] = {
        **copy.deepcopy(TINY),
        "features": {"spec": "pcm"},
        "augment": {"mixup_energy": True},
    }
    with pytest.raises(InputError, match="log energies"):
        Recipe.from_dict(fields, "raw.toml")
