# SPDX-License-Identifier: Apache-2.0
"""Shared code of ops on int16 activations with int8 weights (16x8): 64-bit accumulators, no zero points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops import _quant, _scales
from ascmcu.ops._fixed import I64, wrap32

_MOST_REDUCED = 0x7FFF0000
# MultiplyByQuantizedMultiplier's 64-bit form takes no greater shift.
MOST_SCALE = 2.0**7


def require_wide(ctx: ImportContext, *tensors: Tensor | None) -> None:
    """Every tensor is int16 with one scale and no zero point.

    Raises:
        ModelError: one is not.
    """
    for tensor in tensors:
        if tensor is None:
            raise ctx.error("input is missing")
        ctx.require_dtype(tensor, DType.INT16)
        if tensor.quant is None or tensor.quant.per_axis or tensor.quant.zero_point != 0:
            raise ctx.error("an int16 tensor has one scale and no zero point", tensor)


def require_weights(
    ctx: ImportContext,
    x: Tensor,
    weights: Tensor,
    bias: Tensor | None,
    channels: int,
    most: float = MOST_SCALE,
) -> Tensor:
    """Weights are constant int8 with usable scales; the bias int64 (zeros if there is none). A sum is scaled by
    less than ``most``.

    Raises:
        ModelError: they are not.
    """
    output = ctx.outputs[0]
    require_wide(ctx, x, output)
    if not weights.is_const or weights.dtype is not DType.INT8 or weights.quant is None:
        raise ctx.error("weights must be constant int8", weights, expected="int8", found=weights.dtype.value)
    scales = weights.quant.scales
    if len(scales) not in (1, channels) or min(scales) <= 0 or weights.zero_point != 0:
        raise ctx.error(
            "weights have unusable scales", weights, expected=f"1 or {channels} positive, no zero point"
        )
    if x.scale < 0 or output.scale <= 0:
        raise ctx.error("the output's scale must be positive", output, found=output.scale)
    _quant.require_ratio(ctx, x.scale, max(scales), most=most)
    if bias is None:
        return ctx.constant(f"{output.name}.bias", np.zeros(channels, np.int64))
    if bias.dtype is not DType.INT64 or bias.elements != channels or not bias.is_const:
        raise ctx.error(
            "bias does not fit",
            bias,
            expected=f"constant int64 [{channels}]",
            found=bias.describe(),
        )
    return bias


def multiply64(x: Array, multiplier: Array | int, shift: Array | int) -> I64:
    """``MultiplyByQuantizedMultiplier`` of a 64-bit accumulator: the mantissa's upper 16 bits, rounded once."""
    mantissa = np.asarray(multiplier, np.int64)
    reduced = np.where(mantissa < _MOST_REDUCED, (mantissa + (1 << 15)) >> 16, 0x7FFF)
    right = 15 - np.asarray(shift, np.int64)
    result: I64 = (x.astype(np.int64) * reduced + (np.int64(1) << (right - 1))) >> right
    return wrap32(result)


@dataclass(frozen=True)
class WideRequantization:
    """From accumulators of 64 bits to int16, per output channel."""

    multipliers: tuple[int, ...]
    shifts: tuple[int, ...]
    low: int
    high: int

    def apply(self, accumulators: Array) -> Array:
        """Accumulators whose last axis is the channel."""
        scaled = multiply64(accumulators, np.array(self.multipliers), np.array(self.shifts))
        return np.clip(scaled, self.low, self.high).astype(np.int16)


def requantization(
    x: Tensor, weights: Tensor, output: Tensor, channels: int, clamp: tuple[int, int]
) -> WideRequantization:
    """Of a convolution (``PopulateConvolutionQuantizationParams``)."""
    quant = weights.quantization
    scales = quant.scales if quant.per_axis else quant.scales * channels
    fixed = [_scales.double_multiplier(x.scale, w, over=output.scale) for w in scales]
    return WideRequantization(tuple(m for m, _ in fixed), tuple(s for _, s in fixed), *clamp)
