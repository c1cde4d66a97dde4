"""TANH."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops._fixed import (
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    rounding_divide_by_pot,
    tanh_q31,
)
from ascmcu.ops._unary import Unary
from ascmcu.ops.logistic import input_radius

_INPUT_INTEGER_BITS = 4


@register("TANH")
@dataclass(frozen=True)
class Tanh(Unary):
    """gemmlowp's fixed-point tanh on Q4.27 (tflite reference_integer_ops::Tanh); output scale 1/128."""

    KIND = "tanh"

    def function(self, x: Array, source: Tensor, output: Tensor) -> Array:
        """Saturated outside the radius in which Q4.27 can hold the input."""
        multiplier, left_shift = quantize_multiplier(source.scale * (1 << (31 - _INPUT_INTEGER_BITS)))
        radius = input_radius(_INPUT_INTEGER_BITS, left_shift)
        centred = x.astype(np.int64) - source.zero_point
        inside = np.clip(centred, -radius + 1, radius - 1)
        q31 = tanh_q31(multiply_by_quantized_multiplier(inside, multiplier, left_shift), _INPUT_INTEGER_BITS)
        low, high = output.dtype.integer_range
        scaled = np.clip(rounding_divide_by_pot(q31, 31 - 7) + output.zero_point, low, high)
        return np.where(centred <= -radius, low, np.where(centred >= radius, high, scaled))
