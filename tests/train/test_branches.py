# SPDX-License-Identifier: Apache-2.0
"""Branches that are trained side by side are one convolution in the export, which computes the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ascmcu import zoo
from ascmcu.errors import InputError

zoo.load_tensorflow()

import keras  # noqa: E402  (after TensorFlow was told to be quiet)

from ascmcu import api  # noqa: E402
from ascmcu.quantize import ptq, source  # noqa: E402
from ascmcu.quantize import run as quantize  # noqa: E402
from ascmcu.zoo._branches import Branches, folded  # noqa: E402

# Input map and channels, filters (0: depthwise), kernel, strides, copies, branches in all.
FORMS: dict[str, tuple[tuple[int, int, int], int, tuple[int, int], tuple[int, int], int, int]] = {
    "as RepVGG": ((9, 12, 5), 5, (3, 3), (1, 1), 1, 3),
    "another width": ((9, 12, 5), 7, (3, 3), (1, 1), 1, 2),
    "depthwise": ((9, 12, 5), 0, (3, 3), (1, 1), 2, 4),
    "depthwise strided, even and odd": ((8, 11, 5), 0, (3, 3), (2, 2), 1, 2),
    "strided, odd and even": ((9, 12, 5), 6, (3, 3), (2, 2), 3, 4),
    "strided one way": ((8, 12, 5), 5, (3, 5), (1, 2), 1, 2),
    "even kernel": ((8, 9, 3), 3, (2, 4), (1, 1), 1, 3),
    "stride of three": ((10, 11, 3), 4, (5, 5), (3, 3), 1, 2),
    "points": ((4, 5, 6), 6, (1, 1), (1, 1), 3, 4),
    "points of another width": ((4, 5, 6), 3, (1, 1), (1, 1), 2, 2),
    "strided points": ((5, 6, 4), 4, (1, 1), (2, 2), 1, 1),
    "a map smaller than the kernel": ((2, 1, 3), 3, (5, 3), (1, 1), 1, 3),
}


def shuffled(model: keras.Model, seed: int = 3) -> keras.Model:
    """With weights, scales and statistics as of a trained network: none is zero, one or negative where it cannot be."""
    rng = np.random.default_rng(seed)
    for layer in model._flatten_layers(include_self=False):
        if isinstance(layer, keras.layers.BatchNormalization):
            shape = layer.gamma.shape
            layer.gamma.assign(rng.uniform(0.5, 1.5, shape) * rng.choice([-1, 1], shape))
            layer.beta.assign(rng.normal(0, 0.5, shape))
            layer.moving_mean.assign(rng.normal(0, 0.5, shape))
            layer.moving_variance.assign(rng.uniform(0.3, 2.0, shape))
    return model


def one_layer(name: str) -> keras.Model:
    shape, filters, kernel, strides, copies, _ = FORMS[name]
    inputs = keras.Input(shape)
    return shuffled(keras.Model(inputs, Branches(filters, kernel, strides, copies, name="sum")(inputs)))


@pytest.mark.parametrize("name", FORMS)
def test_one_convolution_computes_the_sum(name: str, tmp_path: Path) -> None:
    model, (shape, filters, *_, branches) = one_layer(name), FORMS[name]
    assert len(model.get_layer("sum").normalisations) == branches
    x = np.random.default_rng(1).standard_normal((4, *shape)).astype(np.float32)
    one = folded(model)
    kind = keras.layers.Conv2D if filters else keras.layers.DepthwiseConv2D
    assert [type(layer) for layer in one.layers[1:]] == [kind]
    expected = model.predict_on_batch(x)
    assert np.abs(one.predict_on_batch(x) - expected).max() <= 1e-5 * max(1.0, np.abs(expected).max())
    assert folded(one) is one
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    assert np.array_equal(again.predict_on_batch(x), expected)
    assert model.compute_output_shape((None, *shape)) == one.output_shape


def small(**options: Any) -> keras.Model:
    sizes = {"base": 8, "multiplier": 1.5, "blocks": [2, 2], "strides": [(1, 1), (1, 1), (2, 1), (1, 2)]}
    return shuffled(zoo.build("cp_mobile", (33, 32, 1), 4, {**sizes, **options}))


def test_a_network_of_branches_exports_as_the_network_without(tmp_path: Path) -> None:
    """Operators, parameters and MACs are the plain network's; the float answers are the trained network's."""
    plain, trained = small(), small(branches=2)
    assert trained.count_params() > 2 * plain.count_params()
    x = np.random.default_rng(2).standard_normal((8, 33, 32, 1)).astype(np.float32)
    told = {}
    for name, model in (("plain", plain), ("trained", trained)):
        (tmp_path / f"{name}.tflite").write_bytes(ptq.int8(model, x))
        found = api.inspect(tmp_path / f"{name}.tflite")
        told[name] = (found.macs, found.parameters, [layer.op for layer in found.layers])
    assert told["plain"] == told["trained"]
    single = source.of_keras(trained)
    assert single.keras is not None
    assert not any(isinstance(layer, Branches) for layer in single.keras.layers)
    expected = trained.predict_on_batch(x)
    assert np.abs(quantize.probabilities(single.tflite, x) - expected).max() <= 1e-5
    assert np.abs(quantize.probabilities(source.to_float_tflite(trained), x) - expected).max() <= 1e-5


def test_a_network_within_a_network_is_folded() -> None:
    inputs = keras.Input((33, 32, 1))
    members = []
    for number in range(2):
        made = small(branches=1)
        members.append(keras.Model(made.inputs, made.outputs[0], name=f"member{number}")(inputs))
    fusion = keras.Model(inputs, keras.layers.Average()(members))
    one = folded(fusion)
    assert not any(isinstance(layer, Branches) for layer in one._flatten_layers())
    x = np.random.default_rng(2).standard_normal((3, 33, 32, 1)).astype(np.float32)
    assert np.abs(one.predict_on_batch(x) - fusion.predict_on_batch(x)).max() <= 1e-5


def test_what_cannot_be_built() -> None:
    with pytest.raises(InputError, match="cannot be built"):
        zoo.build("cp_mobile", (33, 32, 1), 4, {"branches": -1})
