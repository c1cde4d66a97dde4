# SPDX-License-Identifier: Apache-2.0
"""Shared code of quantized ops: activation ranges, requantization of accumulators, type checks."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from ascmcu.errors import DamagedError
from ascmcu.ir.importing import ImportContext
from ascmcu.ir.types import Array, DType, Quantization, Tensor
from ascmcu.ops import _activation, _scales
from ascmcu.ops._fixed import (
    I64,
    multiply_by_quantized_multiplier,
    round_half_away,
    scale_once,
    to_output,
    wrap32,
)

QUANTIZED = (DType.INT8, DType.UINT8)


def activation_range(activation: str, output: Tensor) -> tuple[int, int]:
    """``CalculateActivationRangeQuantized``: the output's integer range under a fused activation."""

    def quantize(value: float) -> int:
        # tflite/kernels/kernel_util.cc divides in float32 before rounding.
        return output.zero_point + round_half_away(_scales.single(value, over=output.scale))

    low, high = output.dtype.integer_range
    least, most = _activation.BOUNDS[activation]
    return (
        low if least is None else max(low, quantize(least)),
        high if most is None else min(high, quantize(most)),
    )


def import_activation(ctx: ImportContext, output: Tensor) -> tuple[int, int]:
    """The integer clamp of the operator's fused activation.

    Raises:
        ModelError: it is not a known one.
    """
    return activation_range(_activation.import_activation(ctx), output)


def way_to_int8(tensor: Tensor) -> str:
    """What to do about a tensor that is not int8."""
    if tensor.dtype is DType.FLOAT32:
        return "make the model int8 with `ascmcu quantize`"
    return "convert the model with int8 weights and activations, or in float32 and use `ascmcu quantize`"


def require_quantized(ctx: ImportContext, *tensors: Tensor | None, wide: bool = False) -> None:
    """Every tensor is int8 or uint8 with a per-tensor scale, or with ``wide`` int16 without a zero point; otherwise a
    ModelError with the way out."""
    for tensor in tensors:
        if tensor is None:
            continue
        if wide and tensor.dtype is DType.INT16:
            if tensor.zero_point != 0:
                raise ctx.error("an int16 tensor has one scale and no zero point", tensor)
        elif tensor.dtype not in QUANTIZED:
            raise ctx.error(
                "only fully quantized operators can be compiled",
                tensor,
                expected="int8 or uint8",
                found=_kind_of(ctx, tensor),
                hint=way_to_int8(tensor),
            )
        require_scales(ctx, tensor)


def require_scales(ctx: ImportContext, *tensors: Tensor | None) -> None:
    """Every tensor has a per-tensor scale; otherwise a ModelError."""
    for tensor in tensors:
        if tensor is None:
            continue
        if tensor.quant is None or tensor.quant.per_axis or tensor.quant.scale <= 0:
            raise ctx.error(
                "tensor has no usable per-tensor quantization",
                tensor,
                expected="one positive scale and one zero point",
                found="none" if tensor.quant is None else f"scales {tensor.quant.scales[:3]}",
            )


def require_ratio(ctx: ImportContext, *factors: float, most: float = _scales.MOST) -> None:
    """The product of the factors, over the output's scale, is below ``most``.

    Beyond it the reference's arithmetic is undefined: such an output was zero in calibration, and the converter gave it
    a scale next to nothing.
    """
    output = ctx.outputs[0]
    ratio = _scales.double(*factors, over=output.scale)
    if abs(ratio) >= most:
        raise ctx.error(
            "the output's scale is too small for its operands",
            output,
            expected=f"> {abs(_scales.double(ratio, output.scale, over=most)):.3g}",
            found=f"{output.scale:.3g}",
            hint="calibrate with inputs for which this output is not constant, or remove the operator",
        )


def word_of(zero_point: int) -> int:
    """The zero point four times in a word."""
    return (zero_point & 0xFF) * 0x01010101


def require_same(ctx: ImportContext, x: Tensor, what: str) -> None:
    """The output has the input's quantization, which ``what`` must not change."""
    output = ctx.outputs[0]
    if x.quant != output.quant:
        raise ctx.error(
            f"{what} must not change the quantization", output, expected=x.quant, found=output.quant
        )


def _kind_of(ctx: ImportContext, tensor: Tensor) -> str:
    """The element type, and what model it tells of."""
    name = tensor.dtype.name.lower()
    if tensor.dtype is DType.FLOAT32 and any(
        t is not None and t.is_const and t.dtype in QUANTIZED for t in ctx.inputs
    ):
        return f"{name} beside int8 weights: a hybrid (dynamic-range) operator"
    return name


def require_weights(
    ctx: ImportContext, x: Tensor, weights: Tensor, bias: Tensor | None, channels: int
) -> None:
    """Input and weights are int8, the weights constant; the bias is int32 of ``channels`` elements."""
    if x.dtype is not DType.INT8:
        # LiteRT runs such a layer, and reads the weights' bytes as uint8.
        raise ctx.error(
            "a layer with weights takes int8 inputs", x, expected="int8", found=x.dtype.name.lower(),
            hint=way_to_int8(x),
        )  # fmt: skip
    if not weights.is_const:
        raise ctx.error("weights must be constant", weights)
    # No file has int16 weights here: they come of ``centred``.
    kinds = (DType.INT8,) if weights.source_index >= 0 else (DType.INT8, DType.INT16)
    if weights.dtype not in kinds or weights.quant is None:
        raise ctx.error(
            "weights must be int8",
            weights,
            expected="quantized int8",
            found=weights.dtype.name.lower(),
            hint=way_to_int8(weights),
        )
    scales = len(weights.quant.scales)
    if scales not in (1, channels) or min(weights.quant.scales) <= 0:
        raise ctx.error(
            "weights have unusable scales", weights, expected=f"1 or {channels} positive", found=scales
        )
    if bias is not None and (bias.dtype is not DType.INT32 or bias.elements != channels or not bias.is_const):
        raise ctx.error(
            "bias does not fit", bias, expected=f"constant int32 [{channels}]", found=bias.describe()
        )


def centred(ctx: ImportContext, weights: Tensor, *, wide: bool = False) -> Tensor:
    """Weights without zero point, where 8 bits hold them; with ``wide`` in 16 bits where they do not.

    Kernels are made for weights without one. A dense layer also has kernels that take it off.
    """
    if weights.data is None or weights.dtype is not DType.INT8 or weights.zero_point == 0:
        return weights
    values = weights.data.astype(np.int16) - np.int16(weights.zero_point)
    fits = int(values.min()) >= -128 and int(values.max()) <= 127
    if not (fits or wide):
        return weights
    quant = Quantization(weights.quantization.scales, (0,), weights.quantization.axis)
    dtype = DType.INT8 if fits else DType.INT16
    like = Tensor(weights.name, weights.shape, dtype, quant)
    return ctx.constant(f"{weights.name}.centred", values.astype(dtype.numpy), like)


def largest_scale(weights: Tensor) -> float:
    """The largest of the weights' scales."""
    return max(weights.quantization.scales)


@dataclass(frozen=True)
class Requantization:
    """From int32 accumulators to the output's integers, per output channel.

    ``scales`` are the exact double products; ``multipliers``/``shifts`` their fixed-point forms. ``once`` says
    that the reference kernel rounds ``acc × scale`` a single time in double precision.
    """

    scales: tuple[float, ...]
    multipliers: tuple[int, ...]
    shifts: tuple[int, ...]
    zero_point: int
    low: int
    high: int
    once: bool

    def apply(self, accumulators: Array) -> I64:
        """Requantize accumulators whose last axis is the channel."""
        acc = wrap32(accumulators)
        if self.once:
            scaled = scale_once(acc, np.array(self.scales))
        else:
            scaled = multiply_by_quantized_multiplier(acc, np.array(self.multipliers), np.array(self.shifts))
        return to_output(scaled, self.zero_point, self.low, self.high)


def requantization(
    x: Tensor, weights: Tensor, output: Tensor, channels: int, clamp: tuple[int, int], *, once: bool
) -> Requantization:
    """The requantization of a convolution or dense layer (``PopulateConvolutionQuantizationParams``)."""
    quant = weights.quantization
    weight_scales = quant.scales if quant.per_axis else quant.scales * channels
    return _requantization(x.scale, weight_scales, output.scale, output.zero_point, clamp, once)


# Kernels are compared by what they make of a layer: each asks for the same.
@functools.lru_cache(maxsize=1024)
def _requantization(
    x: float, weights: tuple[float, ...], output: float, zero_point: int, clamp: tuple[int, int], once: bool
) -> Requantization:
    scales = tuple(_scales.double(x, w, over=output) for w in weights)
    fixed = [_scales.double_multiplier(x, w, over=output) for w in weights]
    multipliers, shifts = tuple(m for m, _ in fixed), tuple(s for _, s in fixed)
    return Requantization(scales, multipliers, shifts, zero_point, *clamp, once=once)


def zero_bias(channels: int) -> Array:
    """The bias of an operator that has none."""
    return np.zeros(channels, np.int32)


def incompatible(what: str, expected: object, found: object) -> DamagedError:
    """A shape rule's complaint; ``verify`` adds the node."""
    return DamagedError(what, expected=expected, found=found)
