# SPDX-License-Identifier: Apache-2.0
"""The published networks have the published sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ascmcu import zoo
from tests.support import outside

zoo.load_tensorflow()

import keras  # noqa: E402  (after TensorFlow was told to be quiet)

RELEASED = outside.model("dcase2020_task1b_mobnet.h5"), outside.model("dcase2020_task1b_mobnet_drq.tflite")

# Network, input, classes, options, parameters, MACs: counted in the released files, but zhao's inferred.
SIZES = [
    ("mobnet", (128, 461, 6), 3, {}, 152_838, 133_961_984),
    ("small_fcnn", (128, 461, 6), 3, {}, 234_166, 654_710_700),
    # The table leaves out the attention's 12 MACs here; the released network's figure has them.
    (
        "small_fcnn",
        (128, 461, 6),
        3,
        {"widths": [48, 84, 120], "wide_last": False},
        350_470,
        981_252_864 + 12,
    ),
    ("tmsic", (140, 8, 1), 10, {}, 51_986, 25_376_896),
    ("tmsic", (140, 8, 1), 2, {}, 49_930, 25_376_896 - 256 * 8),
    ("zhao", (128, 423, 3), 10, {}, 59_797, 93_154_560),
    # The baseline's table counts two of every channel of a normalisation as MACs, 2,708, and no moving statistics.
    ("cp_mobile", (65, 256, 1), 10, {}, 61_148 + 2_708, 29_419_156 - 2_708),
    # MLPerf Tiny's table of anomaly detection.
    ("autoencoder", (5, 128, 1), 0, {}, 269_992, 264_192),
    # 14.82 M operations in the authors' table, of which 535,961 are pools', activations' and offsets'.
    ("micro_acdnet", (1, 30225, 1), 50, {}, 131_474 + 2 * 415, 14_286_134),
    # Ours: within the challenge's 128,000 and 30 M.
    ("ascmcu-net", (208, 64, 1), 10, {}, 119_226, 17_626_048),
]

# The same for networks whose tables leave a normalisation's moving statistics out of the parameters.
TRAINED_SIZES = [
    ("dsmn", (44, 256, 2), 10, {}, 45_164),
    ("dsmn", (44, 256, 2), 10, {"plain_from": 1}, 56_172),
    ("dsmn", (44, 256, 2), 10, {"plain_from": 0}, 56_556),
    ("dsmn", (44, 256, 2), 10, {"filters": [24, 128, 128, 128, 128], "hidden": 64}, 121_812),
    ("cp_mobile", (65, 256, 1), 10, {}, 61_148),
    ("bupt", (280, 256, 2), 3, {}, 1_059_590),
    ("micro_acdnet", (1, 30225, 1), 50, {}, 131_474),
    # 116,342 bytes at 16 bits.
    ("cnn_gru", (33, 256, 1), 10, {}, 116_342 // 2),
    ("tf_sepnet", (64, 512, 1), 10, {}, 126_858),
    ("bupt", (280, 256, 2), 3, {"widths": [36, 72]}, 86_046),
]


def macs(model: keras.Model) -> int:
    """Multiplications of convolutions and dense layers, one inference; a shared layer counts every time."""
    total = 0
    for layer in model.layers:
        kernel = getattr(layer, "kernel", None)
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            total += int(np.prod(layer.output.shape[1:]) * np.prod(layer.kernel_size))
        elif isinstance(layer, keras.layers.Conv2D):
            total += int(np.prod(layer.output.shape[1:3]) * np.prod(kernel.shape))
        elif isinstance(layer, keras.layers.Dense):
            total += int(np.prod(kernel.shape)) * len(layer._inbound_nodes)
        elif isinstance(layer, keras.layers.GRU):
            kernels = (layer.cell.kernel, layer.cell.recurrent_kernel)
            total += layer.output.shape[1] * sum(int(np.prod(weight.shape)) for weight in kernels)
    return total


@pytest.mark.parametrize(("name", "shape", "classes", "options", "parameters", "operations"), SIZES)
def test_published_sizes(
    name: str, shape: tuple[int, ...], classes: int, options: dict[str, Any], parameters: int, operations: int
) -> None:
    task = "reconstruction" if name == "autoencoder" else "single_label"
    model = zoo.build(name, shape, classes, options, task)
    assert model.count_params() == parameters
    assert macs(model) == operations


# Network, input, MACs, and what the challenges' counter (torchinfo) adds: one for each offset and normalisation.
COUNTED = [
    ("cnn_gru", (33, 256, 1), 10_889_944, 10_902_300),
    ("tf_sepnet", (64, 512, 1), 29_413_888, 29_419_648),
]


@pytest.mark.parametrize(("name", "shape", "operations", "counted"), COUNTED)
def test_published_operations(name: str, shape: tuple[int, ...], operations: int, counted: int) -> None:
    model = zoo.build(name, shape, 10)
    assert macs(model) == operations
    assert operations + _counted_beside(model) == counted


def _counted_beside(model: keras.Model) -> int:
    """Offsets of every output, and a normalisation's two weights a channel once."""
    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            total += 2 * layer.output.shape[-1]
        elif isinstance(layer, keras.layers.GRU):
            total += layer.output.shape[1] * int(np.prod(layer.cell.bias.shape))
        elif getattr(layer, "bias", None) is not None:
            total += int(np.prod(layer.output.shape[1:]))
    return total


@pytest.mark.parametrize(("name", "shape", "classes", "options", "parameters"), TRAINED_SIZES)
def test_published_trained_sizes(
    name: str, shape: tuple[int, ...], classes: int, options: dict[str, Any], parameters: int
) -> None:
    model = zoo.build(name, shape, classes, options)
    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == parameters


@pytest.mark.parametrize(
    ("name", "shape", "parts"),
    [
        ("dsmn", (44, 256, 2), {f"block{i}_pool": s for i, s in enumerate([(22, 128, 24), (11, 64, 32)], 1)}),
        (
            "bupt",
            (280, 256, 2),
            {"stem": (139, 127, 128), "pool1": (69, 63, 128), "pool4": (8, 7, 128), "pool5": (4, 3, 256)},
        ),
    ],
)
def test_published_shapes(name: str, shape: tuple[int, ...], parts: dict[str, tuple[int, ...]]) -> None:
    model = zoo.build(name, shape, 3)
    assert {part: tuple(model.get_layer(part).output.shape[1:]) for part in parts} == parts


def test_the_teachers_are_made_of_what_is_published() -> None:
    teacher = zoo.build("tmsic_teacher", (140, 8, 1), 10)
    alone = zoo.build("tmsic", (140, 8, 1), 2)
    # Ten members without their last layer, and a classifier above 2,560 embeddings.
    assert teacher.count_params() == 10 * (alone.count_params() - 514) + 2_561 * 10 - 10 + 10
    resnet = zoo.build("zhao_teacher", (128, 400, 3), 10)
    assert [tuple(output.shape) for output in resnet.outputs] == [(None, 10), (None, 3)]
    kernels = [layer for layer in resnet.layers if isinstance(layer, keras.layers.Conv2D)]
    assert len([k for k in kernels if k.name.startswith("low")]) == 17, "18 layers with the classifier"
    assert resnet.get_layer("head_conv").filters == 768
    assert tuple(resnet.get_layer("bands").output.shape[1:]) == (128, 25, 192), "mel is never halved"


@pytest.mark.parametrize(("name", "shape"), [("zhao", (128, 400, 3)), ("dsmn", (44, 256, 2))])
def test_answers_twice_or_once(name: str, shape: tuple[int, ...]) -> None:
    twice = zoo.build(name, shape, 10)
    assert [tuple(output.shape) for output in twice.outputs] == [(None, 10), (None, 3)]
    assert zoo.build(name, shape, 10, {"groups": 0}).output_shape == (None, 10)


@outside.needs(*RELEASED)
def test_the_released_mobnet_fits_layer_for_layer() -> None:
    from ai_edge_litert.interpreter import Interpreter

    model = zoo.build("mobnet", (128, 461, 6), 3)
    model.load_weights(RELEASED[0])
    released = Interpreter(str(RELEASED[1]))
    released.allocate_tensors()
    rng = np.random.default_rng(0)
    for number in range(6):
        x = rng.random((1, 128, 461, 6), np.float32)
        x[..., 2:] = (x[..., 2:] - 0.5) * 0.1
        if number % 2:  # slowly rising noise reaches other answers than white noise does
            x = np.cumsum(x, axis=2)
            x /= x.max()
        released.set_tensor(released.get_input_details()[0]["index"], x)
        released.invoke()
        answer = released.get_tensor(released.get_output_details()[0]["index"])
        # The released file has int8 weights with one scale per layer: some hundredths from the float network.
        assert np.abs(answer - model.predict_on_batch(x)).max() < 0.06
        assert answer.argmax() == model.predict_on_batch(x).argmax()
