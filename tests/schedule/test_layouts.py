"""Maps that lie otherwise than the network says, for kernels that gain: folded along time, widened, rows in pairs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ascmcu import passes, zoo
from ascmcu.frontends import tflite
from ascmcu.ir.types import DType
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
    """Five columns, 3x3 depthwise between the 1x1."""
    inputs = keras.Input((13, 5, 8))
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
    """Too few moments to fold, enough to pair."""
    inputs = keras.Input((6, 1, 12))
    x = layers.DepthwiseConv2D((3, 1), padding="same")(inputs)
    return keras.Model(inputs, layers.Conv2D(40, 1)(x))


# What must be among the layers, and what must not.
NETWORKS: list[tuple[Callable[[], Any], set[str], set[str]]] = [
    (
        _wake_word,
        {"fold_planes", "depthwise_time", "conv2d_time"},
        {"conv2d", "depthwise_conv2d", "fold_rows", "unfold_rows"},
    ),
    (
        _residual,
        {"fold_rows", "fold_planes", "unfold_rows", "depthwise_time", "conv2d_time"},
        {"conv2d", "depthwise_conv2d"},
    ),
    (_convolutions, {"fold_rows", "conv2d_time", "depthwise_time", "unfold_rows"}, {"conv2d"}),
    (_keywords, {"conv2d_pairs", "depthwise_planes"}, {"conv2d_planes"}),
    (_separable, {"conv2d_wide", "depthwise_planes", "conv2d_planes"}, {"conv2d", "depthwise_conv2d"}),
    (_short, {"conv2d_pairs", "depthwise_conv2d"}, {"conv2d_time", "depthwise_time"}),
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
        kinds = {node.op.kind() for node in plan.graph.nodes}
        assert present <= kinds and not absent & kinds
        halfwords = {t.name for t in plan.graph.tensors.values() if t.dtype is DType.INT16}
        assert bool(halfwords) == (network not in (_short, _convolutions))
    chain.check(data, sets=4)
