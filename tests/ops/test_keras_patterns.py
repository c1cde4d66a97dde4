# SPDX-License-Identifier: Apache-2.0
"""Layers and activations that come as several operators, as Keras and TensorFlow's converter write them: LiteRT =
interpreter = passes = generated C in both schedules, as int8, as float32 and, where the converter can, as 16x8.

All patterns are branches of one network for each element type, so that it is converted and compiled once.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from ascmcu import passes
from ascmcu.frontends import tflite
from ascmcu.ir import interp
from ascmcu.ir.types import Array
from ascmcu.ops._float import TOLERANCE
from tests.support.host_model import HostModel
from tests.support.litert import Reference

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
SHAPE = (8, 6, 4)
SETS = 3
# BUILTIN_REF of LiteRT 2.3.0 has no ELU, not the version of TILE that the converter names, and reads int8 as uint8 in
# SUM: these are a network of their own, for its other resolver.
NOT_IN_REF = ("elu", "repeated pixels", "repeated steps", "unit normalization", "attentive pooling")
MODES = ("int8", "float", "16x8")


def _statistics(keras: Any, x: Any) -> Any:
    ops = keras.ops
    return ops.concatenate([ops.mean(x, axis=1), ops.std(x, axis=1)], axis=-1)


def _squeeze_and_excite(keras: Any, x: Any) -> Any:
    layers = keras.layers
    y = layers.GlobalAveragePooling2D(keepdims=True)(x)
    return x * layers.Dense(4, activation="sigmoid")(layers.Dense(2, activation="relu")(y))


def _decoder(keras: Any, x: Any) -> Any:
    layers = keras.layers
    y = layers.Conv2D(5, 3, strides=2, padding="same", activation="relu")(x)
    y = layers.Conv2DTranspose(4, 3, strides=2, padding="same", activation="relu")(y)
    return layers.Conv2DTranspose(2, 4, strides=(1, 2))(y)


def _transformer(keras: Any, x: Any) -> Any:
    layers = keras.layers
    y = layers.MultiHeadAttention(2, 4)(x, x)
    y = layers.LayerNormalization()(x + y)
    return layers.LayerNormalization()(y + layers.Dense(24)(layers.Dense(8, activation="gelu")(y)))


def _attentive_pooling(keras: Any, x: Any) -> Any:
    return keras.ops.sum(x * keras.ops.softmax(keras.layers.Dense(1)(x), axis=1), axis=1)


def _approximate_gelu(keras: Any, x: Any) -> Any:
    # Of another tensor than the exact one: the converter finds neither where both share half of it.
    return keras.activations.gelu(1.25 * x, approximate=True)


def _activation(name: str) -> Callable[[Any, Any], Any]:
    return lambda keras, x: keras.layers.Activation(name)(x)


def _layer(name: str, *arguments: Any, **options: Any) -> Callable[[Any, Any], Any]:
    return lambda keras, x: getattr(keras.layers, name)(*arguments, **options)(x)


@dataclass(frozen=True)
class Pattern:
    """A branch: of the map, or of a ``sequence`` of its rows; ``modes`` are those in which it can be converted."""

    build: Callable[[Any, Any], Any]
    sequence: bool = False
    modes: tuple[str, ...] = MODES


NARROW = ("int8", "float")
PATTERNS = {
    "layer normalization": Pattern(_layer("LayerNormalization"), modes=NARROW),
    "layer normalization of a sequence": Pattern(_layer("LayerNormalization"), True, NARROW),
    "group normalization": Pattern(_layer("GroupNormalization", 2), modes=NARROW),
    "RMS normalization": Pattern(_layer("RMSNormalization"), modes=NARROW),
    "unit normalization": Pattern(_layer("UnitNormalization"), modes=NARROW),
    "silu": Pattern(_activation("silu")),
    "softplus": Pattern(_activation("softplus"), modes=NARROW),
    "mish": Pattern(_activation("mish"), modes=NARROW),
    "selu": Pattern(_activation("selu"), modes=NARROW),
    "elu": Pattern(_activation("elu"), modes=NARROW),
    "gelu": Pattern(_activation("gelu"), modes=NARROW),
    "approximate gelu": Pattern(_approximate_gelu, modes=NARROW),
    "hard sigmoid": Pattern(_activation("hard_sigmoid")),
    "hard silu": Pattern(_activation("hard_silu"), modes=NARROW),
    "leaky relu": Pattern(_layer("LeakyReLU", negative_slope=0.2)),
    "statistics pooling": Pattern(_statistics, True, NARROW),
    "attentive pooling": Pattern(_attentive_pooling, True, NARROW),
    "squeeze and excite": Pattern(_squeeze_and_excite),
    "multi-head attention": Pattern(lambda keras, x: keras.layers.MultiHeadAttention(2, 4)(x, x), True),
    "attention": Pattern(lambda keras, x: keras.layers.Attention()([x, x]), True),
    "transformer block": Pattern(_transformer, True, NARROW),
    "decoder of transposed convolutions": Pattern(_decoder),
    "transposed convolution of a sequence": Pattern(_layer("Conv1DTranspose", 3, 3, strides=2), True),
    "repeated pixels": Pattern(_layer("UpSampling2D", 2)),
    "interpolated pixels": Pattern(_layer("UpSampling2D", 2, interpolation="bilinear")),
    "repeated steps": Pattern(_layer("UpSampling1D", 2), True),
    "unrolled LSTM": Pattern(_layer("LSTM", 5, unroll=True), True),
    "unrolled GRU": Pattern(_layer("GRU", 5, unroll=True, return_sequences=True), True),
    "unrolled RNN": Pattern(_layer("SimpleRNN", 5, unroll=True), True),
    "pooling": Pattern(lambda keras, x: keras.layers.MaxPooling2D()(keras.layers.AveragePooling2D(3, 1)(x))),
}  # fmt: skip


@dataclass(frozen=True)
class Export:
    """A converted network: its bytes, the patterns in the order of its outputs, and LiteRT's resolver."""

    data: bytes
    names: tuple[str, ...]
    resolver: str


def _convert(names: list[str], mode: str) -> Export:
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(3)
    x = keras.Input(SHAPE, batch_size=1)
    rows = keras.layers.Reshape((SHAPE[0], SHAPE[1] * SHAPE[2]))(x)
    keys = {f"output_{i:02}": name for i, name in enumerate(names)}
    outputs = {
        key: PATTERNS[name].build(keras, rows if PATTERNS[name].sequence else x) for key, name in keys.items()
    }
    converter = tf.lite.TFLiteConverter.from_keras_model(keras.Model(x, outputs))
    rng = np.random.default_rng(5)
    if mode != "float":
        samples = [rng.normal(size=(1, *SHAPE)).astype(np.float32) for _ in range(8)]
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([s] for s in samples)
        sets = tf.lite.OpsSet
        wide = sets.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        converter.target_spec.supported_ops = [sets.TFLITE_BUILTINS_INT8 if mode == "int8" else wide]
        converter.inference_input_type = tf.int8 if mode == "int8" else tf.int16
        converter.inference_output_type = converter.inference_input_type
    data = bytes(converter.convert())
    alone = names[0] in NOT_IN_REF
    resolver = "BUILTIN_WITHOUT_DEFAULT_DELEGATES" if alone else "BUILTIN_REF"
    return Export(data, tuple(keys[key] for key in _keys(data)), resolver)


def _keys(data: bytes) -> list[str]:
    """The names that the model was given for its outputs, in their order."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=data)
    runner = interpreter.get_signature_runner()
    names = {detail["index"]: key for key, detail in runner.get_output_details().items()}
    return [names[detail["index"]] for detail in interpreter.get_output_details()]


def _inputs(mode: str, reference: Reference) -> list[Array]:
    rng = np.random.default_rng(7)
    real = [rng.normal(size=(1, *SHAPE)).astype(np.float32) for _ in range(SETS)]
    if mode == "float":
        return real
    scale, zero_point = reference.input_quantization
    dtype = np.int8 if mode == "int8" else np.int16
    info = np.iinfo(dtype)
    return [np.clip(np.rint(x / scale) + zero_point, info.min, info.max).astype(dtype) for x in real]


@dataclass(frozen=True)
class Compared:
    """LiteRT's outputs, and by link of the chain ours; each for every set of inputs."""

    expected: list[list[Array]]
    found: dict[str, list[list[Array]]]


def _compared(export: Export, mode: str) -> Compared:
    reference = Reference(export.data, export.resolver)
    graph = tflite.parse(export.data, mode)
    optimized = passes.optimize(graph)
    sets = _inputs(mode, reference)
    found = {
        "interpreter": [interp.run(graph, [x]) for x in sets],
        "passes": [interp.run(optimized, [_as_input(optimized, x)]) for x in sets],
    }
    for schedule in ("layers", "rows"):
        model = HostModel(optimized, schedule)
        found[f"C, {schedule}"] = [model(_as_input(optimized, x)) for x in sets]
    return Compared([reference([x]) for x in sets], found)


def _as_input(graph: Any, x: Array) -> Array:
    return x.reshape(graph.tensors[graph.inputs[0]].shape)


Results = dict[str, tuple[Compared, int]]


@pytest.fixture(scope="module", params=MODES)
def results(request: pytest.FixtureRequest) -> tuple[str, Results]:
    """The patterns of an element type, each with its comparison and the number of its output."""
    mode = request.param
    inside = [n for n, p in PATTERNS.items() if mode in p.modes and n not in NOT_IN_REF]
    groups = [inside, [n for n in NOT_IN_REF if mode in PATTERNS[n].modes]]
    found: Results = {}
    for names in groups:
        export = _convert(names, mode)
        compared = _compared(export, mode)
        found |= {name: (compared, i) for i, name in enumerate(export.names)}
    return mode, found


@pytest.mark.parametrize("name", PATTERNS)
def test_pattern(name: str, results: tuple[str, Results]) -> None:
    mode, found = results
    if mode not in PATTERNS[name].modes:
        assert name not in found, "TensorFlow's converter has no 16x8 form"
        return
    compared, index = found[name]
    assert compared.expected and compared.found
    for number, outputs in enumerate(compared.expected):
        expected = outputs[index]
        assert expected.min() < expected.max()
        for link, sets in compared.found.items():
            ours = sets[number][index].reshape(expected.shape)
            if mode == "float":
                largest = np.abs(expected).max()
                assert np.allclose(ours, expected, rtol=0, atol=TOLERANCE * largest), (link, number)
            else:
                assert np.array_equal(ours, expected), (link, number)
