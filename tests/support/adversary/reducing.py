# SPDX-License-Identifier: Apache-2.0
"""Families of operators that sum before they requantize."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ascmcu.ir.types import Array
from ascmcu.ops import _scales
from ascmcu.ops._fixed import (
    I64,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    round_bounded,
    scale_once,
    wrap32,
)
from tests.support.adversary.arithmetic import Draw, Formula, Trial, clamps, competing, flat, formulas, single
from tests.support.adversary.elementwise import ACTIVATIONS, activation
from tests.support.adversary.families import family
from tests.support.tflite_builder import TensorSpec

AXES = TensorSpec("axes", (2,), "int32", data=np.array([1, 2], np.int32))


def _means(draw: Draw) -> tuple[list[list[Array]], int]:
    """Maps of few or many elements whose sums spread over all that they can be."""
    height, width, channels = draw.pick(1, 2, 3, 7, 16), draw.pick(1, 2, 5, 8, 13), 16
    low, high = draw.dtype.integer_range
    sets = []
    for _ in range(4):
        centre = draw.rng.integers(low, high + 1, size=channels)
        noise = draw.rng.integers(-9, 10, size=(1, height, width, channels))
        sets.append([np.clip(centre + noise, low, high).astype(draw.dtype.numpy)])
    return sets, height * width


@family("MEAN")
def mean(draw: Draw) -> Trial:
    sets, count = _means(draw)
    zero, scale, out_zero = draw.zero_point(), draw.scale(), draw.zero_point()
    acc = wrap32(flat(sets).sum(axis=(2, 3), keepdims=True) - zero * count)
    out_scale = draw.tie(scale / count, acc)
    low, high = draw.dtype.integer_range

    def folded(real: float) -> I64:
        multiplier, shift = quantize_multiplier(real)
        extra = min(count.bit_length() - 1, 32, 31 + shift)
        return multiply_by_quantized_multiplier(acc, (multiplier << extra) // count, shift - extra)

    ratio = _scales.double(scale, over=out_scale)
    found = {
        "1/count folded into the multiplier": folded(ratio),
        "float32 quotient": folded(_scales.single(scale, over=out_scale)),
        "scale over count first": multiply_by_quantized_multiplier(acc, *quantize_multiplier(ratio / count)),
        "double": scale_once(acc, ratio / count),
        "mean rounded before it is scaled": multiply_by_quantized_multiplier(
            scale_once(acc, 1 / count), *quantize_multiplier(ratio)
        ),
        "float32": round_bounded(acc.astype(np.float32) * np.float32(ratio) / np.float32(count)),
    }
    answers = {name: np.clip(v + out_zero, low, high) for name, v in found.items()}
    return Trial(_reduction(draw, "MEAN", sets, (scale, zero), (out_scale, out_zero)), sets, answers)


def _reduction(
    draw: Draw, builtin: str, sets: list[list[Array]], source: tuple[float, int], output: tuple[float, int]
) -> bytes:
    shape = sets[0][0].shape
    x, y = draw.tensor("x", shape, *source), draw.tensor("y", (1, 1, 1, shape[3]), *output)
    return single("MEAN" if builtin == "MEAN" else "SUM", [x, AXES], y, keepDims=True)


@family("SUM")
def total(draw: Draw) -> Trial:
    """LiteRT 2.3.0's BUILTIN_REF reads int8 and int16 as uint8 here: they are compared with its BUILTIN resolver."""
    sets, count = _means(draw)
    zero, scale, out_zero = draw.zero_point(), draw.scale(), draw.zero_point()
    raw = flat(sets).sum(axis=(2, 3), keepdims=True)
    out_scale = draw.tie(scale, wrap32(raw - zero * count))
    low, high = draw.dtype.integer_range
    ratio = np.float32(_scales.single(scale, over=out_scale))
    bias = np.float32(np.float32(np.float32(-zero) * ratio) * np.float32(count))
    wide = (raw - zero * count).astype(np.float64)
    found = {
        "float32": round_bounded(raw.astype(np.float32) * ratio + bias),
        "float32, centred first": round_bounded((raw - zero * count).astype(np.float32) * ratio),
        "float32, fused": round_bounded((raw * float(ratio) + float(bias)).astype(np.float32)),
        "double": scale_once(wide, scale / out_scale),
        "fixed point": multiply_by_quantized_multiplier(
            raw - zero * count, *quantize_multiplier(scale / out_scale)
        ),
    }
    if draw.name == "int16":
        # Without a zero point they are the same thing.
        del found["float32, centred first"], found["float32, fused"]
    claimed = "fixed point" if draw.name == "uint8" else "float32"
    found = {claimed: found[claimed]} | found
    answers = {name: np.clip(v + out_zero, low, high) for name, v in found.items()}
    resolver = "BUILTIN_REF" if draw.name == "uint8" else "BUILTIN_WITHOUT_DEFAULT_DELEGATES"
    data = _reduction(draw, "SUM", sets, (scale, zero), (out_scale, out_zero))
    return Trial(data, sets, answers, resolver=resolver)


def windows(x: I64, kernel: tuple[int, int], stride: int, same: bool, fill: int) -> I64:
    """(sets, 1, H, W, C) → (sets, 1, h, w, C, kernel_h, kernel_w), SAME padding as TFLite spreads it."""
    pads = [(0, 0), (0, 0)]
    for size, k in zip(x.shape[2:4], kernel, strict=True):
        need = max((math.ceil(size / stride) - 1) * stride + k - size, 0) if same else 0
        pads.append((need // 2, need - need // 2))
    padded = np.pad(x, [*pads, (0, 0)], constant_values=fill)
    return sliding_window_view(padded, kernel, axis=(2, 3))[:, :, ::stride, ::stride]


@family("AVERAGE_POOL_2D")
def average_pool(draw: Draw) -> Trial:
    """Sums on halves; the scale decides the clamp alone."""
    kernel, stride, same = (draw.pick(1, 2, 3, 8), draw.pick(1, 2, 4, 6)), draw.pick(1, 2), draw.chance(0.5)
    sets, kind, zero = draw.sets((1, 8, 8, 4)), activation(draw), draw.zero_point()
    scale = draw.output_scale(1.0, np.arange(1, 9), kind)
    x = flat(sets)
    total = windows(x, kernel, stride, same, 0).sum(axis=(5, 6))
    count = windows(np.ones_like(x), kernel, stride, same, 0).sum(axis=(5, 6))
    ways: dict[str, Callable[[], I64]] = {
        "halves away from zero": lambda: np.sign(total) * ((np.abs(total) + count // 2) // count),
        "halves up": lambda: (total + count // 2) // count,
        "halves to even": lambda: np.rint(total / count).astype(np.int64),
        "truncated": lambda: np.trunc(total / count).astype(np.int64),
        "floored": lambda: total // count,
    }
    bounds = clamps(kind, scale, zero, draw.dtype)
    answers = {name: np.clip(of(), *bounds["float32"]) for name, of in ways.items()}
    mean = ways["halves away from zero"]()
    answers |= {f"clamp {n}": np.clip(mean, *b) for n, b in bounds.items() if n != "float32"}
    return Trial(
        _pool(draw, "AVERAGE_POOL_2D", total.shape[1:], scale, zero, (kernel, stride, same, kind)),
        sets,
        answers,
    )


def _pool(
    draw: Draw,
    builtin: str,
    shape: tuple[int, ...],
    scale: float,
    zero: int,
    how: tuple[tuple[int, int], int, bool, str],
) -> bytes:
    kernel, stride, same, kind = how
    return single(
        builtin, [draw.tensor("x", (1, 8, 8, 4), scale, zero)], draw.tensor("y", shape, scale, zero),
        filterHeight=kernel[0], filterWidth=kernel[1], strideH=stride, strideW=stride,
        padding=0 if same else 1, fusedActivationFunction=ACTIVATIONS[kind],
    )  # fmt: skip


@family("MAX_POOL_2D")
def max_pool(draw: Draw) -> Trial:
    """The clamp alone."""
    kernel, stride, same = (draw.pick(1, 2, 3), draw.pick(1, 2, 4)), draw.pick(1, 2), draw.chance(0.5)
    kind, zero = str(draw.pick("relu", "relu6", "relu_n1_to_1")), draw.zero_point()
    sets, scale = draw.sets((1, 8, 8, 4)), draw.output_scale(1.0, np.arange(1, 9), kind)
    low = draw.dtype.integer_range[0]
    largest = windows(flat(sets), kernel, stride, same, low).max(axis=(5, 6))
    bounds = clamps(kind, scale, zero, draw.dtype)
    answers = {f"clamp {n}": np.clip(largest, *b) for n, b in bounds.items()}
    return Trial(
        _pool(draw, "MAX_POOL_2D", largest.shape[1:], scale, zero, (kernel, stride, same, kind)),
        sets,
        answers,
    )


def _weights(draw: Draw, shape: tuple[int, ...]) -> Array:
    """Random int8, or the largest there are; or all alike, whose sums come near the ends of what forms can hold."""
    if draw.chance(0.2):
        return np.full(shape, draw.pick(-127, 127, 64, 32), np.int8)
    if draw.chance(0.2):
        return draw.rng.choice([-127, 127], size=shape).astype(np.int8)
    return draw.rng.integers(-127, 128, size=shape).astype(np.int8)


def _bias(draw: Draw, channels: int) -> Array:
    """Small, or so large that accumulators come near the ends of what forms can hold (2²³, 2³¹)."""
    largest = int(draw.pick(0, 2000, 2000, 1 << 20, (1 << 23) - 1, 1 << 29))
    return draw.rng.integers(-largest, largest + 1, size=channels).astype(np.int32)


def _layer(
    draw: Draw, builtin: str, sets: list[list[Array]], weights: TensorSpec, sums: I64, zero: int, rounding: str,
    options: dict[str, int], shape: tuple[int, ...],
) -> Trial:  # fmt: skip
    """A layer from its sums of products (…, channels): per channel, or for all, scales close to a tie."""
    channels = sums.shape[-1]
    bias, kind = _bias(draw, channels), activation(draw)
    acc = wrap32(sums + bias)
    scale, own, out_zero = draw.scale(), draw.scale(-12, -4), draw.zero_point()
    # Ties anywhere, or at an end of what the accumulator reaches: few weights let the inputs get there.
    every = acc.reshape(-1, channels)
    aims = every if draw.chance(0.6) else np.stack([every.min(axis=0), every.max(axis=0)])
    if draw.chance(0.6):
        out_scale = float(np.float32(2.0 ** draw.rng.uniform(-7, 2)))
        # ``tie`` gives an output scale for a product; turned round, it gives the factor for an output scale.
        scales = tuple(
            draw.near(out_scale * out_scale / (draw.tie(out_scale, aims[:, c]) * scale))
            for c in range(channels)
        )
    else:
        out_scale = draw.output_scale(scale * own, aims, kind)
        scales = (own,)
    each = scales if len(scales) > 1 else scales * channels
    weights.scales = scales

    def compute(f: Formula) -> I64:
        columns = [f(acc[..., c], scale, each[c], over=out_scale) for c in range(channels)]
        return wrap32(np.stack(columns, axis=-1))

    answers = competing(
        compute,
        formulas("float64", rounding, factors=2),
        clamps(kind, out_scale, out_zero, draw.dtype),
        out_zero,
    )
    bias_type = "int64" if draw.name == "int16" else "int32"
    stated = TensorSpec(
        "b", (channels,), bias_type, tuple(scale * s for s in scales), 0, 0, bias.astype(bias_type)
    )
    x = draw.tensor("x", sets[0][0].shape, scale, zero)
    y = draw.tensor("y", shape, out_scale, out_zero)
    operands = [x, weights, stated]
    if builtin == "TRANSPOSE_CONV":
        operands = [TensorSpec("shape", (4,), "int32", data=np.array(shape, np.int32)), weights, x, stated]
    data = single(builtin, operands, y, fusedActivationFunction=ACTIVATIONS[kind], **options)
    return Trial(data, sets, answers)


def _window(draw: Draw) -> tuple[tuple[int, int], int, bool]:
    return draw.pick((1, 1), (1, 1), (3, 3), (3, 1), (1, 3)), draw.pick(1, 1, 2), draw.chance(0.5)


@family("CONV_2D")
def conv(draw: Draw) -> Trial:
    kernel, stride, same = _window(draw)
    depth, channels = draw.pick(1, 2, 4, 8), draw.pick(2, 4, 5, 8)
    return _convolution(draw, (6, 8, depth), (channels, *kernel, depth), stride, same)


@family("CONV_2D", name="CONV_2D of many pixels, kernels of three columns and more", dtypes=("int8",))
def wide_conv(draw: Draw) -> Trial:
    kernel, same, width = draw.pick((3, 3), (3, 3), (2, 4), (3, 7)), draw.chance(0.5), draw.pick(8, 16, 24)
    depth, channels = draw.pick(8, 12, 16), draw.pick(2, 6, 8)
    columns = width if same else width + kernel[1] - 1
    return _convolution(draw, (240 // width + 2, columns, depth), (channels, *kernel, depth), 1, same)


def _convolution(
    draw: Draw, shape: tuple[int, int, int], sizes: tuple[int, ...], stride: int, same: bool
) -> Trial:
    zero, sets, weights = draw.zero_point(), draw.sets((1, *shape)), _weights(draw, sizes)
    seen = windows(flat(sets) - zero, sizes[1:3], stride, same, 0)
    sums = np.einsum("snhwcyx,oyxc->snhwo", seen, weights.astype(np.int64))
    spec = TensorSpec("w", weights.shape, "int8", (), 0, 0, weights)
    options = {"padding": 0 if same else 1, "strideH": stride, "strideW": stride}
    return _layer(draw, "CONV_2D", sets, spec, sums, zero, "twice", options, sums.shape[1:])


@family("DEPTHWISE_CONV_2D")
def depthwise(draw: Draw) -> Trial:
    kernel, stride, same = _window(draw)
    channels, zero = draw.pick(1, 2, 4, 8), draw.zero_point()
    sets = draw.sets((1, 6, 8, channels))
    weights = _weights(draw, (1, *kernel, channels))
    seen = windows(flat(sets) - zero, kernel, stride, same, 0)
    sums = np.einsum("snhwcyx,yxc->snhwc", seen, weights[0].astype(np.int64))
    spec = TensorSpec("w", weights.shape, "int8", (), 0, 3, weights)
    options = {"padding": 0 if same else 1, "strideH": stride, "strideW": stride, "depthMultiplier": 1}
    return _layer(draw, "DEPTHWISE_CONV_2D", sets, spec, sums, zero, "twice", options, sums.shape[1:])


def _spread(x: I64, weights: I64, stride: int, same: bool) -> I64:
    """(sets, 1, H, W, I) by (O, kernel_h, kernel_w, I): each input pixel times all taps, added where they fall."""
    kernel = weights.shape[1:3]
    size = [(extent - 1) * stride + k for extent, k in zip(x.shape[2:4], kernel, strict=True)]
    full = np.zeros((*x.shape[:2], *(max(s, e * stride) for s, e in zip(size, x.shape[2:4], strict=True)),
                     len(weights)), np.int64)  # fmt: skip
    for ky, kx in np.ndindex(*kernel):
        rows = slice(ky, ky + (x.shape[2] - 1) * stride + 1, stride)
        columns = slice(kx, kx + (x.shape[3] - 1) * stride + 1, stride)
        full[:, :, rows, columns] += x @ weights[:, ky, kx].T
    if not same:
        return full[:, :, : size[0], : size[1]]
    tops = [max(k - stride, 0) // 2 for k in kernel]
    ends = [top + extent * stride for top, extent in zip(tops, x.shape[2:4], strict=True)]
    return full[:, :, tops[0] : ends[0], tops[1] : ends[1]]


@family("TRANSPOSE_CONV")
def transposed(draw: Draw) -> Trial:
    kernel, stride, same = draw.pick((2, 2), (3, 3), (4, 3), (3, 1)), draw.pick(1, 2, 2, 3), draw.chance(0.5)
    depth, channels, zero = draw.pick(1, 2, 4, 8), draw.pick(2, 4, 5), draw.zero_point()
    sets = draw.sets((1, 4, 5, depth))
    weights = _weights(draw, (channels, *kernel, depth))
    sums = _spread(flat(sets) - zero, weights.astype(np.int64), stride, same)
    spec = TensorSpec("w", weights.shape, "int8", (), 0, 0, weights)
    options = {"padding": 0 if same else 1, "strideH": stride, "strideW": stride}
    return _layer(draw, "TRANSPOSE_CONV", sets, spec, sums, zero, "twice", options, sums.shape[1:])


@family("FULLY_CONNECTED")
def dense(draw: Draw) -> Trial:
    depth, channels, zero = draw.pick(1, 3, 8, 64, 256, 1024), draw.pick(1, 2, 7, 16), draw.zero_point()
    sets = draw.sets((1, depth), 6)
    sets += [[np.full((1, depth), end, draw.dtype.numpy)] for end in draw.dtype.integer_range]
    weights = _weights(draw, (channels, depth))
    sums = (flat(sets) - zero) @ weights.astype(np.int64).T
    spec = TensorSpec("w", weights.shape, "int8", (), 0, 0, weights)
    return _layer(draw, "FULLY_CONNECTED", sets, spec, sums, zero, "double", {}, sums.shape[1:])


@family("BATCH_MATMUL")
def matmul(draw: Draw) -> Trial:
    """Both operands have zero points; the second one is constant."""
    depth, width, zero = draw.pick(1, 3, 8, 65), draw.pick(1, 2, 4, 7), draw.zero_point()
    sets, scale = draw.sets((1, 3, depth)), draw.scale()
    other = draw.tensor(
        "b", (1, width, depth), draw.scale(), draw.zero_point(), data=draw.values((1, width, depth))
    )
    right = other.data.astype(np.int64) - other.zero_point
    acc = (flat(sets) - zero) @ right[0].T
    both = (scale, other.scales[0])
    out_scale, out_zero = draw.tie(_scales.single(*both), acc), draw.zero_point()
    answers = competing(
        lambda f: f(acc, *both, over=out_scale),
        formulas("float32 product, float64 quotient", "twice", factors=2),
        clamps("none", out_scale, out_zero, draw.dtype),
        out_zero,
    )
    x, y = draw.tensor("x", (1, 3, depth), scale, zero), draw.tensor("y", (1, 3, width), out_scale, out_zero)
    return Trial(single("BATCH_MATMUL", [x, other], y, adjY=True), sets, answers)
