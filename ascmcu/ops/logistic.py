"""LOGISTIC: 1 / (1 + exp(−x))."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops._fixed import (
    logistic_q31,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    rounding_divide_by_pot,
)
from ascmcu.ops._unary import Unary

_INPUT_INTEGER_BITS = 4


@register("LOGISTIC")
@dataclass(frozen=True)
class Logistic(Unary):
    """gemmlowp's fixed-point logistic on Q4.27 (tflite reference_integer_ops::Logistic); output scale 1/256."""

    KIND = "logistic"

    def function(self, x: Array, source: Tensor, output: Tensor) -> Array:
        """Saturated outside the radius in which Q4.27 can hold the input."""
        multiplier, left_shift = quantize_multiplier(source.scale * (1 << (31 - _INPUT_INTEGER_BITS)))
        radius = input_radius(_INPUT_INTEGER_BITS, left_shift)
        centred = x.astype(np.int64) - source.zero_point
        inside = np.clip(centred, -radius + 1, radius - 1)
        q31 = logistic_q31(
            multiply_by_quantized_multiplier(inside, multiplier, left_shift), _INPUT_INTEGER_BITS
        )
        low, high = output.dtype.integer_range
        scaled = np.clip(rounding_divide_by_pot(q31, 31 - 8) + low, low, high)
        return np.where(centred <= -radius, low, np.where(centred >= radius, high, scaled))


def input_radius(integer_bits: int, left_shift: int) -> int:
    """``CalculateInputRadius``: the largest input magnitude that fits after scaling."""
    return math.floor(((1 << integer_bits) - 1) * float(1 << (31 - integer_bits)) / 2.0**left_shift)
