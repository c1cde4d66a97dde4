# SPDX-License-Identifier: Apache-2.0
"""What Keras 3 emits for one idea becomes one node: the passes on its real exports, and the whole chain behind them."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ascmcu import passes
from ascmcu.frontends import tflite
from ascmcu.ir.graph import Graph
from tests.support import chain

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
SHAPE = (9, 8, 4)


def _convert(build: Callable[[Any, Any], Any]) -> bytes:
    """The int8 export of a functional model, with the dynamic batch axis that Keras gives it."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(3)
    x = keras.Input(SHAPE)
    model = keras.Model(x, build(keras.layers, x))
    rng = np.random.default_rng(5)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
    samples = [rng.normal(size=(1, *SHAPE)).astype(np.float32) for _ in range(8)]
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([s] for s in samples)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return bytes(converter.convert())


def _kinds(graph: Graph) -> list[str]:
    return [node.op.kind() for node in graph.nodes]


def _global_pooling(layers: Any, x: Any) -> Any:
    y = layers.Conv2D(6, 3, padding="same", activation="relu")(x)
    return layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(y))


def _flatten(layers: Any, x: Any) -> Any:
    y = layers.BatchNormalization()(layers.Conv2D(6, 3)(x))
    return layers.Dense(3)(layers.Flatten()(layers.ReLU()(y)))


def _normalization_behind_relu(layers: Any, x: Any) -> Any:
    y = layers.BatchNormalization()(layers.Conv2D(6, 3, activation="relu")(x))
    return layers.Conv2D(5, 1)(y)


def _normalization_first(layers: Any, x: Any) -> Any:
    return layers.SeparableConv2D(6, 3)(layers.BatchNormalization()(x))


def _squeeze_and_excite(layers: Any, x: Any) -> Any:
    y = layers.Conv2D(8, 3, padding="same")(x)
    gate = layers.Dense(2, activation="relu")(layers.GlobalAveragePooling2D()(y))
    gate = layers.Reshape((1, 1, 8))(layers.Dense(8, activation="sigmoid")(gate))
    return layers.Multiply()([y, gate])


def _channel_attention(layers: Any, x: Any) -> Any:
    """Mean and maximum through a shared network, as CBAM has it."""
    y = layers.Conv2D(8, 3, padding="same")(x)
    narrow, wide = layers.Dense(2, activation="relu"), layers.Dense(8)
    mean = wide(narrow(layers.GlobalAveragePooling2D(keepdims=True)(y)))
    most = wide(narrow(layers.GlobalMaxPooling2D(keepdims=True)(y)))
    return layers.Multiply()([y, layers.Activation("sigmoid")(layers.Add()([mean, most]))])


def _padded_mobile_block(layers: Any, x: Any) -> Any:
    y = layers.Conv2D(8, 3, strides=2)(layers.ZeroPadding2D(((1, 0), (2, 1)))(x))
    y = layers.DepthwiseConv2D(3, padding="same")(layers.Activation("relu6")(y))
    y = layers.Activation("hard_silu")(layers.BatchNormalization()(y))
    return layers.Dense(4)(layers.Flatten()(layers.AveragePooling2D(2)(y)))


def _halves(layers: Any, x: Any) -> Any:
    y = layers.Conv2D(6, 3, padding="same", activation="relu")(x)
    parts = [layers.GlobalAveragePooling2D()(part) for part in (y[:, :, :4], y[:, :, 4:])]
    return layers.Dense(4)(layers.Concatenate()(parts))


def _dilated_in_one_dimension(layers: Any, x: Any) -> Any:
    """The converter leaves SPACE_TO_BATCH_ND around the depthwise half."""
    y = layers.SeparableConv1D(6, 3, dilation_rate=2, padding="same")(layers.Reshape((72, 4))(x))
    return layers.SeparableConv1D(5, 3, dilation_rate=3)(y)


CASES: list[tuple[Callable[[Any, Any], Any], list[str]]] = [
    (_global_pooling, ["conv2d", "mean", "fully_connected", "softmax"]),
    (_flatten, ["conv2d", "fully_connected"]),
    (_normalization_behind_relu, ["conv2d", "scale_shift", "conv2d"]),
    (_normalization_first, ["scale_shift", "depthwise_conv2d", "conv2d"]),
    (
        _squeeze_and_excite,
        ["conv2d", "mean", "fully_connected", "fully_connected", "lookup", "reshape", "mul"],
    ),
    (
        _channel_attention,
        # Both reshapes are aliases: the planner gives them no bytes, and they have no code.
        ["conv2d", "mean", "fully_connected", "fully_connected", "reshape", "reduce_max", "fully_connected",
         "fully_connected", "reshape", "add", "lookup", "mul"],
    ),
    (_padded_mobile_block, ["conv2d", "depthwise_conv2d", "lookup", "average_pool2d", "fully_connected"]),
    (_dilated_in_one_dimension, ["depthwise_conv2d", "conv2d", "depthwise_conv2d", "conv2d", "reshape"]),
    (_halves, ["conv2d", "slice", "mean", "slice", "mean", "concatenation", "fully_connected"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("build", "kinds"), CASES, ids=lambda v: v.__name__.strip("_") if callable(v) else ""
)
def test_export(build: Callable[[Any, Any], Any], kinds: list[str]) -> None:
    data = _convert(build)
    optimized = passes.optimize(tflite.parse(data, build.__name__))
    assert _kinds(optimized) == kinds
    chain.check(data)
