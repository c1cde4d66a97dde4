# SPDX-License-Identifier: Apache-2.0
"""Fixed-point arithmetic of TFLite and gemmlowp on NumPy arrays; ``quant.h`` has the same functions in C.

Arrays are int64 holding int32 values, so that products never overflow. Sources: tflite/kernels/internal/common.h,
common.cc and quantization_util.cc of LiteRT 2.3.0; gemmlowp fixedpoint/fixedpoint.h.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ascmcu.ir.types import Array

I64 = npt.NDArray[np.int64]
INT32_MIN = -(1 << 31)
INT32_MAX = (1 << 31) - 1


def wrap32(x: Array) -> I64:
    """Reduce to int32 modulo 2³², as an int32 accumulator does."""
    return x.astype(np.int64).astype(np.int32).astype(np.int64)


def round_half_away(value: float) -> int:
    """C's ``round``: halves away from zero (Python's rounds them to even)."""
    return math.floor(abs(value) + 0.5) * (1 if value >= 0 else -1)


def quantize_multiplier(real: float) -> tuple[int, int]:
    """``QuantizeMultiplier``: the mantissa in [2³⁰, 2³¹) and exponent with real ≈ mantissa × 2^(shift − 31)."""
    if real == 0.0:
        return 0, 0
    fraction, shift = math.frexp(real)
    mantissa = round_half_away(fraction * (1 << 31))
    if mantissa == 1 << 31:
        mantissa //= 2
        shift += 1
    if shift < -31:
        return 0, 0
    return mantissa, shift


def saturating_rounding_doubling_high_mul(a: Array, b: Array | int) -> I64:
    """gemmlowp's product of two Q0.31 numbers: (2ab + 2³¹·sign) / 2³² truncated, saturated at −1 × −1."""
    product = a.astype(np.int64) * b
    nudge = np.where(product >= 0, 1 << 30, 1 - (1 << 30))
    total = product + nudge
    quotient = np.where(total >= 0, total >> 31, -((-total) >> 31))
    return np.minimum(quotient, INT32_MAX)


def rounding_divide_by_pot(x: Array, exponent: Array | int) -> I64:
    """gemmlowp's division by 2^exponent, halves away from zero."""
    exponents = np.asarray(exponent, np.int64)
    mask = (np.int64(1) << exponents) - 1
    remainder = x & mask
    threshold = (mask >> 1) + (x < 0)
    result: I64 = (x >> exponents) + (remainder > threshold)
    return result


def multiply_by_quantized_multiplier(x: Array, multiplier: Array | int, shift: Array | int) -> I64:
    """``MultiplyByQuantizedMultiplier`` (int32, the variant that rounds twice)."""
    shifts = np.asarray(shift, np.int64)
    left = np.maximum(shifts, 0)
    right = np.maximum(-shifts, 0)
    shifted = wrap32(x.astype(np.int64) << left)
    return rounding_divide_by_pot(
        saturating_rounding_doubling_high_mul(shifted, np.asarray(multiplier)), right
    )


def to_output(scaled: Array, zero_point: int, low: int, high: int) -> I64:
    """The zero point added in int32, where the reference's sum wraps for an output scale next to nothing; clamped."""
    clipped: I64 = np.clip(wrap32(scaled + zero_point), low, high)
    return clipped


def scale_once(x: Array, scale: Array | float) -> I64:
    """``int32(round(double(x) × scale))``: one rounding, halves away from zero (reference FULLY_CONNECTED).

    What int32 cannot hold becomes −2³¹, as the conversion of the x86-64 on which LiteRT runs gives it.
    """
    real = x.astype(np.float64) * scale
    rounded = np.copysign(np.floor(np.abs(real) + 0.5), real)
    # floor(|x| + 0.5) is off by one for the largest double below 0.5, where the sum rounds up to 1.
    rounded = np.where(np.abs(real) < 0.5, 0.0, rounded)
    return np.where((rounded >= INT32_MIN) & (rounded <= INT32_MAX), rounded, INT32_MIN).astype(np.int64)


def round_away(x: Array) -> Array:
    """``TfLiteRound`` on float32 or float64: halves away from zero, without leaving the precision."""
    truncated = np.trunc(x)
    away = np.abs(x - truncated) >= np.float32(0.5)
    return truncated + np.where(away, np.copysign(np.float32(1), x), np.float32(0))


# Beyond this every zero point leaves the 8-bit and the 16-bit range; conversion to an integer stays defined.
REAL_LIMIT = 131072.0


def round_bounded(x: npt.NDArray[np.float32]) -> I64:
    """``round_away`` as integers, as far as they matter for 16 bits."""
    return np.clip(round_away(x), -REAL_LIMIT, REAL_LIMIT).astype(np.int64)


def _saturate(x: Array) -> I64:
    return np.clip(x.astype(np.int64), INT32_MIN, INT32_MAX)


_MUL = saturating_rounding_doubling_high_mul


def _exp_between_negative_quarter_and_zero(a: I64) -> I64:
    """gemmlowp ``exp_on_interval_between_negative_one_quarter_and_0_excl`` on Q0.31."""
    constant_term = 1895147668  # exp(-1/8)
    one_third = 715827883
    x = a + (1 << 28)
    x2 = _MUL(x, x)
    x3 = _MUL(x2, x)
    x4_over_4 = rounding_divide_by_pot(_MUL(x2, x2), 2)
    tail = rounding_divide_by_pot(_MUL(x4_over_4 + x3, one_third) + x2, 1)
    return constant_term + _MUL(x + tail, constant_term)


# exp(-2^k) in Q0.31 for k = -2 … 4 (gemmlowp's barrel shifter).
_EXP_STEPS = {-2: 1672461947, -1: 1302514674, 0: 790015084, 1: 290630308, 2: 39332535, 3: 720401, 4: 242}


def exp_on_negative_values(a: I64, integer_bits: int) -> I64:
    """gemmlowp ``exp_on_negative_values``: Q``integer_bits`` in, Q0.31 out."""
    fraction_bits = 31 - integer_bits
    quarter = 1 << (fraction_bits - 2)
    a_mod = (a & (quarter - 1)) - quarter
    result = _exp_between_negative_quarter_and_zero(_saturate(a_mod << integer_bits))
    remainder = a_mod - a
    for exponent, factor in _EXP_STEPS.items():
        if integer_bits > exponent:
            bit = 1 << (fraction_bits + exponent)
            result = np.where(remainder & bit, _MUL(result, factor), result)
    if integer_bits > 5:
        result = np.where(a < -(1 << (fraction_bits + 5)), 0, result)
    return np.where(a == 0, INT32_MAX, result)


def _rounding_half_sum(a: I64, b: int) -> I64:
    total = a + b
    total = total + np.where(total >= 0, 1, -1)
    return np.where(total >= 0, total >> 1, -((-total) >> 1))


def _newton_reciprocal(half_denominator: I64) -> I64:
    """Three Newton–Raphson steps towards 1/(2 × half_denominator) … as Q2.29."""
    x = 1515870810 + _MUL(half_denominator, -1010580540)  # 48/17 − 32/17 × d
    for _ in range(3):
        one_minus = (1 << 29) - _MUL(half_denominator, x)
        x = x + _saturate(_MUL(x, one_minus) << 2)
    return x


def one_over_one_plus_x(a: I64) -> I64:
    """gemmlowp ``one_over_one_plus_x_for_x_in_0_1`` on Q0.31."""
    return _saturate(_newton_reciprocal(_rounding_half_sum(a, INT32_MAX)) << 1)


def _shifted_up(x: I64, exponent: I64) -> I64:
    """gemmlowp ``SaturatingRoundingMultiplyByPOT`` of an exponent that is not negative."""
    return _saturate(x << exponent)


_QUARTER = 1 << 23  # Q6.25
_ROOT_OF_HALF, _FOURTH_ROOT_OF_HALF, _LOG_2 = 1518500250, 1805811301, 1488522236
_ALPHA_N, _ALPHA_D, _ALPHA_I, _ALPHA_F = 117049297, 127690142, 1057819769, 638450708


def log_of_sum(z: I64) -> I64:
    """gemmlowp-style ``log_x_for_x_greater_than_or_equal_to_1``: Q12.19 in, Q5.26 out (tflite common.h)."""
    zeros = leading_zeros(z)
    halved = _MUL(z, _ROOT_OF_HALF)
    headroom = leading_zeros(halved) - 1
    r = np.minimum(
        _shifted_up(_MUL(z << (zeros - 1), _ROOT_OF_HALF), np.asarray(1)), _shifted_up(z, headroom)
    )
    power = np.maximum(((12 - zeros) << 25) + _QUARTER, ((12 - headroom) << 25) - _QUARTER)
    p = _rounding_half_sum(r, _FOURTH_ROOT_OF_HALF)
    q = 2 * (r - _FOURTH_ROOT_OF_HALF)
    square = _MUL(q, q)
    numerator = _MUL(q, r) + _MUL(_MUL(q, square), _ALPHA_N)
    denominator = _MUL(p, _ALPHA_I + q + _MUL(square, _ALPHA_D)) + _MUL(q, _ALPHA_F)
    quotient = _MUL(rounding_divide_by_pot(numerator, 6), one_over_one_plus_x(denominator))
    return _shifted_up(_MUL(power, _LOG_2) + quotient, np.asarray(1))


def leading_zeros(x: I64) -> I64:
    """Of each non-negative int32."""
    return np.asarray(np.vectorize(lambda v: 32 - int(v).bit_length(), otypes=[np.int64])(x))


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
    root = _newton_root(value << (2 * pairs))
    return root << max(-shift, 0), max(shift, 0)


def _newton_root(value: int) -> int:
    """Five steps of Newton's towards 1 / √value in Q3.28, then times √2 / 2."""

    def product(a: int, b: int) -> int:
        return int(_MUL(np.array(a), b))

    def saturated(x: int) -> int:
        return max(INT32_MIN, min(INT32_MAX, x))

    half = int(rounding_divide_by_pot(np.array(value >> 1), 1))
    x = 1 << 28
    for _ in range(5):
        cube = saturated(product(product(x, x), x) << 6)
        x = saturated((product((1 << 28) + (1 << 27), x) - product(half, cube)) << 3)
    return product(x, _ROOT_OF_HALF)


def clamp(x: Any, low: int, high: int) -> Any:
    """Clip to a closed range."""
    return np.clip(x, low, high)
