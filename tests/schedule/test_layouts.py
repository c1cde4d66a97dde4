# SPDX-License-Identifier: Apache-2.0
"""Maps that lie otherwise than the network says, for kernels that gain: folded along time, widened, rows in pairs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ascmcu import passes, zoo
from ascmcu.frontends import tflite
from ascmcu.ir.verify import verify
from ascmcu.schedule import LAYERS, ROWS, make_plan
from tests.support import chain

zoo.load_tensorflow()

import keras  # noqa: E402
from keras import layers  # noqa: E402

from ascmcu.quantize import ptq  # noqa: E402


def _wake_word() -> keras.Model:
    """Depthwise and pointwise in turn, odd numbers of moments, a dense layer on the map."""
    inputs = keras.Input((27, 1, 12))
    x = layers.DepthwiseConv2D((3, 1))(inputs)
    x = layers.Conv2D(40, 1, activation="relu")(x)
    x = layers.DepthwiseConv2D((5, 1), padding="same")(x)
    x = layers.Conv2D(24, 1, activation="relu")(x)
    x = layers.DepthwiseConv2D((10, 1))(x)
    x = layers.Conv2D(17, 1, activation="relu6")(x)
    return keras.Model(inputs, layers.Dense(3)(layers.Flatten()(x)))


def _residual() -> keras.Model:
    """A sum of two maps, one of them read twice; the sum leaves as a map."""
    inputs = keras.Input((18, 1, 16))
    x = layers.Conv2D(20, 1, activation="relu")(inputs)
    y = layers.DepthwiseConv2D((5, 1), padding="same", activation="relu")(x)
    y = layers.DepthwiseConv2D((3, 1), padding="same")(y)
    y = layers.Conv2D(20, 1)(y)
    return keras.Model(inputs, layers.ReLU()(layers.Add()([x, y])))


def _convolutions() -> keras.Model:
    """Kernels over all channels, strides, and a mean over time."""
    inputs = keras.Input((41, 1, 10))
    x = layers.Conv2D(16, (9, 1), padding="same", strides=(2, 1), activation="relu")(inputs)
    x = layers.Conv2D(18, (4, 1), activation="relu")(x)
    x = layers.DepthwiseConv2D((7, 1), padding="same", activation="relu")(x)
    x = layers.Conv2D(21, (3, 1), padding="same")(x)
    return keras.Model(inputs, layers.Dense(4)(layers.GlobalAveragePooling2D()(x)))


def _keywords() -> keras.Model:
    """Three columns, 3x3 depthwise between the 1x1."""
    inputs = keras.Input((14, 3, 8))
    x = layers.Conv2D(16, 1, activation="relu")(inputs)
    for _ in range(2):
        x = layers.DepthwiseConv2D(3, padding="same", activation="relu")(x)
        x = layers.Conv2D(16, 1, activation="relu")(x)
    return keras.Model(inputs, layers.Dense(4)(layers.GlobalAveragePooling2D()(x)))


def _separable() -> keras.Model:
    """An even number of columns, strides, a 1x1 convolution at the end that writes no planes."""
    inputs = keras.Input((11, 12, 6))
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(inputs)
    x = layers.DepthwiseConv2D(3, padding="same", strides=2, activation="relu")(x)
    x = layers.Conv2D(14, 1, activation="relu6")(x)
    x = layers.DepthwiseConv2D(3, activation="relu")(x)
    return keras.Model(inputs, layers.Conv2D(10, 1)(x))


def _short() -> keras.Model:
    """Few time steps."""
    inputs = keras.Input((5, 1, 12))
    x = layers.DepthwiseConv2D((3, 1), padding="same")(inputs)
    return keras.Model(inputs, layers.Conv2D(24, 1)(x))


PLAIN_CONVOLUTIONS = {"conv2d_packed", "conv2d_portable"}
PLAIN_DEPTHWISE = {"depthwise_im2row", "depthwise_window", "depthwise_portable"}
# The kernels that must be among the layers', and those that must not.
NETWORKS: list[tuple[Callable[[], Any], set[str], set[str]]] = [
    (
        _wake_word,
        {"relayout_to_time_planar", "depthwise_time", "conv2d_time"},
        {*PLAIN_CONVOLUTIONS, *PLAIN_DEPTHWISE, "relayout_to_time", "relayout_from_time"},
    ),
    (
        _residual,
        {
            "relayout_to_time",
            "relayout_to_time_planar",
            "relayout_from_time",
            "depthwise_time",
            "conv2d_time",
        },
        {*PLAIN_CONVOLUTIONS, *PLAIN_DEPTHWISE},
    ),
    (
        _convolutions,
        {"relayout_to_time", "conv2d_time", "depthwise_time", "relayout_from_time"},
        PLAIN_CONVOLUTIONS,
    ),
    (_keywords, {"conv2d_two_rows", "depthwise_planar"}, {*PLAIN_DEPTHWISE, "conv2d_portable"}),
    (
        _separable,
        {"conv2d_int16", "depthwise_planar", "conv2d_packed"},
        {*PLAIN_DEPTHWISE, "conv2d_portable"},
    ),
    (_short, {"conv2d_time", "depthwise_time"}, {*PLAIN_CONVOLUTIONS, *PLAIN_DEPTHWISE}),
]


@pytest.mark.parametrize(
    ("network", "present", "absent"), NETWORKS, ids=lambda value: getattr(value, "__name__", "")
)
def test_other_layouts_give_the_same_bits(
    network: Callable[[], Any], present: set[str], absent: set[str]
) -> None:
    keras.utils.set_random_seed(3)
    model = network()
    rng = np.random.default_rng(3)
    data = ptq.int8(model, rng.standard_normal((4, *model.input_shape[1:]), np.float32))
    graph = passes.optimize(tflite.parse(data, "model"))
    for mode in (LAYERS, ROWS):
        plan = make_plan(graph, mode)
        verify(plan.graph, mode)
        kernels = {layer.lowered.kernel for layer in plan.layers}
        assert present <= kernels and not absent & kernels
        halfwords = {t.name for t in plan.graph.tensors.values() if t.layout.int16}
        assert bool(halfwords) == (network is not _convolutions)
    chain.check(data, sets=4)
