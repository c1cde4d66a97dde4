# SPDX-License-Identifier: Apache-2.0
"""RSQRT: 1 / √x."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops import _scales
from ascmcu.ops._fixed import (
    INT32_MAX,
    multiply_by_quantized_multiplier,
    rounding_divide_by_pot,
    saturating_rounding_doubling_high_mul,
    to_output,
)
from ascmcu.ops._unary import Unary

# Bits by which the inverse root is scaled between the two multiplications (tflite elementwise.cc).
_SHIFT = 20


@register("RSQRT")
@dataclass(frozen=True)
class Rsqrt(Unary):
    """In fixed point (tflite elementwise.cc RsqrtEvalQuantized); LiteRT refuses negative inputs: here, and at zero, the
    output is the largest integer."""

    KIND = "rsqrt"

    def function(self, x: Array, source: Tensor, output: Tensor) -> Array:
        """Bit-exact reference."""
        root = float(np.sqrt(np.float32(source.scale)))
        multiplier, shift = _scales.double_multiplier(1.0, over=_scales.double(root, output.scale))
        values, places = np.unique(x.astype(np.int64) - source.zero_point, return_inverse=True)
        results = np.array([_one(value, multiplier, shift, output) for value in values.tolist()], np.int64)
        return results[places].reshape(x.shape)


def _one(value: int, multiplier: int, shift: int, output: Tensor) -> int:
    low, high = output.dtype.integer_range
    if value <= 0:
        return high
    inverse, inverse_shift = inverse_root(value)
    data = multiply_by_quantized_multiplier(np.array([1]), inverse, _SHIFT - inverse_shift)
    scaled = multiply_by_quantized_multiplier(data, multiplier, shift - _SHIFT)
    return int(to_output(scaled, output.zero_point, low, high)[0])


@functools.cache
def inverse_root(value: int) -> tuple[int, int]:
    """``GetInvSqrtQuantizedMultiplierExp``: mantissa (Q0.31) and right shift of 1 / √value for a positive int32."""
    if value <= 1:
        return INT32_MAX, 0
    shift = 11
    while value >= 1 << 29:
        value, shift = value // 4, shift + 1
    pairs = (32 - value.bit_length() - 1) // 2 - 1
    shift -= pairs
    root = _newton(value << (2 * pairs))
    return root << max(-shift, 0), max(shift, 0)


def _newton(value: int) -> int:
    """Five steps of Newton's towards 1 / √value in Q3.28, then times √2 / 2."""
    half = _divided(value >> 1, 1)
    x = 1 << 28
    for _ in range(5):
        cube = _saturated(_product(_product(x, x), x) << 6)
        x = _saturated((_product((1 << 28) + (1 << 27), x) - _product(half, cube)) << 3)
    return _product(x, 1518500250)


def _product(a: int, b: int) -> int:
    return int(saturating_rounding_doubling_high_mul(np.array(a), b))


def _divided(value: int, exponent: int) -> int:
    return int(rounding_divide_by_pot(np.array(value), exponent))


def _saturated(value: int) -> int:
    return max(-INT32_MAX - 1, min(INT32_MAX, value))
