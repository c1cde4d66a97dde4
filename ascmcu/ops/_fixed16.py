# SPDX-License-Identifier: Apache-2.0
"""Fixed-point arithmetic of gemmlowp on 16 bits: logistic and tanh of TFLite's integer LSTM.

Arrays are int64 holding int16 values. ``lstm.h`` has the same functions in C. Source: gemmlowp fixedpoint/fixedpoint.h,
``FixedPoint<int16_t, …>``; its 32-bit constants are rounded to 16 bits.
"""

from __future__ import annotations

import functools

import numpy as np

from ascmcu.ir.types import Array
from ascmcu.ops._fixed import I64, rounding_divide_by_pot

ONE = (1 << 15) - 1
_LOW, _HIGH = -(1 << 15), (1 << 15) - 1
_INPUTS = np.arange(_LOW, _HIGH + 1, dtype=np.int64)


def wrap16(x: Array) -> I64:
    """Modulo 2¹⁶, as int16 holds it."""
    return x.astype(np.int16).astype(np.int64)


def saturate16(x: Array) -> I64:
    """Clipped to int16."""
    return np.clip(x.astype(np.int64), _LOW, _HIGH)


def _mul(a: Array, b: Array | int) -> I64:
    """Rounded product of two Q0.15 numbers, saturated at −1 × −1."""
    product: I64 = (a.astype(np.int64) * b + (1 << 14)) >> 15
    return np.minimum(product, _HIGH)


def _exp_between_negative_quarter_and_zero(a: I64) -> I64:
    constant_term, one_third = 28918, 10923  # exp(-1/8), 1/3
    x = a + (1 << 12)
    x2 = _mul(x, x)
    x3, x4 = _mul(x2, x), _mul(x2, x2)
    tail = wrap16(_mul(wrap16(rounding_divide_by_pot(x4, 2) + x3), one_third) + x2)
    tail = rounding_divide_by_pot(tail, 1)
    return saturate16(constant_term + _mul(wrap16(x + tail), constant_term))


# exp(-2^k) in Q0.15 for k = -2 … 4.
_EXP_STEPS = {-2: 25520, -1: 19875, 0: 12055, 1: 4435, 2: 600, 3: 11, 4: 0}


def exp_on_negative_values(a: I64, integer_bits: int) -> I64:
    """exp of a number ≤ 0: Q``integer_bits`` in, Q0.15 out."""
    fraction_bits = 15 - integer_bits
    quarter = 1 << (fraction_bits - 2)
    a_mod = (a & (quarter - 1)) - quarter
    result = _exp_between_negative_quarter_and_zero(saturate16(a_mod << integer_bits))
    remainder = wrap16(a_mod - a)
    for exponent, factor in _EXP_STEPS.items():
        if integer_bits > exponent:
            result = np.where(remainder & (1 << (fraction_bits + exponent)), _mul(result, factor), result)
    if integer_bits > 5:
        result = np.where(a < -(1 << (fraction_bits + 5)), 0, result)
    return np.where(a == 0, ONE, result)


def _reciprocal(a: I64) -> I64:
    """2 / (1 + a) as Q2.13, a in Q0.15: three Newton–Raphson steps."""
    half = (a + ONE + 1) >> 1
    x = 23130 + _mul(half, -15420)  # 48/17 − 32/17 × half
    for _ in range(3):
        x = wrap16(x + saturate16(_mul(x, wrap16((1 << 13) - _mul(half, x))) << 2))
    return x


def _logistic(x: I64) -> I64:
    magnitude = np.where(x > 0, x, wrap16(-x))
    positive = saturate16(_reciprocal(exp_on_negative_values(wrap16(-magnitude), 3)) << 1)
    return np.where(x == 0, 1 << 14, np.where(x > 0, positive, wrap16(ONE - positive)))


def _tanh(x: I64, integer_bits: int) -> I64:
    negative = np.where(x < 0, x, wrap16(-x))
    # Doubled by giving its bits to one more integer bit.
    reciprocal = _reciprocal(exp_on_negative_values(negative, integer_bits + 1))
    result = saturate16(wrap16(reciprocal - (1 << 13)) << 2)
    return np.where(x == 0, 0, np.where(x < 0, wrap16(-result), result))


@functools.cache
def logistic_table() -> I64:
    """``logistic`` of −2¹⁵ … 2¹⁵ − 1 as Q3.12, in Q0.15."""
    return _logistic(_INPUTS)


@functools.cache
def tanh_table(integer_bits: int) -> I64:
    """``tanh`` of −2¹⁵ … 2¹⁵ − 1 with ``integer_bits``, in Q0.15."""
    return _tanh(_INPUTS, integer_bits)


def logistic(x: Array) -> I64:
    """``tensor_utils::ApplySigmoid``: Q3.12 in, Q0.15 out."""
    return logistic_table()[x.astype(np.int64) - _LOW]


def tanh(x: Array, integer_bits: int) -> I64:
    """``tensor_utils::ApplyTanh``: ``integer_bits`` in, Q0.15 out."""
    return tanh_table(integer_bits)[x.astype(np.int64) - _LOW]
