/* SPDX-License-Identifier: Apache-2.0 */
/* The packed product (ascmcu/kernels/_packed_gemm.py): what its assembly is given, and its portable form, which gives the
 * same bits. */
#ifndef ASCMCU_PACKED_GEMM_H
#define ASCMCU_PACKED_GEMM_H

#include "simd.h"

/* What a kernel call of a layer never changes; the assembly loads it in this order. */
typedef struct {
    int32_t loop_bytes; /* of a pixel's vector, to the loop's end */
    int32_t weights_bytes; /* of all groups */
    int32_t next_out; /* from behind the last output to the next pixel's first */
    int32_t next_x;
    int32_t out_step; /* of the second pixel of a pair */
    void (*sums)(void); /* of a pair */
} packed_gemm_call;

typedef struct {
    int32_t pairs;
    int32_t shift;
    int32_t is_signed;
    int32_t is_wide;
    int32_t common; /* 0 nothing; 1 C, 2 all constants are those of all channels */
    int32_t low;
    int32_t high;
    int32_t channel_step;
} packed_gemm_shape;

/* One channel of `twofold`, 256 times the sum: the next constants from `own`, and from `common` what channels share. */
static inline int8_t packed_gemm_requantize(int32_t twofold, const int32_t **own, const int32_t *common, const packed_gemm_shape *shape)
{
    const int32_t **multipliers = shape->common == 2 ? &common : own;
    const int32_t **offsets = shape->common ? &common : own;
    int64_t product = (int64_t)twofold * *(*multipliers)++;
    if (shape->is_wide) {
        product += ((int64_t)twofold * *(*multipliers)++) >> 32;
    }
    const int32_t offset = *(*offsets)++;
    int32_t y = (int32_t)(product >> 32) + offset;
    if (shape->is_signed && twofold < 0) {
        y -= 2 * (offset - *common);
    }
    return (int8_t)clamp_i32(y >> shape->shift, shape->low, shape->high);
}

/* `groups` groups of `width` output channels for each of `pixels` pixels: the definition of what the assembly computes.
 * Each group has its sums before the first tap, its weights, and what each channel has of its own. */
static inline void packed_gemm_portable(const int16_t *x, const int32_t *weights, int8_t *out, int32_t groups, int32_t width,
    int32_t pixels, int32_t x_step, int32_t out_step, const int32_t *common, const packed_gemm_shape *shape)
{
    for (; pixels > 0; --pixels, x += x_step, out += out_step) {
        const int32_t *weight = weights;
        int8_t *to = out;
        for (int32_t group = 0; group < groups; ++group) {
            uint32_t sum[8];
            for (int32_t i = 0; i < width; ++i) {
                sum[i] = (uint32_t)*weight++;
            }
            for (int32_t tap = 0; tap < 2 * shape->pairs; ++tap) {
                for (int32_t i = 0; i < width / 2; ++i) {
                    const int32_t packed = (int16_t)((uint32_t)weight[i] >> (16 * (tap % 2)));
                    sum[2 * i] += (uint32_t)(x[tap] * (int8_t)packed);
                    sum[2 * i + 1] += (uint32_t)(x[tap] * packed);
                }
                weight += tap % 2 * (width / 2);
            }
            for (int32_t i = 0; i < width; ++i, to += shape->channel_step) {
                const uint32_t twofold = i % 2 ? sum[i] - sum[i - 1] : sum[i] << 8;
                *to = packed_gemm_requantize((int32_t)twofold, &weight, common, shape);
            }
        }
    }
}

#endif
