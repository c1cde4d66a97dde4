/* SPDX-License-Identifier: Apache-2.0 */
/* Logistic, tanh and layer normalization of the integer LSTM, on 16 bits: the same functions as ascmcu/ops/_fixed16.py,
 * bit for bit for each of the 65536 inputs.
 *
 * Reference: gemmlowp fixedpoint/fixedpoint.h for int16_t; tflite/kernels/internal/reference/portable_tensor_utils.cc.
 */
#ifndef ASCMCU_LSTM_H
#define ASCMCU_LSTM_H

#include "simd.h"

static inline int32_t lstm_saturate(int32_t value)
{
    return clamp_i32(value, INT16_MIN, INT16_MAX);
}

/* A Q0.15 number as the second operand of lstm_mul; below 1/2 in magnitude, since 32 bits hold it. */
#define LSTM_Q(number) ((number) * (1 << 17))

/* `sum` plus the rounded product of two Q0.15 numbers: a and LSTM_Q(b). */
static inline int32_t lstm_mul(int32_t a, int32_t b, int32_t sum)
{
    return simd_smmlar(a, b, sum);
}

/* Halves away from zero, as gemmlowp rounds; 2^exponent is a constant where this is inlined. */
static inline int32_t lstm_divide(int32_t x, int32_t exponent)
{
    return (x + ((1 << exponent) >> 1) - (x < 0 ? 1 : 0)) >> exponent;
}

/* One of the factors by which a power of two multiplies an exponential, where the lowest bit of `rest` is set; the next bit
 * comes next. */
static inline int32_t lstm_factor(int32_t result, uint32_t *rest, int32_t factor)
{
#if ASCMCU_DSP
    __asm__("lsrs %1, %1, #1\n\tit cs\n\tsmmulrcs %0, %0, %2" : "+r"(result), "+r"(*rest) : "r"(factor) : "cc");
    return result;
#else
    const uint32_t is = *rest & 1u;
    *rest >>= 1;
    return is ? lstm_mul(result, factor, 0) : result;
#endif
}

/* The same of a factor of 1/2 and more, given as 1 less. */
static inline int32_t lstm_large_factor(int32_t result, uint32_t *rest, int32_t factor)
{
#if ASCMCU_DSP
    __asm__("lsrs %1, %1, #1\n\tit cs\n\tsmmlarcs %0, %0, %2, %0" : "+r"(result), "+r"(*rest) : "r"(factor) : "cc");
    return result;
#else
    const uint32_t is = *rest & 1u;
    *rest >>= 1;
    return is ? lstm_mul(result, factor, result) : result;
#endif
}

/* exp of a number < 0 with `bits` integer bits, one or more, as Q0.15. `bits` is a constant where this is inlined. */
static inline int32_t lstm_exp(int32_t a, const int32_t bits)
{
    const int32_t fraction = 15 - bits;
    const int32_t quarter = 1 << (fraction - 2);
    const int32_t low = a & (quarter - 1);
    const int32_t x = low * (1 << bits) - 0x1000; /* what is left of quarters, in -1/4 ... 0, around -1/8 */
    const int32_t x_q = LSTM_Q(x);
    const int32_t x2 = lstm_mul(x, x_q, 0);
    const int32_t x3 = lstm_mul(x2, x_q, 0);
    const int32_t x4 = (x2 * x2 + 0x14000) >> 17; /* a quarter of the square, both rounded */
    const int32_t tail = (lstm_mul(x4 + x3, LSTM_Q(10923), x2) + 1) >> 1; /* not negative */
    int32_t result = lstm_mul(28918, x_q + LSTM_Q(tail), 28918);
    /* exp of what was left out, a power of two after the other from 1/4 on. */
    uint32_t rest = (uint32_t)(low - quarter - a) >> (fraction - 2);
    result = lstm_large_factor(result, &rest, LSTM_Q(25520 - 0x8000));
    result = lstm_large_factor(result, &rest, LSTM_Q(19875 - 0x8000));
    result = bits > 0 ? lstm_factor(result, &rest, LSTM_Q(12055)) : result;
    result = bits > 1 ? lstm_factor(result, &rest, LSTM_Q(4435)) : result;
    result = bits > 2 ? lstm_factor(result, &rest, LSTM_Q(600)) : result;
    result = bits > 3 ? lstm_factor(result, &rest, LSTM_Q(11)) : result;
    result = bits > 4 ? lstm_factor(result, &rest, 0) : result;
    if (bits > 5 && a < -(1 << (fraction + 5))) {
        result = 0;
    }
    return result;
}

/* 2 / (1 + a) as Q2.13, a in Q0.15: three Newton-Raphson steps. */
static inline int32_t lstm_reciprocal(int32_t a)
{
    const int32_t half = (a + 0x8000) >> 1;
    const int32_t less = LSTM_Q(half - 0x8000); /* than 1: what it multiplies is added */
    int32_t x = lstm_mul(half, LSTM_Q(-15420), 23130);
#define LSTM_STEP x += lstm_mul(x, LSTM_Q(0x2000 - lstm_mul(x, less, x)), 0) * 4
    LSTM_STEP;
    LSTM_STEP;
    LSTM_STEP;
#undef LSTM_STEP
    return x;
}

/* Q3.12 to Q0.15. */
static inline int32_t lstm_logistic(int32_t x)
{
    const int32_t positive = min_i32(lstm_reciprocal(lstm_exp(x > 0 ? -x : x, 3)) * 2, 0x7FFF);
    return x == 0 ? 0x4000 : (x > 0 ? positive : 0x7FFF - positive);
}

/* `bits` integer bits to Q0.15. */
static inline int32_t lstm_tanh(int32_t x, const int32_t bits)
{
    /* Doubled by giving its bits to one more integer bit. */
    const int32_t magnitude = min_i32((lstm_reciprocal(lstm_exp(x < 0 ? x : -x, bits + 1)) - 0x2000) * 4, 0x7FFF);
    return x == 0 ? 0 : (x < 0 ? -magnitude : magnitude);
}

/* MultiplyByQuantizedMultiplier of a sum below 2^30 in magnitude, with a shift to the right: by the mantissa, then by 2^right,
 * whose half is `half`, each rounded. */
static inline int32_t lstm_scale(int32_t sum, int32_t multiplier, int32_t right, int32_t half)
{
    const int32_t scaled = simd_smmlar(sum * 2, multiplier, 0);
    return (scaled + half + (scaled >> 31)) >> right;
}

/* A gate's sums to mean 0 and variance 1, times the coefficients, plus the bias; `guard` stands for a variance of 0. */
static inline void lstm_normalize(int16_t *gate, int32_t cells, const int16_t *coefficients, const int32_t *bias,
    int32_t multiplier, int32_t shift, int32_t guard)
{
    int64_t sum = 0;
    int64_t squares = 0;
    for (int32_t i = 0; i < cells; ++i) {
        sum += gate[i];
        squares += (int32_t)gate[i] * gate[i];
    }
    const int32_t mean = (int32_t)(sum * 1024 / cells);
    const int64_t scaled = squares * ((1 << 20) / cells) - (int64_t)mean * mean;
    const int32_t variance = (int32_t)(scaled / (1 << 20));
    int32_t right = 0;
    const int32_t inverse = inverse_root(variance < 1 ? guard : variance, &right);
    for (int32_t i = 0; i < cells; ++i) {
        const int32_t centred = 1024 * gate[i] - mean;
        const uint32_t rescaled = (uint32_t)multiply_by_quantized_multiplier(centred, inverse, -right);
        const int32_t coefficient = coefficients[i];
        const int32_t weighted = (int32_t)(rescaled * (uint32_t)coefficient + (uint32_t)bias[i]);
        const int32_t value = (int32_t)(((int64_t)weighted + (weighted > 0 ? 512 : -512)) / 1024);
        gate[i] = (int16_t)lstm_saturate(multiply_by_quantized_multiplier(value, multiplier, shift + 12));
    }
}

#endif
