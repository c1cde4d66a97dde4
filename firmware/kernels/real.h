/* SPDX-License-Identifier: Apache-2.0 */
/* Building blocks of the float32 kernels: half-precision weights, clamping, and an exponential that gives the same
 * bits on every machine with IEEE single precision (compile with -ffp-contract=off). */
#ifndef ASCMCU_REAL_H
#define ASCMCU_REAL_H

#include <float.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* FPv4-SP always converts halves; gcc tells so in __ARM_FP only where a half-precision type was asked for. */
#if defined(__ARM_ARCH_7EM__) && defined(__ARM_FP) && defined(__GNUC__)
#define ASCMCU_HALF 1
#else
#define ASCMCU_HALF 0
#endif

static inline float real_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

#if !ASCMCU_HALF
/* IEEE 754 binary16 to binary32: exact, subnormal halves included. */
static inline float real_of_half(uint32_t half)
{
    const uint32_t sign = (half & 0x8000u) << 16;
    const uint32_t rest = half & 0x7FFFu;
    if (rest >= 0x7C00u) {
        return real_of_bits(sign | 0x7F800000u | (rest & 0x3FFu) << 13);
    }
    if (rest < 0x0400u) {
        const float magnitude = (float)rest * 0x1p-24f;
        return sign != 0u ? -magnitude : magnitude;
    }
    return real_of_bits(sign | ((rest << 13) + 0x38000000u));
}
#endif

#if ASCMCU_HALF
typedef float __attribute__((may_alias)) real_word;
#endif

/* The half in the lower (upper) 16 bits of a word in flash. */
static inline float real_lower(const int32_t *pair)
{
#if ASCMCU_HALF
    const float word = *(const real_word *)pair;
    float value;
    __asm__("vcvtb.f32.f16 %0, %1" : "=t"(value) : "t"(word));
    return value;
#else
    return real_of_half((uint32_t)*pair & 0xFFFFu);
#endif
}

static inline float real_upper(const int32_t *pair)
{
#if ASCMCU_HALF
    const float word = *(const real_word *)pair;
    float value;
    __asm__("vcvtt.f32.f16 %0, %1" : "=t"(value) : "t"(word));
    return value;
#else
    return real_of_half((uint32_t)*pair >> 16);
#endif
}

static inline float real_max(float a, float b)
{
    return a > b ? a : b;
}

static inline float real_min(float a, float b)
{
    return a < b ? a : b;
}

/* e^x within 2 units in the last place: x = n ln 2 + r, |r| <= ln 2 / 2, and a polynomial of degree 6 in r
 * (its terms are those of the Taylor series; the first one left out is below 2^-24 of the result). Results below the
 * normal range are zero, those above it the largest power of two. */
static inline float real_exp(float x)
{
    if (x < -87.0f) {
        return 0.0f;
    }
    if (x > 88.0f) {
        x = 88.0f;
    }
    const float turns = x * 0x1.715476p+0f;
    const int32_t n = (int32_t)(turns < 0.0f ? turns - 0.5f : turns + 0.5f);
    const float r = (x - (float)n * 0x1.62ep-1f) - (float)n * 0x1.0bfbe8p-15f;
    float sum = 0x1.6c16c2p-10f;
    sum = sum * r + 0x1.111112p-7f;
    sum = sum * r + 0x1.555556p-5f;
    sum = sum * r + 0x1.555556p-3f;
    sum = sum * r + 0.5f;
    sum = sum * r + 1.0f;
    sum = sum * r + 1.0f;
    return sum * real_of_bits((uint32_t)(n + 127) << 23);
}

/* e^x to the end of float32, and infinite beyond: real_exp is right up to 88. */
static inline float real_exp_to_infinity(float x)
{
    return x > 88.0f ? 0x1.5bf0a8p+1f * real_exp(x - 1.0f) : real_exp(x);
}

/* Correctly rounded: by the core, or by Newton's method in double precision, which leaves no tie to a float. */
static inline float real_sqrt(float x)
{
#if ASCMCU_HALF
    float root;
    __asm__("vsqrt.f32 %0, %1" : "=t"(root) : "t"(x));
    return root;
#else
    if (!(x > 0.0f)) {
        return x < 0.0f ? real_of_bits(0x7FC00000u) : x;
    }
    if (x > FLT_MAX) {
        return x;
    }
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    double root = (double)real_of_bits((bits >> 1) + 0x1FC00000u);
    for (int32_t i = 0; i < 20; ++i) { /* 5 do, and subnormal numbers begin far away */
        root = 0.5 * (root + (double)x / root);
    }
    return (float)root;
#endif
}

/* The natural logarithm of x = m 2^e with m between √½ and √2: e ln 2 + 2 artanh((m − 1) / (m + 1)), five terms. */
static inline float real_log(float x)
{
    if (!(x > 0.0f)) {
        return x < 0.0f ? real_of_bits(0x7FC00000u) : x + real_of_bits(0xFF800000u);
    }
    if (x > FLT_MAX) {
        return x;
    }
    int32_t exponent = 0;
    if (x < FLT_MIN) {
        x *= 0x1p+24f;
        exponent = -24;
    }
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    const uint32_t over = (bits - 0x3F3504F3u) >> 23; /* √½: mantissas from there on belong to the exponent above */
    exponent += (int32_t)(over ^ 0x100u) - 0x100;
    const float m = real_of_bits(bits - (over << 23));
    const float s = (m - 1.0f) / (m + 1.0f);
    const float square = s * s;
    float sum = 0x1.c71c72p-4f;
    sum = sum * square + 0x1.24924ap-3f;
    sum = sum * square + 0x1.99999ap-3f;
    sum = sum * square + 0x1.555556p-2f;
    return (float)exponent * 0x1.62e43p-1f + 2.0f * s * (1.0f + square * sum);
}

static inline float real_floor(float x)
{
    if (!(x > -0x1p+23f && x < 0x1p+23f)) {
        return x; /* whole already */
    }
    const float whole = (float)(int32_t)x;
    return whole > x ? whole - 1.0f : whole;
}

/* The quotient in double precision, cut down to a whole number, then a float. */
static inline float real_floor_div(float a, float b)
{
    const double quotient = (double)a / (double)b;
    if (!(quotient > -0x1p+52 && quotient < 0x1p+52)) {
        return (float)quotient;
    }
    const int64_t cut = (int64_t)quotient;
    return (float)((double)cut > quotient ? cut - 1 : cut);
}

/* The nearest whole number, halves to even. */
static inline float real_round(float x)
{
    const float whole = real_floor(x);
    const float rest = x - whole;
    const bool odd = whole - 2.0f * real_floor(0.5f * whole) != 0.0f;
    return rest > 0.5f || (rest == 0.5f && odd) ? whole + 1.0f : whole;
}

static inline float real_sign(float x)
{
    return x > 0.0f ? 1.0f : (x < 0.0f ? -1.0f : x);
}

/* The sine of x, or with one quarter the cosine: the angle is brought to at most an eighth of a turn in double
 * precision, there the Taylor series are exact to a unit in the last place. Beyond 2^30 there is no angle left. */
static inline float real_sin(float x, int32_t quarters)
{
    if (!(x > -0x1p+30f && x < 0x1p+30f)) {
        return x - x;
    }
    const double turns = (double)x * 0x1.45f306dc9c883p-1;
    const int32_t n = (int32_t)(turns < 0.0 ? turns - 0.5 : turns + 0.5);
    const float r = (float)((double)x - (double)n * 0x1.921fb54442d18p+0);
    const float square = r * r;
    const uint32_t quadrant = (uint32_t)n + (uint32_t)quarters;
    float value;
    if (quadrant & 1u) {
        value = 1.0f + square * (-0.5f + square * (0x1.555556p-5f + square * (-0x1.6c16c2p-10f + square * 0x1.a01a02p-16f)));
    } else {
        value = r + r * square * (-0x1.555556p-3f + square * (0x1.111112p-7f + square * (-0x1.a01a02p-13f + square * 0x1.71de3ap-19f)));
    }
    return quadrant & 2u ? -value : value;
}

/* The rest of a / b with the sign of b, exact: b is doubled as far as it fits, and taken off on the way back. */
static inline float real_floor_mod(float a, float b)
{
    float rest = a < 0.0f ? -a : a;
    const float least = b < 0.0f ? -b : b;
    if (!(rest <= FLT_MAX && least > 0.0f)) {
        return rest - rest + least * 0.0f / 0.0f;
    }
    float scaled = least;
    while (scaled <= 0.5f * rest) {
        scaled *= 2.0f;
    }
    while (scaled >= least) {
        if (rest >= scaled) {
            rest -= scaled;
        }
        scaled *= 0.5f;
    }
    const float signed_rest = a < 0.0f ? -rest : rest;
    return signed_rest != 0.0f && (b < 0.0f) != (signed_rest < 0.0f) ? signed_rest + b : signed_rest;
}

static inline float real_logistic(float x)
{
    return 1.0f / (1.0f + real_exp(-x));
}

static inline float real_tanh(float x)
{
    /* Near zero the quotient would lose its digits: three terms of the series are exact enough below 1/16. */
    if (x > -0.0625f && x < 0.0625f) {
        const float square = x * x;
        return x * (1.0f + square * (-0x1.555556p-2f + square * 0x1.111112p-3f));
    }
    const float twice = real_exp(-2.0f * (x < 0.0f ? -x : x));
    const float magnitude = (1.0f - twice) / (1.0f + twice);
    return x < 0.0f ? -magnitude : magnitude;
}

static inline float real_elu(float x)
{
    if (x >= 0.0f) {
        return x;
    }
    /* Near zero the difference would lose its digits. */
    if (x > -0.0625f) {
        return x * (1.0f + x * (0.5f + x * (0x1.555556p-3f + x * 0x1.555556p-5f)));
    }
    return real_exp(x) - 1.0f;
}

/* The error function within 1.5e-7 (Abramowitz and Stegun, 7.1.26). */
static inline float real_erf(float x)
{
    const float magnitude = x < 0.0f ? -x : x;
    const float t = 1.0f / (1.0f + 0.3275911f * magnitude);
    float sum = 1.061405429f;
    sum = sum * t - 1.453152027f;
    sum = sum * t + 1.421413741f;
    sum = sum * t - 0.284496736f;
    sum = sum * t + 0.254829592f;
    const float result = 1.0f - sum * t * real_exp(-magnitude * magnitude);
    return x < 0.0f ? -result : result;
}

static inline float real_gelu(float x)
{
    return 0.5f * x * (1.0f + real_erf(x * 0x1.6a09e6p-1f));
}

static inline float real_gelu_tanh(float x)
{
    return 0.5f * x * (1.0f + real_tanh(0x1.988454p-1f * (x + 0.044715f * x * x * x)));
}

#endif
