# SPDX-License-Identifier: Apache-2.0
"""SOFTMAX over the last axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, present
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops import _quant, _scales
from ascmcu.ops._elementwise import Elementwise
from ascmcu.ops._fixed import (
    I64,
    INT32_MIN,
    exp_on_negative_values,
    one_over_one_plus_x,
    quantize_multiplier,
    rounding_divide_by_pot,
    saturating_rounding_doubling_high_mul,
    wrap32,
)

_DIFF_INTEGER_BITS = 5
_ACCUMULATION_INTEGER_BITS = 12


@register("SOFTMAX")
@dataclass(frozen=True)
class Softmax(Elementwise):
    """exp(beta·x) / Σ exp(beta·x) in gemmlowp fixed point (tflite reference_ops::Softmax)."""

    KIND = "softmax"
    PROBABILITIES = True
    FAMILY = "activation"
    beta: float
    dtype: str = DType.INT8.value

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the op."""
        x, output = ctx.needed(0), ctx.outputs[0]
        _quant.require_quantized(ctx, x)
        ctx.require_dtype(output, *_quant.QUANTIZED, DType.INT16)
        _quant.require_scales(ctx, output)
        lowest, steps = output.dtype.integer_range[0], 1 << _bits(output)
        if output.zero_point != lowest or abs(output.scale * (1 << _bits(output)) - 1) > 0.001:
            raise ctx.error(
                "softmax output must cover 0 … 1", output, expected=f"scale 1/{steps}, zero point {lowest}"
            )
        beta = import_beta(ctx)
        if _scales.double(beta, x.scale, 1 << (31 - _DIFF_INTEGER_BITS)) <= 1:
            # LiteRT's QuantizeMultiplierGreaterThanOne aborts the process here.
            raise ctx.error(
                "softmax's input scale is too small",
                x,
                expected=f"> 2^-{31 - _DIFF_INTEGER_BITS} / beta",
                found=x.scale,
                hint="the input never changed in calibration; calibrate with more varied data",
            )
        ctx.emit(cls(beta, output.dtype.value), (x,), output)

    def output_dtype(self, x: Tensor) -> DType:
        """The attribute's."""
        return DType(self.dtype)

    def exponentials(self, x: Tensor) -> I64:
        """exp of −d for d = 0 … as Q0.31, as far as the reference takes it into account."""
        real = min(_scales.double(self.beta, x.scale, 1 << (31 - _DIFF_INTEGER_BITS)), (1 << 31) - 1.0)
        multiplier, left_shift = quantize_multiplier(real)
        limit = ((1 << _DIFF_INTEGER_BITS) - 1) * float(1 << (31 - _DIFF_INTEGER_BITS)) / 2.0**left_shift
        difference = -np.arange(min(math.floor(limit), 255) + 1, dtype=np.int64)
        shifted = wrap32(difference << left_shift)
        scaled = saturating_rounding_doubling_high_mul(shifted, multiplier)
        return exp_on_negative_values(scaled, _DIFF_INTEGER_BITS)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Bit-exact reference."""
        x, source = present(arrays)[0], present(inputs)[0]
        table = self.exponentials(source)
        difference = x.max(axis=-1, keepdims=True).astype(np.int64) - x
        counted = difference < len(table)
        exps = np.where(counted, table[np.minimum(difference, len(table) - 1)], 0)
        total = wrap32(rounding_divide_by_pot(exps, _ACCUMULATION_INTEGER_BITS).sum(axis=-1, keepdims=True))
        headroom = 32 - np.vectorize(lambda v: int(v).bit_length())(total)
        shifted = wrap32((total << headroom) + INT32_MIN)
        exponent = _ACCUMULATION_INTEGER_BITS - headroom + 31 - _bits(output)
        unsaturated = rounding_divide_by_pot(
            saturating_rounding_doubling_high_mul(one_over_one_plus_x(shifted), exps), exponent
        )
        low, high = output.dtype.integer_range
        return np.where(counted, np.clip(unsaturated + low, low, high), low).astype(output.dtype.numpy)


def _bits(output: Tensor) -> int:
    """Bits of an output element."""
    return 8 * output.dtype.size_bytes


def import_beta(ctx: ImportContext) -> float:
    """The factor of the exponents.

    Raises:
        ModelError: it is not positive, or beyond all use.
    """
    beta = float(ctx.option("Beta", 1.0))
    if not 0 < beta < 1e6:
        raise ctx.error("softmax's beta must be positive", ctx.outputs[0], found=beta)
    return beta
