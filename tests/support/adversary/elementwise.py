# SPDX-License-Identifier: Apache-2.0
"""Families of operators that requantize element by element."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ascmcu.ir.types import Array
from ascmcu.ops import _scales
from ascmcu.ops._fixed import (
    I64,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    scale_once,
)
from tests.support.adversary.arithmetic import Draw, Formula, Trial, clamps, competing, flat, formulas, single
from tests.support.adversary.families import family
from tests.support.tflite_builder import OperatorSpec, TensorSpec, build

# Four rows of sixteen columns and four channels: every value of 8 bits once.
SHAPE = (1, 4, 16, 4)
PER_CHANNEL = (1, 1, 1, 4)
ACTIVATIONS = {"none": 0, "relu": 1, "relu_n1_to_1": 2, "relu6": 3}


def activation(draw: Draw) -> str:
    """A fused activation, none half of the time."""
    return str(draw.pick("none", "none", "none", *ACTIVATIONS))


def _unary(
    draw: Draw,
    builtin: str,
    compute: Callable[[Formula, I64, float, float], I64],
    precision: str,
    kind: str = "none",
) -> Trial:
    """An operator on one tensor; ``compute`` gets a formula, x − zero point, and the two scales."""
    sets, zero, scale = draw.sets(SHAPE), draw.zero_point(), draw.scale()
    centred = flat(sets) - zero
    out_scale, out_zero = draw.output_scale(scale, centred, kind), draw.zero_point()
    tensors = draw.tensor("x", SHAPE, scale, zero), draw.tensor("y", SHAPE, out_scale, out_zero)
    answers = competing(
        lambda f: compute(f, centred, scale, out_scale),
        formulas(precision, "twice"),
        clamps(kind, out_scale, out_zero, draw.dtype),
        out_zero,
    )
    return Trial(single(builtin, [tensors[0]], tensors[1]), sets, answers)


def _rescale(f: Formula, centred: I64, scale: float, over: float) -> I64:
    return f(centred, scale, over=over)


@family("RELU")
def relu(draw: Draw) -> Trial:
    return _unary(draw, "RELU", _rescale, "float32", "relu")


@family("RELU6")
def relu6(draw: Draw) -> Trial:
    return _unary(draw, "RELU6", _rescale, "float32", "relu6")


@family("RELU_N1_TO_1")
def relu_n1_to_1(draw: Draw) -> Trial:
    return _unary(draw, "RELU_N1_TO_1", _rescale, "float32", "relu_n1_to_1")


@family("ABS")
def absolute(draw: Draw) -> Trial:
    return _unary(draw, "ABS", lambda f, x, scale, over: f(np.abs(x), scale, over=over), "float32")


@family("LEAKY_RELU")
def leaky_relu(draw: Draw) -> Trial:
    """Slopes of either sign, and beyond one."""
    sets, zero, scale = draw.sets(SHAPE), draw.zero_point(), draw.scale()
    alpha = draw.pick(draw.scale(-6, 0), draw.scale(-6, 0), -draw.scale(-6, 1), draw.scale(0, 3))
    centred = flat(sets) - zero
    below = centred[centred < 0]
    product = _scales.single(scale, alpha) if draw.chance(0.7) else scale
    out_scale, out_zero = draw.tie(product, below), draw.zero_point()

    def compute(f: Formula) -> I64:
        negative = f(centred, scale, abs(alpha), over=out_scale) * (-1 if alpha < 0 else 1)
        return np.where(centred >= 0, f(centred, scale, over=out_scale), negative)

    bounds = clamps("none", out_scale, out_zero, draw.dtype)
    answers = competing(compute, formulas("float32", "twice", factors=2), bounds, out_zero)
    claimed = Formula("float32", "twice")
    signed = np.where(
        centred >= 0, claimed(centred, scale, over=out_scale), claimed(centred, scale, alpha, over=out_scale)
    )
    answers["a signed multiplier"] = np.clip(signed + out_zero, *draw.dtype.integer_range)
    x, y = draw.tensor("x", SHAPE, scale, zero), draw.tensor("y", SHAPE, out_scale, out_zero)
    return Trial(single("LEAKY_RELU", [x], y, alpha=alpha), sets, answers)


def _constant(draw: Draw, name: str) -> tuple[TensorSpec, I64]:
    """A constant operand, per channel, of one value or whole; and its centred values."""
    shape = draw.pick(PER_CHANNEL, PER_CHANNEL, SHAPE, (1, 1, 1, 1))
    scale, zero, data = draw.scale(), draw.zero_point(), draw.values(shape)
    return draw.tensor(name, shape, scale, zero, data=data), data.astype(np.int64) - zero


@family("SQUARED_DIFFERENCE", dtypes=("int8",))
def squared_difference(draw: Draw) -> Trial:
    """Both operands to a common scale of seven more bits, the square of their difference to the output's."""
    sets, zero, scale = draw.sets(SHAPE), draw.zero_point(), draw.scale()
    other, b = _constant(draw, "b")
    a, scales = flat(sets) - zero, (scale, other.scales[0])
    largest = 2.0 * max(scales)
    real = (a * scales[0] - b * scales[1]) ** 2
    out_scale, out_zero = draw.tie(1.0, real), draw.zero_point()
    out_scale = float(np.float32(max(out_scale, largest * largest * 2.0**-13)))

    def compute(f: Formula) -> I64:
        left, right = (f(v << 7, s, over=largest) for v, s in zip((a, b), scales, strict=True))
        return f((left - right) ** 2, largest, largest, over=(1 << 14) * out_scale)

    answers = competing(
        compute,
        formulas("float64", "twice", factors=2),
        clamps("none", out_scale, out_zero, draw.dtype),
        out_zero,
    )
    direct = scale_once(real, 1.0 / out_scale)
    answers["the square in double precision"] = np.clip(direct + out_zero, *draw.dtype.integer_range)
    x, y = draw.tensor("a", SHAPE, scale, zero), draw.tensor("y", SHAPE, out_scale, out_zero)
    return Trial(single("SQUARED_DIFFERENCE", [x, other], y), sets, answers)


@family("MUL")
def mul(draw: Draw) -> Trial:
    sets, zero, scale = draw.sets(SHAPE), draw.zero_point(), draw.scale()
    other, factor = _constant(draw, "b")
    product = (flat(sets) - zero) * factor
    kind = activation(draw)
    both = (scale, other.scales[0])
    out_scale, out_zero = draw.output_scale(_scales.single(*both), product, kind), draw.zero_point()
    answers = competing(
        lambda f: f(product, *both, over=out_scale),
        formulas("float32", "twice", factors=2),
        clamps(kind, out_scale, out_zero, draw.dtype),
        out_zero,
    )
    x, y = draw.tensor("a", SHAPE, scale, zero), draw.tensor("y", SHAPE, out_scale, out_zero)
    operands = [x, other] if draw.chance(0.5) else [other, x]
    if operands[0] is other:
        answers = _reordered(answers, product, (other.scales[0], scale), out_scale, out_zero, kind, draw)
    data = single("MUL", operands, y, fusedActivationFunction=ACTIVATIONS[kind])
    return Trial(data, sets, answers)


def _reordered(
    answers: dict[str, Array],
    product: I64,
    both: tuple[float, float],
    over: float,
    zero: int,
    kind: str,
    draw: Draw,
) -> dict[str, Array]:
    """The answers with the factors in the other order, which matters to ``quotient first`` alone."""
    bounds = clamps(kind, over, zero, draw.dtype)
    again = competing(
        lambda f: f(product, *both, over=over), formulas("float32", "twice", factors=2), bounds, zero
    )
    return answers | again


@family("PRELU")
def prelu(draw: Draw) -> Trial:
    """The slope of int16 is int8."""
    sets, zero, scale = draw.sets(SHAPE), draw.zero_point(), draw.scale()
    slope, alpha = _constant(Draw(draw.rng) if draw.name == "int16" else draw, "alpha")
    centred = flat(sets) - zero
    product = centred * alpha
    both = (scale, slope.scales[0])
    aim = (_scales.single(*both), product[centred < 0]) if draw.chance(0.7) else (scale, centred)
    out_scale = draw.tie(*aim)
    out_zero = draw.zero_point()

    def compute(f: Formula) -> I64:
        return np.where(centred >= 0, f(centred, scale, over=out_scale), f(product, *both, over=out_scale))

    bounds = clamps("none", out_scale, out_zero, draw.dtype)
    answers = competing(compute, formulas("float32", "twice", factors=2), bounds, out_zero)
    x, y = draw.tensor("x", SHAPE, scale, zero), draw.tensor("y", SHAPE, out_scale, out_zero)
    return Trial(single("PRELU", [x, slope], y), sets, answers)


@family("QUANTIZE", name="QUANTIZE, requantizing")
def requantize(draw: Draw) -> Trial:
    """Also from signed to unsigned and back."""
    sets, zero, scale = draw.sets(SHAPE), draw.zero_point(), draw.scale()
    centred = flat(sets) - zero
    to = draw if draw.name == "int16" else Draw(draw.rng, draw.pick("int8", "uint8"))
    same = draw.chance(0.1)
    out_scale, out_zero = (scale if same else to.tie(scale, centred)), to.zero_point()
    answers = competing(
        lambda f: f(centred, scale, over=out_scale),
        formulas("float64", "twice"),
        clamps("none", out_scale, out_zero, to.dtype),
        out_zero,
    )
    x, y = draw.tensor("x", SHAPE, scale, zero), to.tensor("y", SHAPE, out_scale, out_zero)
    return Trial(single("QUANTIZE", [x], y), sets, answers)


_SHIFT = {"int8": 20, "uint8": 20, "int16": 15}


def _combined(
    f: Formula, a: I64, b: I64, scales: tuple[float, float], over: float, shift: int, sign: int
) -> I64:
    """ADD's steps: both operands to a common scale, their sum to the output's."""
    twice = 2.0 * max(scales)
    common = [f(v << shift, s, over=twice) for v, s in zip((a, b), scales, strict=True)]
    return f(common[0] + sign * common[1], twice, over=(1 << shift) * over)


def _sum(draw: Draw, builtin: str, sign: int) -> Trial:
    sets, zero, scale = draw.sets(SHAPE), draw.zero_point(), draw.scale()
    other, b = _constant(draw, "b")
    a, scales = flat(sets) - zero, (scale, other.scales[0])
    kind, shift = activation(draw), _SHIFT[draw.name]
    real, largest = a * scales[0] + sign * b * scales[1], max(scales)
    out_scale = draw.output_scale(largest, real / largest, kind)
    out_scale = max(out_scale, largest * 2.0 ** (2 - shift))
    out_zero = draw.zero_point()
    bounds = clamps(kind, out_scale, out_zero, draw.dtype)
    answers = competing(
        lambda f: _combined(f, a, b, scales, out_scale, shift, sign),
        formulas("float64", "twice"),
        bounds,
        out_zero,
    )
    direct = scale_once(real, 1.0 / out_scale)
    answers["the sum in double precision"] = np.clip(direct + out_zero, *bounds["float32"])
    x, y = draw.tensor("a", SHAPE, scale, zero), draw.tensor("y", SHAPE, out_scale, out_zero)
    data = single(builtin, [x, other], y, fusedActivationFunction=ACTIVATIONS[kind])
    return Trial(data, sets, answers)


@family("ADD")
def add(draw: Draw) -> Trial:
    return _sum(draw, "ADD", 1)


@family("SUB")
def sub(draw: Draw) -> Trial:
    return _sum(draw, "SUB", -1)


@family("MUL", "ADD", name="MUL + ADD, one step")
def scale_shift(draw: Draw) -> Trial:
    """What ``fuse_scale_shift`` joins: a factor and an offset per channel."""
    sets, zero, scale = draw.sets(SHAPE), draw.zero_point(), draw.scale()
    factor, offset = (
        draw.tensor(n, PER_CHANNEL, draw.scale(), draw.zero_point(), data=draw.values(PER_CHANNEL))
        for n in "fo"
    )
    product = (flat(sets) - zero) * (factor.data.astype(np.int64) - factor.zero_point)
    both = (scale, factor.scales[0])
    middle, middle_zero = draw.tie(_scales.single(*both), product), draw.zero_point()
    out_scale, out_zero = draw.scale(-6, 2) * max(middle, offset.scales[0]), draw.zero_point()
    out_scale = float(np.float32(out_scale))
    low, high = draw.dtype.integer_range
    shifted, doubled = offset.data.astype(np.int64) - offset.zero_point, Formula("float64", "twice")

    def compute(f: Formula) -> I64:
        a = np.clip(f(product, *both, over=middle) + middle_zero, low, high) - middle_zero
        return _combined(doubled, a, shifted, (middle, offset.scales[0]), out_scale, _SHIFT[draw.name], 1)

    answers = competing(compute, formulas("float32", "twice", factors=2), {"none": (low, high)}, out_zero)
    tensors = [
        draw.tensor("x", SHAPE, scale, zero), factor, draw.tensor("m", SHAPE, middle, middle_zero), offset,
        draw.tensor("y", SHAPE, out_scale, out_zero),
    ]  # fmt: skip
    operators = [OperatorSpec("MUL", [0, 1], [2]), OperatorSpec("ADD", [2, 3], [4])]
    return Trial(build(tensors, operators, [0], [4]), sets, answers)


@family("LEAKY_RELU", "ABS", "QUANTIZE", name="LEAKY_RELU + ABS + QUANTIZE, one table")
def composed(draw: Draw) -> Trial:
    """What ``unary_to_lookup`` and ``compose_lookups`` make one table."""
    sets, zero, scale = draw.sets(SHAPE), draw.zero_point(), draw.scale()
    alpha, centred = draw.scale(-4, 0), flat(sets) - zero
    low, high = draw.dtype.integer_range
    scales, zeros = [scale], [zero]
    for _ in range(3):
        scales.append(draw.tie(scales[-1], np.arange(1, high - low)))
        zeros.append(draw.zero_point())

    def compute(f: Formula) -> I64:
        leaky = np.where(
            centred >= 0, f(centred, scale, over=scales[1]), f(centred, scale, alpha, over=scales[1])
        )
        leaky = np.clip(leaky + zeros[1], low, high) - zeros[1]
        magnitude = np.clip(f(np.abs(leaky), scales[1], over=scales[2]) + zeros[2], low, high) - zeros[2]
        return multiply_by_quantized_multiplier(magnitude, *quantize_multiplier(scales[2] / scales[3]))

    answers = competing(compute, formulas("float32", "twice", factors=2), {"none": (low, high)}, zeros[3])
    tensors = [draw.tensor(f"t{i}", SHAPE, s, z) for i, (s, z) in enumerate(zip(scales, zeros, strict=True))]
    operators = [
        OperatorSpec("LEAKY_RELU", [0], [1], {"alpha": alpha}),
        OperatorSpec("ABS", [1], [2]),
        OperatorSpec("QUANTIZE", [2], [3]),
    ]
    return Trial(build(tensors, operators, [0], [3]), sets, answers)
