/* SPDX-License-Identifier: Apache-2.0 */
/* Fixed-point arithmetic of the generated kernels: the same functions as ascmcu/ops/_fixed.py, bit for bit.
 *
 * Reference: tflite/kernels/internal/common.h and gemmlowp fixedpoint/fixedpoint.h (LiteRT 2.3.0).
 * Right shifts of negative numbers are arithmetic on every compiler that this project supports.
 */
#ifndef ASCMCU_QUANT_H
#define ASCMCU_QUANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

_Static_assert((-3 >> 1) == -2, "right shifts must be arithmetic");

static inline int32_t min_i32(int32_t a, int32_t b)
{
    return a < b ? a : b;
}

static inline int32_t clamp_i32(int32_t value, int32_t low, int32_t high)
{
    return value < low ? low : (value > high ? high : value);
}

/* A value in 2^-16, towards zero, as far as 8 bits and some more matter; 0 for what is no number. */
static inline int32_t real_fixed16(float value)
{
#if defined(__ARM_ARCH_7EM__) && defined(__ARM_FP) && defined(__GNUC__)
    int32_t fixed;
    __asm__("vcvt.s32.f32 %0, %0, #16" : "+t"(value));
    memcpy(&fixed, &value, sizeof fixed);
    __asm__("ssat %0, #30, %1" : "=r"(fixed) : "r"(fixed));
    return fixed;
#else
    const float bounded = value < -8191.0f ? -8191.0f : (value > 8191.0f ? 8191.0f : value);
    return value == value ? (int32_t)(bounded * 65536.0f) : 0;
#endif
}

/* ((acc * multiplier) >> 32 + 2^(shift - 1)) >> shift. Export proved for each channel that this gives the
 * reference's bits for every accumulator that can occur. shift is 1 … 30. */
static inline int32_t requantize_high(int32_t acc, int32_t multiplier, int32_t shift)
{
    const int32_t high = (int32_t)(((int64_t)acc * multiplier) >> 32);
    return (high + ((int32_t)1 << (shift - 1))) >> shift;
}

/* gemmlowp SaturatingRoundingDoublingHighMul for b != INT32_MIN, so that it cannot saturate. */
static inline int32_t doubling_high_mul(int32_t a, int32_t b)
{
    const int64_t product = (int64_t)a * b;
    /* The reference adds 2^30, or 1 - 2^30 to a negative product, and divides by 2^31 towards zero: the same thing. */
    return (int32_t)((product + ((int64_t)1 << 30)) >> 31);
}

/* gemmlowp RoundingDivideByPOT: halves away from zero; exponent is 0 … 31. */
static inline int32_t rounding_divide_by_pot(int32_t x, int32_t exponent)
{
    const int32_t mask = (int32_t)(((int64_t)1 << exponent) - 1);
    const int32_t threshold = (mask >> 1) + (x < 0 ? 1 : 0);
    return (x >> exponent) + ((x & mask) > threshold ? 1 : 0);
}

/* MultiplyByQuantizedMultiplier, the variant that rounds twice; the left shift wraps as the reference's does. */
static inline int32_t multiply_by_quantized_multiplier(int32_t x, int32_t multiplier, int32_t shift)
{
    const int32_t left = shift > 0 ? shift : 0;
    const int32_t shifted = (int32_t)((uint32_t)x << left);
    return rounding_divide_by_pot(doubling_high_mul(shifted, multiplier), shift > 0 ? 0 : -shift);
}

/* round(acc * scale) in double precision, halves away from zero (reference FULLY_CONNECTED). Beyond int32 the answer
   is INT32_MIN, which is what the conversion gives where the reference runs (x86-64). */
static inline int32_t round_once(double real)
{
    const double magnitude = real < 0 ? -real : real;
    if (magnitude >= 2147483647.5) {
        return INT32_MIN;
    }
    const int32_t floor_value = (int32_t)magnitude;
    const int32_t rounded = floor_value + (magnitude - (double)floor_value >= 0.5 ? 1 : 0);
    return real < 0 ? -rounded : rounded;
}

static inline int32_t scale_once(int32_t acc, double scale)
{
    return round_once((double)acc * scale);
}

/* The same of a 64-bit accumulator below 2^53. */
static inline int32_t scale_once_i64(int64_t acc, double scale)
{
    return round_once((double)acc * scale);
}

/* acc times a scale's 62 bits (`lower` is signed), 2^(32 + shift) times as large, rounded once: export proved that this gives
 * round(acc * scale) in double precision for every accumulator that can occur. shift is 1 ... 30. */
static inline int32_t scale_by_62_bits(int32_t acc, int32_t upper, int32_t lower, int32_t shift)
{
    const int64_t product = (int64_t)acc * upper + (((int64_t)acc * lower) >> 32);
    return ((int32_t)(product >> 32) + ((int32_t)1 << (shift - 1))) >> shift;
}

/* MultiplyByQuantizedMultiplier of a 64-bit accumulator: `reduced` is the upper half of the mantissa, right is 1 ... 62. */
static inline int32_t multiply_by_reduced_multiplier(int64_t acc, int32_t reduced, int32_t right)
{
    return (int32_t)((acc * reduced + ((int64_t)1 << (right - 1))) >> right);
}

/* The sum modulo 2^32, as the reference's machine adds. */
static inline int32_t add_i32(int32_t a, int32_t b)
{
    return (int32_t)((uint32_t)a + (uint32_t)b);
}

static inline int32_t saturate_i64(int64_t value)
{
    return value > INT32_MAX ? INT32_MAX : (value < INT32_MIN ? INT32_MIN : (int32_t)value);
}

/* Half of the sum, halves away from zero (gemmlowp RoundingHalfSum). */
static inline int32_t rounded_half_sum(int32_t a, int32_t b)
{
    const int64_t sum = (int64_t)a + b;
    return (int32_t)((sum + (sum >= 0 ? 1 : -1)) / 2);
}

/* gemmlowp one_over_one_plus_x_for_x_in_0_1 on Q0.31: three Newton-Raphson steps. */
static inline int32_t one_over_one_plus_x(int32_t a)
{
    const int32_t half_denominator = rounded_half_sum(a, INT32_MAX);
    int32_t x = 1515870810 + doubling_high_mul(half_denominator, -1010580540); /* 48/17 - 32/17 d, Q2.29 */
    for (int32_t step = 0; step < 3; ++step) {
        const int32_t one_minus = ((int32_t)1 << 29) - doubling_high_mul(half_denominator, x);
        x += saturate_i64((int64_t)doubling_high_mul(x, one_minus) * 4);
    }
    return saturate_i64((int64_t)x * 2);
}

/* Zero bits above the highest that is set; 32 of 0. */
static inline int32_t leading_zeros(uint32_t x)
{
#if defined(__GNUC__)
    return x == 0u ? 32 : (int32_t)__builtin_clz(x);
#else
    int32_t count = 0;
    while (count < 32 && !(x & 0x80000000u)) {
        x <<= 1;
        ++count;
    }
    return count;
#endif
}

/* x 2^exponent, saturated; exponent is 0 ... 31. */
static inline int32_t shift_up(int32_t x, int32_t exponent)
{
    return saturate_i64((int64_t)x * ((int64_t)1 << exponent));
}

/* The natural logarithm of 1 or more: Q12.19 in, Q5.26 out (tflite log_x_for_x_greater_than_or_equal_to_1). */
static inline int32_t log_of_sum(int32_t z)
{
    const int32_t zeros = leading_zeros((uint32_t)z);
    const int32_t headroom = leading_zeros((uint32_t)doubling_high_mul(z, 1518500250)) - 1;
    const int32_t above = shift_up(doubling_high_mul(shift_up(z, zeros - 1), 1518500250), 1);
    const int32_t r = min_i32(above, shift_up(z, headroom));
    const int32_t first = (12 - zeros) * (1 << 25) + (1 << 23);
    const int32_t second = (12 - headroom) * (1 << 25) - (1 << 23);
    const int32_t p = rounded_half_sum(r, 1805811301);
    const int32_t q = 2 * (r - 1805811301);
    const int32_t square = doubling_high_mul(q, q);
    const int32_t numerator = doubling_high_mul(q, r) + doubling_high_mul(doubling_high_mul(q, square), 117049297);
    const int32_t denominator =
        doubling_high_mul(p, 1057819769 + q + doubling_high_mul(square, 127690142)) + doubling_high_mul(q, 638450708);
    const int32_t quotient = doubling_high_mul(rounding_divide_by_pot(numerator, 6), one_over_one_plus_x(denominator));
    return shift_up(doubling_high_mul(first > second ? first : second, 1488522236) + quotient, 1);
}

/* 1 / sqrt(value) for a positive value: mantissa in Q0.31, and how far it is shifted right. */
static inline int32_t inverse_root(int32_t value, int32_t *shift)
{
    *shift = 0;
    if (value <= 1) {
        return INT32_MAX;
    }
    *shift = 11;
    while (value >= (int32_t)1 << 29) {
        value /= 4;
        ++*shift;
    }
    const int32_t pairs = (leading_zeros((uint32_t)value) - 1) / 2 - 1;
    *shift -= pairs;
    value = (int32_t)((uint32_t)value << (2 * pairs));
    const int32_t half = rounding_divide_by_pot(value >> 1, 1);
    int32_t x = (int32_t)1 << 28;
    for (int32_t step = 0; step < 5; ++step) {
        const int32_t cube = saturate_i64((int64_t)doubling_high_mul(doubling_high_mul(x, x), x) * 64);
        const int32_t change = doubling_high_mul((1 << 28) + (1 << 27), x) - doubling_high_mul(half, cube);
        x = saturate_i64((int64_t)change * 8);
    }
    x = doubling_high_mul(x, 1518500250);
    if (*shift < 0) {
        x = (int32_t)((uint32_t)x << -*shift);
        *shift = 0;
    }
    return x;
}

/* (acc + count / 2) / count with halves away from zero, as AveragePool rounds. */
static inline int32_t rounded_quotient(int32_t acc, int32_t count)
{
    return acc > 0 ? (acc + count / 2) / count : (acc - count / 2) / count;
}

#endif
