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

/* The rounded product of two Q0.15 numbers that are not both -1. */
static inline int32_t lstm_mul(int32_t a, int32_t b)
{
    return (a * b + 0x4000) >> 15;
}

/* Halves away from zero, as gemmlowp rounds; 2^exponent is a constant where this is inlined. */
static inline int32_t lstm_divide(int32_t x, int32_t exponent)
{
    return (x + ((1 << exponent) >> 1) - (x < 0 ? 1 : 0)) >> exponent;
}

/* One of the factors by which a power of two multiplies an exponential. */
#define LSTM_FACTOR(exponent, factor) \
    if (bits > (exponent) && (rest & (1 << (fraction + (exponent))))) { \
        result = lstm_mul(result, factor); \
    }

/* exp of a number <= 0 with `bits` integer bits, as Q0.15. `bits` is a constant where this is inlined. */
static inline int32_t lstm_exp(int32_t a, const int32_t bits)
{
    const int32_t fraction = 15 - bits;
    const int32_t quarter = 1 << (fraction - 2);
    const int32_t within = (a & (quarter - 1)) - quarter; /* in -1/4 ... 0 */
    const int32_t x = within * (1 << bits) + 0x1000; /* around -1/8 */
    const int32_t x2 = lstm_mul(x, x);
    const int32_t x3 = lstm_mul(x2, x);
    const int32_t x4 = lstm_divide(lstm_mul(x2, x2), 2);
    const int32_t tail = lstm_divide(lstm_mul(x4 + x3, 10923) + x2, 1);
    int32_t result = lstm_saturate(28918 + lstm_mul(x + tail, 28918));
    /* exp of what was left out, a power of two after the other. */
    const int32_t rest = within - a;
    LSTM_FACTOR(-2, 25520)
    LSTM_FACTOR(-1, 19875)
    LSTM_FACTOR(0, 12055)
    LSTM_FACTOR(1, 4435)
    LSTM_FACTOR(2, 600)
    LSTM_FACTOR(3, 11)
    LSTM_FACTOR(4, 0)
    if (bits > 5 && a < -(1 << (fraction + 5))) {
        result = 0;
    }
    return a == 0 ? 0x7FFF : result;
}

#undef LSTM_FACTOR

/* 2 / (1 + a) as Q2.13, a in Q0.15: three Newton-Raphson steps. */
static inline int32_t lstm_reciprocal(int32_t a)
{
    const int32_t half = (a + 0x8000) >> 1;
    int32_t x = 23130 + lstm_mul(half, -15420);
    x += lstm_mul(x, 0x2000 - lstm_mul(half, x)) * 4;
    x += lstm_mul(x, 0x2000 - lstm_mul(half, x)) * 4;
    x += lstm_mul(x, 0x2000 - lstm_mul(half, x)) * 4;
    return x;
}

/* Q3.12 to Q0.15. */
static inline int32_t lstm_logistic(int32_t x)
{
    const int32_t positive = lstm_saturate(lstm_reciprocal(lstm_exp(x > 0 ? -x : x, 3)) * 2);
    return x == 0 ? 0x4000 : (x > 0 ? positive : 0x7FFF - positive);
}

/* `bits` integer bits to Q0.15. */
static inline int32_t lstm_tanh(int32_t x, const int32_t bits)
{
    /* Doubled by giving its bits to one more integer bit. */
    const int32_t magnitude = lstm_saturate((lstm_reciprocal(lstm_exp(x < 0 ? x : -x, bits + 1)) - 0x2000) * 4);
    return x == 0 ? 0 : (x < 0 ? -magnitude : magnitude);
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
