# SPDX-License-Identifier: Apache-2.0
"""HARD_SWISH: x · relu6(x + 3) / 6."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops import _scales
from ascmcu.ops._fixed import I64, rounding_divide_by_pot
from ascmcu.ops._unary import Unary

_HIRES_BITS = 7
_RELUISH_SCALE = 3.0 / 32768.0


@register("HARD_SWISH")
@dataclass(frozen=True)
class HardSwish(Unary):
    """int16 fixed point (tflite reference_ops::HardSwish, hard_swish.h)."""

    KIND = "hard_swish"

    def function(self, x: Array, source: Tensor, output: Tensor) -> Array:
        """Bit-exact reference."""
        hires = 1.0 / (1 << _HIRES_BITS)
        out = _scales.single_multiplier(hires, source.scale, over=output.scale)
        relu = _scales.single_multiplier(hires, source.scale, over=_RELUISH_SCALE)
        scaled = fixed_point(x.astype(np.int64) - source.zero_point, out, relu)
        return np.clip(scaled + output.zero_point, *output.dtype.integer_range)


def fixed_point(centred: I64, out: tuple[int, int], relu: tuple[int, int]) -> I64:
    """x · relu6(x + 3) / 6 on the output's scale; (multiplier, exponent) bring x there and to 3 / 2¹⁵."""
    out_multiplier, out_exponent = out
    relu_multiplier, relu_exponent = relu
    hires = centred << _HIRES_BITS
    on_output_scale = _high_mul16(hires, _to_int16(out_multiplier))
    reluish = hires
    if relu_exponent > 0:
        reluish = _saturating_left_shift(reluish, relu_exponent - 1)
    reluish = _high_mul16(reluish, _to_int16(relu_multiplier))
    if relu_exponent > 0:
        reluish = _saturating_left_shift(reluish, 1)
    if relu_exponent < 0:
        reluish = rounding_divide_by_pot(reluish, -relu_exponent)
    reluish = (reluish + (1 << 15)) >> 1
    product = reluish * on_output_scale
    # SaturatingDoublingHighMul truncates toward zero where its sibling rounds.
    product = np.where(product >= 0, product >> 15, -((-product) >> 15))
    return _shift_exponent(product, out_exponent)


def _to_int16(multiplier: int) -> int:
    """``DownScaleInt32ToInt16Multiplier``."""
    return min((multiplier + (1 << 15)) >> 16, 32767)


def _high_mul16(a: I64, b: int) -> I64:
    """gemmlowp's int16 SaturatingRoundingDoublingHighMul."""
    product = a * b
    total = product + np.where(product >= 0, 1 << 14, 1 - (1 << 14))
    quotient = np.where(total >= 0, total >> 15, -((-total) >> 15))
    return np.minimum(quotient, 32767)


def _saturating_left_shift(a: I64, bits: int) -> I64:
    clipped: I64 = np.clip(a << bits, -32768, 32767)
    return clipped


def _shift_exponent(x: I64, exponent: int) -> I64:
    return rounding_divide_by_pot(x, -exponent) if exponent <= 0 else _saturating_left_shift(x, exponent)
