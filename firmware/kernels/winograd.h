/* SPDX-License-Identifier: Apache-2.0 */
/* Winograd's short convolutions (ascmcu/kernels/conv2d_winograd.py): the portable form of the assembly, which gives the
 * same bits. */
#ifndef ASCMCU_WINOGRAD_H
#define ASCMCU_WINOGRAD_H

#include "packed_gemm.h"

/* Adds the products of a vector of `words` pairs of taps with every other word of `weights`, modulo 2^32. */
static inline uint32_t winograd_sum(const int16_t *x, const int32_t *weights, int32_t words, uint32_t sum)
{
    for (int32_t i = 0; i < words; ++i) {
        const uint32_t two = (uint32_t)weights[2 * i];
        sum += (uint32_t)(x[2 * i] * (int16_t)two) + (uint32_t)(x[2 * i + 1] * (int16_t)(two >> 16));
    }
    return sum;
}

/* Eight outputs side by side, `out_c` bytes apart, of `out_c` channels: the definition of what the assembly computes.
 * x has four vectors of `first` words for each of P1 and P2, then of `last` words for each of P0
 * and P3. Each channel has `constants` of its own. */
static inline void winograd_portable(const int16_t *x, const int32_t *weights, int8_t *out, int32_t out_c, int32_t first,
    int32_t last, int32_t constants, const int32_t *common, const packed_gemm_shape *shape)
{
    for (int32_t channel = 0; channel < out_c; channel += 2) {
        const int32_t *const start = weights;
        const int32_t *const p1 = start + 2;
        const int32_t *const p2 = p1 + 2 * first;
        const int32_t *const p0 = p2 + 2 * first;
        const int32_t *own = p0 + 2 * last;
        uint32_t odd[8];
        for (int32_t i = 0; i < 8; ++i) {
            const int32_t c = i / 4;
            const int16_t *const pair = x + 2 * first * (i % 4);
            const uint32_t once = winograd_sum(pair, p1 + c, first, (uint32_t)start[c]);
            const uint32_t twice = winograd_sum(pair + 8 * first, p2 + c, first, once);
            const uint32_t even = winograd_sum(x + 16 * first + 2 * last * (i % 4), p0 + c, last, twice);
            const int32_t *mine = own + (i < 4 ? 0 : constants);
            odd[i] = 2 * once - twice;
            out[2 * (i % 4) * out_c + c] = packed_gemm_requantize((int32_t)even, &mine, common, shape);
        }
        own += 2 * constants;
        const int32_t *const p3 = own;
        own += 2 * last;
        for (int32_t i = 0; i < 8; ++i) {
            const int32_t c = i / 4;
            const int32_t *mine = own + (i < 4 ? 0 : constants);
            const uint32_t sum = winograd_sum(x + 16 * first + 8 * last + 2 * last * (i % 4), p3 + c, last, odd[i]);
            out[(2 * (i % 4) + 1) * out_c + c] = packed_gemm_requantize((int32_t)sum, &mine, common, shape);
        }
        weights = own + 2 * constants;
        out += 2;
    }
}

#endif
