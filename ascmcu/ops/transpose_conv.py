# SPDX-License-Identifier: Apache-2.0
"""TRANSPOSE_CONV: a convolution with as many outputs as a stride has pixels, whose channels then spread over them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Op
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, DType, Quantization, Tensor
from ascmcu.ops import _float, _quant, _wide, _window
from ascmcu.ops._activation import import_activation
from ascmcu.ops.conv2d import Conv2D
from ascmcu.ops.depth_to_space import DepthToSpace
from ascmcu.ops.float_conv2d import FloatConv2D
from ascmcu.ops.wide_conv2d import WideConv2D


@dataclass(frozen=True)
class Phases:
    """One axis: output s·q + r sums over taps t input q + t − ``before`` times weight ``taps[r][t]``; −1 is no weight.

    ``count`` is the number of q; ``after`` the padding behind the input, negative where outputs leave its end unread.
    """

    taps: tuple[tuple[int, ...], ...]
    before: int
    after: int
    count: int


def phases(size: int, out_size: int, kernel: int, stride: int, padding: int) -> Phases:
    """Output o receives input i by weight o + padding − stride · i, where there is one."""
    count = -(-out_size // stride)
    found: list[dict[int, int]] = []
    for phase in range(stride):
        first = (phase + padding) % stride
        found.append({(phase + padding - w) // stride: w for w in range(first, kernel, stride)})
    offsets = [0, *(offset for phase_taps in found for offset in phase_taps)]
    low, high = min(offsets), max(offsets)
    taps = tuple(tuple(p.get(offset, -1) for offset in range(low, high + 1)) for p in found)
    return Phases(taps, -low, count + high - size, count)


@register("TRANSPOSE_CONV", floats=True)
@dataclass(frozen=True)
class TransposeConv(Op):
    """Never a node: each pixel of a stride is a convolution of its own, and all of them are one.

    Its arithmetic is that of tflite reference_integer_ops::TransposeConv. Inputs are the output's shape,
    w (O, kernel_h, kernel_w, I), x and, if there is one, b.
    """

    KIND = "transpose_conv"
    REWRITTEN = True

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the convolution, and what spreads its channels."""
        weights, x, output = ctx.needed(1), ctx.needed(2), ctx.outputs[0]
        bias = ctx.inputs[3] if len(ctx.inputs) > 3 else None
        if len(weights.shape) != 4 or len(x.shape) != 4:
            raise ctx.error("input and weights must have four dimensions", x)
        told = ctx.known(0)
        # Where the shape is an input of the network, the file's own statement of the output holds.
        shape = output.shape if told is None else tuple(int(d) for d in told.reshape(-1))
        if len(shape) != 4 or shape[0] != x.shape[0] or shape[3] != weights.shape[0]:
            raise ctx.error("the stated output does not fit the weights", output, found=shape)
        if weights.shape[3] != x.shape[3]:
            raise ctx.error("channels do not fit the weights", x, expected=weights.shape[3], found=x.shape[3])
        bias = _require(ctx, x, weights, bias)
        stride, kernel = _window.import_strides(ctx), (weights.shape[1], weights.shape[2])
        padding = _window.import_padding(ctx, (shape[1], shape[2]), kernel, stride, (1, 1))
        rows = phases(x.shape[1], shape[1], kernel[0], stride[0], padding[0])
        columns = phases(x.shape[2], shape[2], kernel[1], stride[1], padding[2])
        if rows.after < 0 or columns.after < 0:
            raise ctx.error("the stated output is too small for the input", x, found=shape)
        pixels = stride[0] * stride[1]
        kernels = ctx.constant(
            f"{weights.name}.phases", _kernels(weights.values, rows, columns), _repeated(weights, pixels)
        )
        biases = ctx.constant(f"{output.name}.biases", np.tile(bias.values, pixels), _repeated(bias, pixels))
        around = (rows.before, rows.after, columns.before, columns.after)
        convolution = _convolution(ctx, around)
        if pixels == 1:
            ctx.emit(convolution, (x, kernels, biases), output)
            return
        spread_shape = (x.shape[0], rows.count, columns.count, pixels * shape[3])
        spread = ctx.temporary(output, spread_shape, f"{output.name}.pixels")
        ctx.emit(convolution, (x, kernels, biases), spread)
        ctx.emit(DepthToSpace(stride, (shape[1], shape[2]), False), (spread,), output)


def _require(ctx: ImportContext, x: Tensor, weights: Tensor, bias: Tensor | None) -> Tensor:
    """Types and quantizations fit, as those of a convolution must; the bias, zeros where there is none."""
    output, channels = ctx.outputs[0], weights.shape[0]
    if output.dtype is DType.INT16:
        return _wide.require_weights(ctx, x, weights, bias, channels)
    if output.dtype is DType.FLOAT32:
        _float.require_float(ctx, x, output)
        _float.require_weights(ctx, weights, bias, channels)
        return bias or ctx.constant(f"{output.name}.bias", np.zeros(channels, np.float32))
    _quant.require_quantized(ctx, x, output)
    _quant.require_weights(ctx, x, weights, bias, channels)
    _quant.require_ratio(ctx, x.scale, _quant.largest_scale(weights))
    return bias or ctx.constant(f"{output.name}.bias", _quant.zero_bias(channels))


def _convolution(ctx: ImportContext, padding: _window.Padding) -> Op:
    output = ctx.outputs[0]
    if output.dtype is DType.FLOAT32:
        return FloatConv2D((1, 1), (1, 1), padding, import_activation(ctx))
    kind = WideConv2D if output.dtype is DType.INT16 else Conv2D
    return kind((1, 1), (1, 1), padding, _quant.import_activation(ctx, output))


def _kernels(weights: Array, rows: Phases, columns: Phases) -> Array:
    """(O, kernel_h, kernel_w, I) as (pixels · O, taps, taps, I), pixel by pixel; zero where a pixel has no weight."""
    filled = np.pad(weights, ((0, 0), (0, 1), (0, 1), (0, 0)))  # −1 is the last one
    parts = [filled[:, list(r)][:, :, list(c)] for r in rows.taps for c in columns.taps]
    return np.ascontiguousarray(np.concatenate(parts))


def _repeated(tensor: Tensor, times: int) -> Tensor:
    """A constant's type and quantization, its channels so many times."""
    quant = tensor.quant
    if quant is not None and quant.per_axis:
        zero_points = quant.zero_points * times if len(quant.zero_points) > 1 else quant.zero_points
        quant = Quantization(quant.scales * times, zero_points, quant.axis)
    return dataclasses.replace(tensor, quant=quant)
