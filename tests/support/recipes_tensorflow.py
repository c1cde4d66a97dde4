# SPDX-License-Identifier: Apache-2.0
"""A recipe as a TensorFlow function, quantized by TensorFlow's own converter."""

from __future__ import annotations

import operator
import os
from typing import Any

import numpy as np
import tflite

from tests.support.recipes import Attributes, Recipe, Step, _upsampled

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
CALIBRATION_SETS = 6
# TensorFlow's calibrating interpreter now and then reads memory that it has not written (a SAME convolution that its
# multithreaded kernel splits): the same network converts with scales of 1e-2 or of 1e+30.
ATTEMPTS = 6
LARGEST_SCALE = 1e6


def build(recipe: Recipe) -> bytes:
    """The converted model, int8 inside, with the recipe's interface.

    Raises:
        Exception: the converter refuses the network.
    """
    import tensorflow as tf

    rng = np.random.default_rng(recipe.seed)
    samples = [rng.normal(size=recipe.shape).astype(np.float32) for _ in range(CALIBRATION_SETS)]

    @tf.function(input_signature=[tf.TensorSpec(recipe.shape, tf.float32)], autograph=False)
    def network(x: Any) -> Any:
        weights = np.random.default_rng(recipe.seed + 1)
        values = [x]
        for step in recipe.steps:
            made = _LAYERS[step.kind](tf, [values[i] for i in step.inputs], step.attributes, weights)
            values += made if isinstance(made, list) else [made]
        return [values[i] for i in recipe.outputs()]

    converter = tf.lite.TFLiteConverter.from_concrete_functions([network.get_concrete_function()])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([s] for s in samples)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    if recipe.interface != "float32":
        converter.inference_input_type = converter.inference_output_type = getattr(tf, recipe.interface)
    for _ in range(ATTEMPTS):
        data = bytes(converter.convert())
        if _largest_scale(data) < LARGEST_SCALE:
            return data
    raise ValueError("calibrated from memory that nobody wrote")


def _largest_scale(data: bytes) -> float:
    model = tflite.Model.GetRootAsModel(data, 0)
    tensors = (model.Subgraphs(0).Tensors(i) for i in range(model.Subgraphs(0).TensorsLength()))
    scales = [t.Quantization().ScaleAsNumpy() for t in tensors if t.Quantization()]
    return max((float(np.max(s)) for s in scales if np.size(s)), default=0.0)


def _normal(rng: np.random.Generator, *shape: int) -> Any:
    return rng.normal(size=shape).astype(np.float32)


def _killed(rng: np.random.Generator, weights: Any, bias: Any, dead: int) -> None:
    """Some output channels lose their weights, and some of those their bias."""
    for channel in rng.permutation(weights.shape[-1])[: dead * weights.shape[-1] // 4 + (dead > 0)]:
        weights[..., channel] = 0
        bias[channel] *= rng.integers(0, 2)


def _activate(tf: Any, x: Any, a: Attributes) -> Any:
    return {"none": lambda v: v, "relu": tf.nn.relu, "relu6": tf.nn.relu6}[a.get("act", "none")](x)


def _conv(tf: Any, xs: list[Any], a: Attributes, rng: np.random.Generator) -> Any:
    depth = int(xs[0].shape[3]) // a["groups"]
    w, b = _normal(rng, *a["kernel"], depth, a["channels"]), _normal(rng, a["channels"])
    _killed(rng, w, b, a["dead"])
    padding = "SAME" if a["same"] else "VALID"
    return _activate(
        tf, tf.nn.bias_add(tf.nn.conv2d(xs[0], w, a["stride"], padding, dilations=a["dilation"]), b), a
    )


def _depthwise(tf: Any, xs: list[Any], a: Attributes, rng: np.random.Generator) -> Any:
    channels = int(xs[0].shape[3])
    w = _normal(rng, *a["kernel"], channels * a["multiplier"])
    b = _normal(rng, channels * a["multiplier"])
    _killed(rng, w, b, a["dead"])
    w = w.reshape(*a["kernel"], channels, a["multiplier"])
    padding, strides = "SAME" if a["same"] else "VALID", [1, *a["stride"], 1]
    made = tf.nn.depthwise_conv2d(xs[0], w, strides, padding, dilations=a["dilation"])
    return _activate(tf, tf.nn.bias_add(made, b), a)


def _pool(tf: Any, xs: list[Any], a: Attributes, name: str) -> Any:
    padding = "SAME" if a["same"] else "VALID"
    return _activate(tf, getattr(tf.nn, name)(xs[0], a["kernel"], a["stride"], padding), a)


def _dense(tf: Any, xs: list[Any], a: Attributes, rng: np.random.Generator) -> Any:
    x = tf.reshape(xs[0], [1, -1]) if a["flatten"] else xs[0]
    depth = int(x.shape[-1])
    w, b = _normal(rng, depth, a["units"]), _normal(rng, a["units"])
    _killed(rng, w, b, a["dead"])
    leading = [int(d) for d in x.shape[:-1]]
    y = tf.matmul(tf.reshape(x, [-1, depth]), w)
    y = tf.nn.bias_add(y, b) if a["bias"] else y
    return _activate(tf, tf.reshape(y, [*leading, a["units"]]), a)


def _binary(tf: Any, xs: list[Any], a: Attributes, rng: np.random.Generator, name: str) -> Any:
    other = xs[1] if len(xs) > 1 else tf.constant(_normal(rng, *a["const"]))
    x, y = (other, xs[0]) if a.get("const_first") else (xs[0], other)
    return _activate(tf, operator.attrgetter(name)(tf)(x, y), a)


def _strided(tf: Any, xs: list[Any], a: Attributes) -> Any:
    axes = zip(a["begin"], a["end"], a["strides"], strict=True)
    return xs[0][tuple(b if k in a["shrink"] else slice(b, e, s) for k, (b, e, s) in enumerate(axes))]


def _prelu(tf: Any, xs: list[Any], a: Attributes, rng: np.random.Generator) -> Any:
    slope = _normal(rng, *a["slope"])
    return tf.nn.relu(xs[0]) + -slope * tf.nn.relu(-xs[0])


def _clipped(tf: Any, x: Any) -> Any:
    return tf.minimum(tf.maximum(x, -1.0), 1.0)


def _transpose_conv(tf: Any, xs: list[Any], a: Attributes, rng: np.random.Generator) -> Any:
    (shape,) = _upsampled([tuple(int(d) for d in xs[0].shape)], a)
    w, b = _normal(rng, *a["kernel"], a["channels"], int(xs[0].shape[3])), _normal(rng, a["channels"])
    padding = "SAME" if a["same"] else "VALID"
    return tf.nn.bias_add(tf.nn.conv2d_transpose(xs[0], w, shape, a["stride"], padding), b)


def _where(tf: Any, xs: list[Any], a: Attributes, rng: np.random.Generator) -> Any:
    other = xs[1] if len(xs) > 1 else tf.constant(_normal(rng, *a["const"]))
    x, y = (other, xs[0]) if a.get("const_first") else (xs[0], other)
    return tf.where(x > y, x, y)


def _resize(tf: Any, xs: list[Any], a: Attributes) -> Any:
    ends = {} if a["ends"] == "none" else {a["ends"]: True}
    made = getattr(tf.raw_ops, "ResizeNearestNeighbor" if a["nearest"] else "ResizeBilinear")
    return made(images=xs[0], size=a["size"], **ends)


_LAYERS: dict[str, Any] = {
    "conv": _conv,
    "depthwise": _depthwise,
    "average_pool": lambda tf, xs, a, rng: _pool(tf, xs, a, "avg_pool2d"),
    "max_pool": lambda tf, xs, a, rng: _pool(tf, xs, a, "max_pool2d"),
    "dense": _dense,
    "mean": lambda tf, xs, a, rng: tf.reduce_mean(xs[0], a["axes"], a["keep"]),
    "reduce_max": lambda tf, xs, a, rng: tf.reduce_max(xs[0], a["axes"], a["keep"]),
    "sum": lambda tf, xs, a, rng: tf.reduce_sum(xs[0], a["axes"], a["keep"]),
    "add": lambda tf, xs, a, rng: _binary(tf, xs, a, rng, "add"),
    "sub": lambda tf, xs, a, rng: _binary(tf, xs, a, rng, "subtract"),
    "mul": lambda tf, xs, a, rng: _binary(tf, xs, a, rng, "multiply"),
    "maximum": lambda tf, xs, a, rng: _binary(tf, xs, a, rng, "maximum"),
    "minimum": lambda tf, xs, a, rng: _binary(tf, xs, a, rng, "minimum"),
    "prelu": _prelu,
    "relu": lambda tf, xs, a, rng: tf.nn.relu(xs[0]),
    "relu6": lambda tf, xs, a, rng: tf.nn.relu6(xs[0]),
    "relu_n1_to_1": lambda tf, xs, a, rng: _clipped(tf, xs[0]),
    "logistic": lambda tf, xs, a, rng: tf.sigmoid(xs[0]),
    "tanh": lambda tf, xs, a, rng: tf.tanh(xs[0]),
    "hard_swish": lambda tf, xs, a, rng: xs[0] * tf.nn.relu6(xs[0] + 3.0) * (1.0 / 6.0),
    "abs": lambda tf, xs, a, rng: tf.abs(xs[0]),
    "softmax": lambda tf, xs, a, rng: tf.nn.softmax(xs[0]),
    "leaky_relu": lambda tf, xs, a, rng: tf.nn.leaky_relu(xs[0], a["alpha"]),
    # An infinite range ends the converter's process.
    "exp": lambda tf, xs, a, rng: tf.exp(tf.minimum(xs[0], 10.0)),
    "neg": lambda tf, xs, a, rng: tf.negative(xs[0]),
    "gelu": lambda tf, xs, a, rng: tf.nn.gelu(xs[0], a["approximate"]),
    "log_softmax": lambda tf, xs, a, rng: tf.nn.log_softmax(xs[0]),
    "l2_normalization": lambda tf, xs, a, rng: tf.math.l2_normalize(xs[0], -1),
    "squared_difference": lambda tf, xs, a, rng: _binary(tf, xs, a, rng, "math.squared_difference"),
    "where": _where,
    "matmul": lambda tf, xs, a, rng: tf.matmul(xs[0], xs[1], transpose_b=True),
    "transpose_conv": _transpose_conv,
    "space_to_depth": lambda tf, xs, a, rng: tf.nn.space_to_depth(xs[0], a["block"]),
    "depth_to_space": lambda tf, xs, a, rng: tf.nn.depth_to_space(xs[0], a["block"]),
    "resize": lambda tf, xs, a, rng: _resize(tf, xs, a),
    "tile": lambda tf, xs, a, rng: tf.tile(xs[0], a["multiples"]),
    "reverse": lambda tf, xs, a, rng: tf.reverse(xs[0], [a["axis"]]),
    "concat": lambda tf, xs, a, rng: tf.concat(xs, a["axis"]),
    "pack": lambda tf, xs, a, rng: tf.stack(xs, a["axis"]),
    "split": lambda tf, xs, a, rng: list(tf.split(xs[0], a["sizes"], a["axis"])),
    "unpack": lambda tf, xs, a, rng: list(tf.unstack(xs[0], axis=a["axis"])),
    "slice": lambda tf, xs, a, rng: tf.slice(xs[0], a["begin"], a["size"]),
    "strided_slice": lambda tf, xs, a, rng: _strided(tf, xs, a),
    "pad": lambda tf, xs, a, rng: tf.pad(xs[0], a["paddings"]),
    "padv2": lambda tf, xs, a, rng: tf.pad(xs[0], a["paddings"], constant_values=-0.5),
    "mirror_pad": lambda tf, xs, a, rng: tf.pad(xs[0], a["paddings"], mode=a["mode"]),
    "reshape": lambda tf, xs, a, rng: tf.reshape(xs[0], a["shape"]),
    "expand_dims": lambda tf, xs, a, rng: tf.expand_dims(xs[0], a["axis"]),
    "squeeze": lambda tf, xs, a, rng: tf.squeeze(xs[0], a["axes"]),
    "transpose": lambda tf, xs, a, rng: tf.transpose(xs[0], a["permutation"]),
}
KINDS = tuple(sorted(_LAYERS))


def kinds_of(steps: tuple[Step, ...]) -> set[str]:
    """The kinds that a network uses."""
    return {step.kind for step in steps}
