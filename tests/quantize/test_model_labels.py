# SPDX-License-Identifier: Apache-2.0
"""Whose classes a quantized model names: its source's, and none that were only assumed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ascmcu import api
from ascmcu.errors import DataError
from ascmcu.features.spec import FeatureSpec
from tests.quantize.conftest import NETWORKS, network
from tests.support.tflite_builder import with_files

NAMES = ("w", "x", "y", "z")
ROWS, BANDS, _ = NETWORKS["dscnn"][0]
SPEC = FeatureSpec(
    sample_rate_hz=8000, clip_samples=ROWS * 256, n_fft=256, win_length=256, hop_length=256, n_mels=BANDS,
    fmax_hz=4000.0, center=False,
)  # fmt: skip


@pytest.fixture(scope="module")
def plain() -> bytes:
    from ascmcu.quantize import source

    return source.to_float_tflite(network("dscnn"))


def _recordings(folder: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        tone = np.sin(np.arange(SPEC.clip_samples) * (0.1 + 0.2 * number)) / 2
        soundfile.write(folder / name / "a.wav", tone, 8000, subtype="PCM_16")
    return folder


@pytest.mark.parametrize("with_features", [False, True])
def test_the_label_file_of_a_model_goes_into_every_form(
    with_features: bool, plain: bytes, tmp_path: Path
) -> None:
    from ascmcu.quantize import metadata, routes, source

    (tmp_path / "net.tflite").write_bytes(with_files(plain, {"labels.txt": "\n".join(NAMES)}))
    loaded = source.load(tmp_path / "net.tflite")
    assert loaded.labels == NAMES
    if with_features:
        (tmp_path / "net.tflite").write_bytes(metadata.embedded(plain, SPEC, NAMES))
        loaded = source.load(tmp_path / "net.tflite")
    converted = routes.convert(loaded, "dynamic", None)
    assert metadata.read(converted) == (SPEC if with_features else None, NAMES)
    (tmp_path / "out.tflite").write_bytes(converted)
    compiled = api.compile_model(tmp_path / "out.tflite")
    assert (compiled.labels, compiled.labels_source) == (NAMES, "the model's metadata")
    assert (compiled.features is not None) == with_features


def test_an_order_that_was_only_assumed_does_not_become_the_model_s(plain: bytes, tmp_path: Path) -> None:
    from ascmcu.quantize import material, metadata, routes, source

    data = _recordings(tmp_path / "data", *NAMES)
    (tmp_path / "net.tflite").write_bytes(plain)
    loaded = source.load(tmp_path / "net.tflite")
    found = material.of_features(SPEC, data, loaded.labels)
    assert (found.labels, found.labelled) == ((), False)
    converted = routes.convert(loaded, "dynamic", found)
    assert metadata.read(converted) == (SPEC, ())


def test_targets_are_in_the_order_of_the_network(tmp_path: Path) -> None:
    from ascmcu.quantize import material

    data = _recordings(tmp_path / "data", *NAMES)
    found = material.of_features(SPEC, data, ("z", "x", "y", "w"))
    assert (found.targets.tolist(), found.labelled) == ([3, 1, 2, 0], True)
    other = material.of_features(SPEC, data, ("z", "x", "y", "v"))
    assert not other.labelled


def test_a_run_knows_what_it_was_trained_on(tmp_path: Path) -> None:
    from ascmcu.quantize import material, source
    from ascmcu.train import recipe

    network("dscnn").save(tmp_path / "model.keras")
    (tmp_path / "metrics.json").write_text(json.dumps({"labels": list(NAMES)}))
    assert source.load(tmp_path / "model.keras").labels == NAMES
    data = _recordings(tmp_path / "data", "w", "x", "y", "v")
    with pytest.raises(DataError, match="classes are not the network's") as refused:
        material.of_recipe(recipe.load("demo"), data, NAMES)
    assert "w, x, y, z (4)" in str(refused.value) and "v, w, x, y (4)" in str(refused.value)
