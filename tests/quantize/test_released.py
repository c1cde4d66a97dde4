"""The released networks of DCASE 2020 task 1b become int8: same labels as the float network on real recordings."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from ascmcu.data import datasets
from ascmcu.features import spec as specs
from ascmcu.frontends import tflite
from ascmcu.train import recipe

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
CLIPS = 16


@pytest.mark.skipif(not (SHARED / "models").is_dir(), reason="the released models are not here")
@pytest.mark.parametrize("name", ["dcase2020_task1b_mobnet.h5", "dcase2020_task1b_mobnet_drq.tflite"])
def test_same_labels(name: str) -> None:
    from ascmcu.data import cache
    from ascmcu.features import extract
    from ascmcu.quantize import routes, source
    from ascmcu.quantize.material import Material

    whole = datasets.load(SHARED / "datasets" / "esc10")
    chosen = whole.recordings[:: len(whole.recordings) // CLIPS][:CLIPS]
    dataset = dataclasses.replace(whole, recordings=chosen)
    spec = specs.load("hu2020")
    x = np.ascontiguousarray(extract.to_input(cache.features(dataset, spec), spec), np.float32)
    found = source.load(SHARED / "models" / name, recipe.load("mobnet"))
    assert found.per_layer is name.endswith(".tflite")
    material = Material(x, x, np.zeros(len(x), np.int64))
    model = routes.convert(found, "int8", material)
    assert not [n for n in tflite.parse(model, name).nodes if n.op.kind().startswith("float")]
    outcome = routes.measure(found, "int8", model, material)
    assert outcome.agreement >= (CLIPS - 1) / CLIPS and outcome.accuracy is None
