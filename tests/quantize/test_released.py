# SPDX-License-Identifier: Apache-2.0
"""The released networks of DCASE 2020 task 1b become int8: same labels as the float network on real recordings, and
LiteRT's bits on the emulated board. ``ASCMCU_LONG_TESTS=1`` takes all recordings, some minutes for each network."""

from __future__ import annotations

import dataclasses
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from ascmcu import api
from ascmcu.data import datasets
from ascmcu.features import spec as specs
from ascmcu.frontends import tflite
from ascmcu.train import recipe
from tests.support import on_target, outside
from tests.support.litert import Reference

ESC10 = outside.dataset("esc10")
LONG = os.environ.get("ASCMCU_LONG_TESTS") == "1"
CLIPS = 400 if LONG else 16
ON_BOARD = 2


@pytest.mark.parametrize("name", ["dcase2020_task1b_mobnet.h5", "dcase2020_task1b_mobnet_drq.tflite"])
def test_same_labels(name: str, tmp_path: Path) -> None:
    outside.require(outside.model(name), ESC10)
    from ascmcu.data import cache
    from ascmcu.features import extract
    from ascmcu.quantize import routes, source
    from ascmcu.quantize.material import Material

    whole = datasets.load(ESC10)
    chosen = whole.recordings[:: len(whole.recordings) // CLIPS][:CLIPS]
    dataset = dataclasses.replace(whole, recordings=chosen)
    spec = specs.load_log_mel("hu2020")
    x = np.ascontiguousarray(extract.to_input(cache.features(dataset, spec), spec), np.float32)
    found = source.load(outside.model(name), recipe.load("mobnet"))
    assert found.per_layer is name.endswith(".tflite")
    material = Material(x, x, np.zeros(len(x), np.int64))
    model = routes.convert(found, "int8", material)
    graph = tflite.parse(model, name)
    assert not [n for n in graph.nodes if n.op.kind().startswith("float")]
    outcome = routes.measure(found, "int8", model, material)
    # Of few clips one may differ; 99 % of all do not.
    assert outcome.agreement >= (0.99 if LONG else (CLIPS - 1) / CLIPS) and outcome.accuracy is None
    if shutil.which(on_target.GCC) and shutil.which(on_target.QEMU):
        quant = graph.tensors[graph.inputs[0]].quant
        assert quant is not None
        inputs = extract.quantize(x[:ON_BOARD], quant.scales[0], quant.zero_points[0], "int8")
        _same_bits(model, np.asarray(inputs, np.int8), tmp_path)


def _same_bits(model: bytes, inputs: np.ndarray, folder: Path) -> None:
    """The firmware's answers on the emulated ``nucleo-f446`` are LiteRT's; features are not streamable there."""
    (folder / "model.tflite").write_bytes(model)
    np.save(folder / "inputs.npy", inputs[:, None])
    api.export(folder / "model.tflite", "nucleo-f446", folder / "export", features=False)
    answers = folder / "outputs.npy"
    api.bench(folder / "export", on="qemu", tensors=folder / "inputs.npy", save_outputs=answers)
    reference = Reference(model)
    expected = [reference([clip[None]])[0] for clip in inputs]
    assert np.array_equal(np.load(answers).reshape(len(inputs), -1), np.reshape(expected, (len(inputs), -1)))
