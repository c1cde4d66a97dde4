# SPDX-License-Identifier: Apache-2.0
"""A recipe as a flatbuffer written here: no converter stands between the operators and their odd quantizations."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ascmcu.ir.types import Array
from tests.support.recipes import Attributes, Recipe
from tests.support.tflite_builder import OperatorSpec, TensorSpec, build

_ACTIVATIONS = {"none": 0, "relu": 1, "relu_n1_to_1": 2, "relu6": 3}
# Random integers have about this standard deviation; scales are chosen such that it stays so, by and large.
_SPREAD = 60.0


@dataclass(frozen=True)
class Quant:
    """Per-tensor quantization."""

    scale: float
    zero_point: int


class Flat:
    """Tensors and operators under construction; values are tensor indices."""

    def __init__(self, recipe: Recipe) -> None:
        self.rng = np.random.default_rng(recipe.seed)
        self.tensors: list[TensorSpec] = []
        self.operators: list[OperatorSpec] = []

    def tensor(self, shape: Any, quant: Quant | None, dtype: str = "int8") -> int:
        scales = (float(np.float32(quant.scale)),) if quant else ()
        zero_point = quant.zero_point if quant else 0
        name = f"t{len(self.tensors)}"
        self.tensors.append(TensorSpec(name, tuple(int(d) for d in shape), dtype, scales, zero_point))
        return len(self.tensors) - 1

    def const(self, data: Any, scales: tuple[float, ...] = (), zero_point: int = 0, axis: int = 0) -> int:
        array = np.array(data)
        array = array.astype(np.int32) if array.dtype == np.int64 else array
        name, dtype = f"t{len(self.tensors)}", str(array.dtype)
        self.tensors.append(TensorSpec(name, tuple(array.shape), dtype, scales, zero_point, axis, array))
        return len(self.tensors) - 1

    def operator(self, builtin: str, inputs: list[int], output: int, **options: Any) -> int:
        self.operators.append(OperatorSpec(builtin, inputs, [output], options))
        return output

    def shape(self, value: int) -> tuple[int, ...]:
        return self.tensors[value].shape

    def quant(self, value: int) -> Quant:
        return Quant(self.tensors[value].scales[0], self.tensors[value].zero_point)

    def about(self, deviation: float) -> Quant:
        """A quantization in which values of this standard deviation fill the range more or less."""
        spread = _SPREAD * float(self.rng.uniform(0.6, 1.6))
        return Quant(max(deviation, 1e-6) / spread, int(self.rng.integers(-128, 128)))

    def deviation(self, value: int) -> float:
        return self.quant(value).scale * _SPREAD

    def requantized(self, value: int, quant: Quant) -> int:
        """The value in another quantization, through a QUANTIZE if need be."""
        if self.quant(value) == quant:
            return value
        return self.operator("QUANTIZE", [value], self.tensor(self.shape(value), quant))


def make(recipe: Recipe) -> bytes:
    """The file's bytes."""
    flat = Flat(recipe)
    entry = flat.tensor(recipe.shape, flat.about(1.0))
    first = len(flat.tensors) - 1
    if recipe.interface != "int8":
        quant = flat.quant(entry)
        ends = None if recipe.interface == "float32" else Quant(quant.scale, quant.zero_point + 128)
        first = flat.tensor(recipe.shape, ends, recipe.interface)
        flat.operator("QUANTIZE", [first], entry)
    values = [entry]
    for step in recipe.steps:
        made = _LAYERS[step.kind](flat, [values[i] for i in step.inputs], step.attributes)
        values += made if isinstance(made, list) else [made]
    outputs = [_exit(flat, values[i], recipe.interface) for i in recipe.outputs()]
    return build(flat.tensors, flat.operators, [first], outputs)


def _exit(flat: Flat, value: int, interface: str) -> int:
    if interface == "float32":
        return flat.operator("DEQUANTIZE", [value], flat.tensor(flat.shape(value), None, "float32"))
    if interface == "uint8":
        quant = flat.quant(value)
        end = flat.tensor(flat.shape(value), Quant(quant.scale, quant.zero_point + 128), "uint8")
        return flat.operator("QUANTIZE", [value], end)
    return value


# ---- Layers with weights ----


def _weights(flat: Flat, x: int, data: Array, axis: int, dead: int) -> tuple[int, int, float]:
    """Weights, bias and the accumulators' standard deviation in real numbers."""
    channels = data.shape[axis]
    lines = np.moveaxis(data, axis, 0)
    bias = flat.rng.integers(-3000, 3000, size=channels).astype(np.int32)
    for channel in flat.rng.permutation(channels)[: dead * channels // 4 + (dead > 0)]:
        # All-zero weights give a constant; a huge bias saturates, which is a constant too.
        fate = flat.rng.integers(0, 3)
        if fate < 2:
            lines[channel] = 0
            bias[channel] *= fate
        else:
            bias[channel] = flat.rng.choice([-1, 1]) * (1 << 24)
    per_axis = bool(flat.rng.integers(0, 3))
    scales = tuple(
        float(np.float32(s)) for s in flat.rng.uniform(0.001, 0.02, size=channels if per_axis else 1)
    )
    taps = data.size / channels
    deviation = math.sqrt(taps) * _SPREAD * flat.deviation(x) * float(np.mean(scales))
    bias_scales = tuple(float(np.float32(s * flat.quant(x).scale)) for s in scales)
    return (
        flat.const(data, scales, 0, axis if per_axis else 0),
        flat.const(bias, bias_scales),
        deviation,
    )


def _random(flat: Flat, *shape: int) -> Array:
    return flat.rng.integers(-127, 128, size=shape).astype(np.int8)


def _window_options(a: Attributes) -> dict[str, Any]:
    options = {
        "strideH": a["stride"][0],
        "strideW": a["stride"][1],
        "padding": 0 if a["same"] else 1,
        "fusedActivationFunction": _ACTIVATIONS[a["act"]],
    }
    if "dilation" in a:
        options |= {"dilationHFactor": a["dilation"][0], "dilationWFactor": a["dilation"][1]}
    return options


def _conv(flat: Flat, xs: list[int], a: Attributes) -> int:
    shape, w = (
        flat.shape(xs[0]),
        _random(flat, a["channels"], *a["kernel"], flat.shape(xs[0])[3] // a["groups"]),
    )
    weights, bias, deviation = _weights(flat, xs[0], w, 0, a["dead"])
    y = flat.tensor(_window(shape, a, a["channels"]), flat.about(deviation))
    return flat.operator("CONV_2D", [xs[0], weights, bias], y, **_window_options(a))


def _depthwise(flat: Flat, xs: list[int], a: Attributes) -> int:
    channels = flat.shape(xs[0])[3] * a["multiplier"]
    weights, bias, deviation = _weights(flat, xs[0], _random(flat, 1, *a["kernel"], channels), 3, a["dead"])
    y = flat.tensor(_window(flat.shape(xs[0]), a, channels), flat.about(deviation))
    options = {**_window_options(a), "depthMultiplier": a["multiplier"]}
    return flat.operator("DEPTHWISE_CONV_2D", [xs[0], weights, bias], y, **options)


def _window(shape: tuple[int, ...], a: Attributes, channels: int) -> tuple[int, ...]:
    from tests.support.recipes import _window_shape

    return _window_shape([shape], a, channels)[0]


def _pool(flat: Flat, xs: list[int], a: Attributes, builtin: str) -> int:
    y = flat.tensor(_window(flat.shape(xs[0]), a, flat.shape(xs[0])[3]), flat.quant(xs[0]))
    options = {**_window_options(a), "filterHeight": a["kernel"][0], "filterWidth": a["kernel"][1]}
    return flat.operator(builtin, [xs[0]], y, **options)


def _dense(flat: Flat, xs: list[int], a: Attributes) -> int:
    x = xs[0]
    if a["flatten"]:
        x = _reshape(flat, x, (1, math.prod(flat.shape(x))))
    weights, bias, deviation = _weights(flat, x, _random(flat, a["units"], flat.shape(x)[-1]), 0, a["dead"])
    y = flat.tensor((*flat.shape(x)[:-1], a["units"]), flat.about(deviation))
    options = {"fusedActivationFunction": _ACTIVATIONS[a["act"]], "keepNumDims": len(flat.shape(x)) > 2}
    return flat.operator("FULLY_CONNECTED", [x, weights, bias if a["bias"] else -1], y, **options)


def _transpose_conv(flat: Flat, xs: list[int], a: Attributes) -> int:
    from tests.support.recipes import _upsampled

    shape = _upsampled([flat.shape(xs[0])], a)[0]
    w = _random(flat, a["channels"], *a["kernel"], flat.shape(xs[0])[3])
    weights, bias, deviation = _weights(flat, xs[0], w, 0, a["dead"])
    size = flat.const(np.array(shape))
    options = {"strideH": a["stride"][0], "strideW": a["stride"][1], "padding": 0 if a["same"] else 1}
    y = flat.tensor(shape, flat.about(deviation))
    return flat.operator("TRANSPOSE_CONV", [size, weights, xs[0], bias], y, **options)


def _matmul(flat: Flat, xs: list[int], a: Attributes) -> int:
    rows = flat.shape(xs[1])[-2]
    deviation = math.sqrt(flat.shape(xs[0])[-1]) * flat.deviation(xs[0]) * flat.deviation(xs[1])
    y = flat.tensor((*flat.shape(xs[0])[:-1], rows), flat.about(deviation))
    return flat.operator("BATCH_MATMUL", xs, y, adjX=False, adjY=True)


# ---- Reductions and two operands ----


def _reduce(flat: Flat, xs: list[int], a: Attributes, builtin: str) -> int:
    shape = [
        1 if i in a["axes"] else d for i, d in enumerate(flat.shape(xs[0])) if a["keep"] or i not in a["axes"]
    ]
    count = math.prod(flat.shape(xs[0])[i] for i in a["axes"])
    factor = {"MEAN": 1 / math.sqrt(count), "SUM": math.sqrt(count), "REDUCE_MAX": 1.0}[builtin]
    quant = flat.quant(xs[0]) if builtin == "REDUCE_MAX" else flat.about(flat.deviation(xs[0]) * factor)
    axes = flat.const(np.array(a["axes"]))
    return flat.operator(builtin, [xs[0], axes], flat.tensor(shape, quant), keepDims=a["keep"])


def _operands(flat: Flat, xs: list[int], a: Attributes) -> list[int]:
    if len(xs) > 1:
        return xs
    quant = flat.about(flat.deviation(xs[0]) * float(flat.rng.uniform(0.2, 2)))
    other = flat.const(_random(flat, *a["const"]), (float(np.float32(quant.scale)),), quant.zero_point)
    return [other, xs[0]] if a["const_first"] else [xs[0], other]


def _binary(flat: Flat, xs: list[int], a: Attributes, builtin: str) -> int:
    operands = _operands(flat, xs, a)
    p, q = (flat.deviation(v) for v in operands)
    if builtin == "SELECT_V2":
        return _where(flat, operands)
    if builtin in ("MAXIMUM", "MINIMUM"):
        quant = flat.quant(operands[0])
        operands = [_forced(flat, v, quant) for v in operands]
    else:
        real = {"MUL": p * q, "SQUARED_DIFFERENCE": p * p + q * q}.get(builtin, math.hypot(p, q))
        quant = flat.about(real)
    shape = np.broadcast_shapes(*(flat.shape(v) for v in operands))
    options = {"fusedActivationFunction": _ACTIVATIONS[a["act"]]} if "act" in a else {}
    return flat.operator(builtin, operands, flat.tensor(shape, quant), **options)


def _where(flat: Flat, operands: list[int]) -> int:
    """The greater of both by a mask: GREATER and SELECT_V2."""
    quant = flat.quant(operands[0])
    a, b = (_forced(flat, v, quant) for v in operands)
    shape = np.broadcast_shapes(flat.shape(a), flat.shape(b))
    mask = flat.operator("GREATER", [a, b], flat.tensor(shape, None, "bool"))
    return flat.operator("SELECT_V2", [mask, a, b], flat.tensor(shape, quant))


def _forced(flat: Flat, value: int, quant: Quant) -> int:
    spec = flat.tensors[value]
    if spec.data is None:
        return flat.requantized(value, quant)
    spec.scales, spec.zero_point = (quant.scale,), quant.zero_point
    return value


def _prelu(flat: Flat, xs: list[int], a: Attributes) -> int:
    slope = flat.const(_random(flat, *a["slope"]), (0.01,), int(flat.rng.integers(-20, 20)))
    return flat.operator(
        "PRELU", [xs[0], slope], flat.tensor(flat.shape(xs[0]), flat.about(flat.deviation(xs[0])))
    )


# ---- Element by element ----


def _unary(builtin: str, fixed: Quant | None = None, **options: Any) -> Any:
    def layer(flat: Flat, xs: list[int], a: Attributes) -> int:
        quant = fixed or flat.about(flat.deviation(xs[0]))
        if not fixed and builtin.startswith("RELU") and flat.rng.integers(0, 2):
            quant = flat.quant(xs[0])
        given = {**options, **{name: a[name] for name in ("alpha", "approximate") if name in a}}
        return flat.operator(builtin, [xs[0]], flat.tensor(flat.shape(xs[0]), quant), **given)

    return layer


# ---- Moving elements ----


def _same(flat: Flat, x: int, shape: Any, builtin: str, operands: list[Any], **options: Any) -> int:
    constants = [flat.const(np.array(o)) for o in operands]
    return flat.operator(builtin, [x, *constants], flat.tensor(shape, flat.quant(x)), **options)


def _reshape(flat: Flat, x: int, shape: Any) -> int:
    return _same(flat, x, shape, "RESHAPE", [np.array(shape)], newShape=np.array(shape, np.int32))


def _joined(flat: Flat, xs: list[int], shape: Any, builtin: str, **options: Any) -> int:
    quant = flat.quant(xs[0])
    parts = [flat.requantized(x, quant) for x in xs]
    return flat.operator(builtin, parts, flat.tensor(shape, quant), **options)


def _concat(flat: Flat, xs: list[int], a: Attributes) -> int:
    shapes, axis = [flat.shape(x) for x in xs], a["axis"]
    shape = (*shapes[0][:axis], sum(s[axis] for s in shapes), *shapes[0][axis + 1 :])
    return _joined(flat, xs, shape, "CONCATENATION", axis=axis)


def _pack(flat: Flat, xs: list[int], a: Attributes) -> int:
    shape = flat.shape(xs[0])
    made = (*shape[: a["axis"]], len(xs), *shape[a["axis"] :])
    return _joined(flat, xs, made, "PACK", axis=a["axis"], valuesCount=len(xs))


def _parts(
    flat: Flat, x: int, shapes: list[Any], builtin: str, inputs: list[int], **options: Any
) -> list[int]:
    outputs = [flat.tensor(s, flat.quant(x)) for s in shapes]
    flat.operators.append(OperatorSpec(builtin, inputs, outputs, options))
    return outputs


def _split(flat: Flat, xs: list[int], a: Attributes) -> list[int]:
    shape, axis, sizes = flat.shape(xs[0]), a["axis"], a["sizes"]
    shapes = [(*shape[:axis], n, *shape[axis + 1 :]) for n in sizes]
    where = flat.const(np.array(axis, np.int32))
    if len(set(sizes)) == 1:
        return _parts(flat, xs[0], shapes, "SPLIT", [where, xs[0]], numSplits=len(sizes))
    return _parts(
        flat, xs[0], shapes, "SPLIT_V", [xs[0], flat.const(np.array(sizes)), where], numSplits=len(sizes)
    )


def _unpack(flat: Flat, xs: list[int], a: Attributes) -> list[int]:
    shape, axis = flat.shape(xs[0]), a["axis"]
    shapes = [(*shape[:axis], *shape[axis + 1 :])] * shape[axis]
    return _parts(flat, xs[0], shapes, "UNPACK", [xs[0]], num=shape[axis], axis=axis)


def _strided(flat: Flat, xs: list[int], a: Attributes) -> int:
    # A negative stride that runs past the front has no end that an integer can name.
    shape = flat.shape(xs[0])
    axes = list(zip(a["begin"], a["end"], a["strides"], shape, strict=True))
    sizes = [len(range(*slice(b, e, s).indices(d))) for b, e, s, d in axes]
    made = [n for k, n in enumerate(sizes) if k not in a["shrink"]]
    mask = sum(1 << k for k in a["shrink"])
    operands = [a["begin"], a["end"], a["strides"]]
    return _same(flat, xs[0], made, "STRIDED_SLICE", operands, shrinkAxisMask=mask)


def _pad(flat: Flat, xs: list[int], a: Attributes, builtin: str) -> int:
    shape = [d + p + q for d, (p, q) in zip(flat.shape(xs[0]), a["paddings"], strict=True)]
    if builtin == "MIRROR_PAD":
        return _same(flat, xs[0], shape, builtin, [a["paddings"]], mode=int(a["mode"] == "SYMMETRIC"))
    y = flat.tensor(shape, flat.quant(xs[0]))
    inputs = [xs[0], flat.const(np.array(a["paddings"]))]
    if builtin == "PADV2":
        quant = flat.quant(xs[0])
        inputs.append(flat.const(_random(flat, 1), (quant.scale,), quant.zero_point))
    return flat.operator(builtin, inputs, y)


def _resize(flat: Flat, xs: list[int], a: Attributes) -> int:
    shape = (flat.shape(xs[0])[0], *a["size"], flat.shape(xs[0])[3])
    options = {
        "alignCorners": a["ends"] == "align_corners",
        "halfPixelCenters": a["ends"] == "half_pixel_centers",
    }
    builtin = "RESIZE_NEAREST_NEIGHBOR" if a["nearest"] else "RESIZE_BILINEAR"
    return _same(flat, xs[0], shape, builtin, [a["size"]], **options)


def _blocks(flat: Flat, xs: list[int], a: Attributes, builtin: str) -> int:
    from tests.support.recipes import _deepened, _spaced

    shape = (_spaced if builtin == "SPACE_TO_DEPTH" else _deepened)([flat.shape(xs[0])], a)[0]
    return _same(flat, xs[0], shape, builtin, [], blockSize=a["block"])


_LAYERS: dict[str, Any] = {
    "conv": _conv,
    "depthwise": _depthwise,
    "average_pool": lambda f, xs, a: _pool(f, xs, a, "AVERAGE_POOL_2D"),
    "max_pool": lambda f, xs, a: _pool(f, xs, a, "MAX_POOL_2D"),
    "dense": _dense,
    "mean": lambda f, xs, a: _reduce(f, xs, a, "MEAN"),
    "sum": lambda f, xs, a: _reduce(f, xs, a, "SUM"),
    "reduce_max": lambda f, xs, a: _reduce(f, xs, a, "REDUCE_MAX"),
    "add": lambda f, xs, a: _binary(f, xs, a, "ADD"),
    "sub": lambda f, xs, a: _binary(f, xs, a, "SUB"),
    "mul": lambda f, xs, a: _binary(f, xs, a, "MUL"),
    "maximum": lambda f, xs, a: _binary(f, xs, a, "MAXIMUM"),
    "minimum": lambda f, xs, a: _binary(f, xs, a, "MINIMUM"),
    "prelu": _prelu,
    "relu": _unary("RELU"),
    "relu6": _unary("RELU6"),
    "relu_n1_to_1": _unary("RELU_N1_TO_1"),
    "logistic": _unary("LOGISTIC", Quant(1 / 256, -128)),
    "tanh": _unary("TANH", Quant(1 / 128, 0)),
    "softmax": _unary("SOFTMAX", Quant(1 / 256, -128), beta=1.0),
    "hard_swish": _unary("HARD_SWISH"),
    "abs": _unary("ABS"),
    "leaky_relu": _unary("LEAKY_RELU"),
    "requantize": _unary("QUANTIZE"),
    "exp": _unary("EXP"),
    "neg": _unary("NEG"),
    "gelu": _unary("GELU"),
    "log_softmax": _unary("LOG_SOFTMAX", Quant(16 / 256, 127)),
    "l2_normalization": _unary("L2_NORMALIZATION", Quant(1 / 128, 0)),
    "squared_difference": lambda f, xs, a: _binary(f, xs, a, "SQUARED_DIFFERENCE"),
    "where": lambda f, xs, a: _binary(f, xs, a, "SELECT_V2"),
    "matmul": _matmul,
    "transpose_conv": _transpose_conv,
    "space_to_depth": lambda f, xs, a: _blocks(f, xs, a, "SPACE_TO_DEPTH"),
    "depth_to_space": lambda f, xs, a: _blocks(f, xs, a, "DEPTH_TO_SPACE"),
    "resize": _resize,
    "tile": lambda f, xs, a: _same(
        f, xs[0], [d * n for d, n in zip(f.shape(xs[0]), a["multiples"], strict=True)], "TILE", [a["multiples"]]
    ),
    "reverse": lambda f, xs, a: _same(f, xs[0], f.shape(xs[0]), "REVERSE_V2", [[a["axis"]]]),
    "concat": _concat,
    "pack": _pack,
    "split": _split,
    "unpack": _unpack,
    "slice": lambda f, xs, a: _same(f, xs[0], a["size"], "SLICE", [a["begin"], a["size"]]),
    "strided_slice": _strided,
    "pad": lambda f, xs, a: _pad(f, xs, a, "PAD"),
    "padv2": lambda f, xs, a: _pad(f, xs, a, "PADV2"),
    "mirror_pad": lambda f, xs, a: _pad(f, xs, a, "MIRROR_PAD"),
    "reshape": lambda f, xs, a: _reshape(f, xs[0], a["shape"]),
    "expand_dims": lambda f, xs, a: _same(
        f, xs[0], (*f.shape(xs[0])[: a["axis"]], 1, *f.shape(xs[0])[a["axis"] :]), "EXPAND_DIMS", [[a["axis"]]]
    ),
    "squeeze": lambda f, xs, a: _same(
        f, xs[0], [d for k, d in enumerate(f.shape(xs[0])) if k not in a["axes"]], "SQUEEZE", [],
        squeezeDims=np.array(a["axes"], np.int32),
    ),
    "transpose": lambda f, xs, a: _same(
        f, xs[0], [f.shape(xs[0])[k] for k in a["permutation"]], "TRANSPOSE", [a["permutation"]]
    ),
}  # fmt: skip
