# SPDX-License-Identifier: Apache-2.0
"""Families of float32 operators, and of those with int8 weights (dynamic range): within the declared tolerance.

The oracle of a dynamic-range layer is LiteRT on the same layer with its weights expanded to float32: LiteRT's own
hybrid kernels round the activations too, and no float kernel equals them.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ascmcu.ir.types import Array
from ascmcu.ops._float import TOLERANCE
from tests.support.adversary.arithmetic import Draw, Trial, single
from tests.support.adversary.elementwise import ACTIVATIONS, SHAPE
from tests.support.adversary.families import FLOAT, family
from tests.support.tflite_builder import TensorSpec

UNARY = (
    "ABS", "CEIL", "COS", "ELU", "EXP", "FLOOR", "GELU", "HARD_SWISH", "L2_NORMALIZATION", "LEAKY_RELU", "LOG",
    "LOGISTIC", "LOG_SOFTMAX", "NEG", "RELU", "RELU6", "RELU_0_TO_1", "RELU_N1_TO_1", "ROUND", "RSQRT", "SIGN", "SIN",
    "SOFTMAX", "SQRT", "SQUARE", "TANH",
)  # fmt: skip
# Of numbers that are positive; LiteRT's results for others are no numbers.
POSITIVE = ("LOG", "RSQRT", "SQRT")
# BUILTIN_REF of LiteRT 2.3.0 has none of these.
NOT_IN_REF = ("CEIL", "ELU", "ROUND")
BINARY = ("ADD", "DIV", "FLOOR_DIV", "FLOOR_MOD", "MAXIMUM", "MINIMUM", "MUL", "SQUARED_DIFFERENCE", "SUB")
POOLS = ("AVERAGE_POOL_2D", "MAX_POOL_2D")
REDUCTIONS = ("MEAN", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD", "SUM")
LAYERS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")


def _float(name: str, shape: tuple[int, ...], data: Array | None = None) -> TensorSpec:
    return TensorSpec(name, shape, "float32", data=data)


def _values(draw: Draw, shape: tuple[int, ...]) -> Array:
    """Numbers of one magnitude, with zeros and whole numbers among them."""
    made = draw.rng.normal(size=shape) * draw.scale(-8, 3)
    return np.where(draw.rng.random(shape) < 0.1, np.rint(made), made).astype(np.float32)


def _trial(draw: Draw, data: bytes, shape: tuple[int, ...], oracle: bytes | None = None) -> Trial:
    return Trial(data, [[_values(draw, shape)] for _ in range(3)], oracle=oracle, tolerance=TOLERANCE)


def _unary(builtin: str, draw: Draw) -> Trial:
    options: dict[str, Any] = {"LEAKY_RELU": {"alpha": draw.scale(-6, 1)}, "SOFTMAX": {"beta": 1.0}}.get(
        builtin, {}
    )
    if builtin == "GELU":
        options = {"approximate": draw.chance(0.5)}
    trial = _trial(draw, single(builtin, [_float("x", SHAPE)], _float("y", SHAPE), **options), SHAPE)
    if builtin in POSITIVE:
        trial.sets = [[np.abs(x) + np.float32(1e-3)] for (x,) in trial.sets]
    if builtin in NOT_IN_REF:
        trial.resolver = "BUILTIN_WITHOUT_DEFAULT_DELEGATES"
    return trial


def _binary(builtin: str, draw: Draw) -> Trial:
    shape = draw.pick((1, 1, 1, 4), SHAPE, (1, 1, 1, 1))
    constant = _values(draw, shape)
    if "DIV" in builtin or "MOD" in builtin:
        constant = np.where(np.abs(constant) < 1e-3, np.float32(1), constant)
    fused = (
        {}
        if builtin in ("FLOOR_DIV", "FLOOR_MOD", "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE")
        else {"fusedActivationFunction": draw.pick(*ACTIVATIONS.values())}
    )
    data = single(builtin, [_float("a", SHAPE), _float("b", shape, constant)], _float("y", SHAPE), **fused)
    return _trial(draw, data, SHAPE)


def _pool(builtin: str, draw: Draw) -> Trial:
    stride = draw.pick(1, 2)
    data = single(
        builtin, [_float("x", (1, 8, 8, 4))], _float("y", (1, 8 // stride, 8 // stride, 4)), filterHeight=3,
        filterWidth=2, strideH=stride, strideW=stride, fusedActivationFunction=draw.pick(*ACTIVATIONS.values()),
    )  # fmt: skip
    return _trial(draw, data, (1, 8, 8, 4))


def _reduction(builtin: str, draw: Draw) -> Trial:
    axes = TensorSpec("axes", (2,), "int32", data=np.array([1, 2], np.int32))
    data = single(builtin, [_float("x", (1, 8, 8, 4)), axes], _float("y", (1, 1, 1, 4)), keepDims=True)
    trial = _trial(draw, data, (1, 8, 8, 4))
    if builtin == "REDUCE_PROD":
        # Of 64 numbers, which float32 holds where they are near one.
        signs = draw.rng.choice(np.array([-1, 1], np.float32), (1, 8, 8, 4))
        trial.sets = [[signs * np.exp(0.1 * np.tanh(x))] for (x,) in trial.sets]
    return trial


def _layer(builtin: str, dynamic: bool, draw: Draw) -> Trial:
    """Weights as they are, or int8 with scales over many magnitudes, which the oracle has expanded."""
    shape, weights, out, axis = {
        "CONV_2D": ((1, 6, 8, 4), (5, 3, 3, 4), (1, 6, 8, 5), 0),
        "DEPTHWISE_CONV_2D": ((1, 6, 8, 4), (1, 3, 3, 4), (1, 6, 8, 4), 3),
        "FULLY_CONNECTED": ((1, 24), (6, 24), (1, 6), 0),
        "TRANSPOSE_CONV": ((1, 4, 5, 4), (5, 3, 3, 4), (1, 8, 10, 5), 0),
    }[builtin]
    # A bound of 1 or 6 hides how large the sums are, to which their rounding is in proportion.
    options: dict[str, int] = {"fusedActivationFunction": draw.pick(ACTIVATIONS["none"], ACTIVATIONS["relu"])}
    if builtin != "FULLY_CONNECTED":
        options |= {"strideH": 1, "strideW": 1}
    if builtin == "DEPTHWISE_CONV_2D":
        options |= {"depthMultiplier": 1}
    leading = []
    if builtin == "TRANSPOSE_CONV":
        options |= {"strideH": 2, "strideW": 2}
        leading = [TensorSpec("shape", (4,), "int32", data=np.array(out, np.int32))]
    channels = out[-1]
    bias = _float("b", (channels,), _values(draw, (channels,)))
    x, y, data = _float("x", shape), _float("y", out), _values(draw, weights)

    def model(kernel: TensorSpec) -> bytes:
        operands = [*leading, kernel, x, bias] if leading else [x, kernel, bias]
        return single(builtin, operands, y, **options)

    if not dynamic:
        return _trial(draw, model(_float("w", weights, data)), shape)
    scales = tuple(draw.scale(-9, -3) for _ in range(draw.pick(1, channels)))
    raw = draw.rng.integers(-127, 128, size=weights).astype(np.int8)
    along = [len(scales) if i == axis else 1 for i in range(len(weights))]
    expanded = raw.astype(np.float32) * np.array(scales, np.float32).reshape(along)
    stored = TensorSpec("w", weights, "int8", scales, 0, axis, raw)
    return _trial(draw, model(stored), shape, model(_float("w", weights, expanded)))


@family("RESIZE_BILINEAR", name="RESIZE_BILINEAR, float32", dtypes=FLOAT)
def resize(draw: Draw) -> Trial:
    size = (draw.pick(3, 4, 8, 12), draw.pick(2, 5, 10))
    option = draw.pick({}, {"alignCorners": True}, {"halfPixelCenters": True})
    stated = TensorSpec("size", (2,), "int32", data=np.array(size, np.int32))
    shape = (1, 4, 5, 3)
    data = single("RESIZE_BILINEAR", [_float("x", shape), stated], _float("y", (1, *size, 3)), **option)
    return _trial(draw, data, shape)


@family("BATCH_MATMUL", name="BATCH_MATMUL, float32", dtypes=FLOAT)
def matmul(draw: Draw) -> Trial:
    depth, width, across = draw.pick(1, 3, 8, 65), draw.pick(1, 2, 4, 7), draw.chance(0.5)
    shape = (1, depth, 3) if across else (1, 3, depth)
    other = _float("b", (depth, width), _values(draw, (depth, width)))
    data = single("BATCH_MATMUL", [_float("a", shape), other], _float("y", (1, 3, width)), adjX=across)
    return _trial(draw, data, shape)


for _make, _builtins in ((_unary, UNARY), (_binary, BINARY), (_pool, POOLS), (_reduction, REDUCTIONS)):
    for _builtin in _builtins:
        family(_builtin, name=f"{_builtin}, float32", dtypes=FLOAT)(functools.partial(_make, _builtin))
for _builtin in LAYERS:
    family(_builtin, name=f"{_builtin}, float32", dtypes=FLOAT)(functools.partial(_layer, _builtin, False))
    family(_builtin, name=f"{_builtin}, dynamic range", dtypes=FLOAT)(
        functools.partial(_layer, _builtin, True)
    )
