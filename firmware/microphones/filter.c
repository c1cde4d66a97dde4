/* SPDX-License-Identifier: Apache-2.0 */
/* The filter behind the integrators: it passes 7/16 of the sample rate, makes up for what the integrators take there, and
 * gives every second value. Then the microphone's offset goes. ascmcu/listening/pdm.py is the reference: the same bits. */
#include "filter.h"

#include <stddef.h>
#include <string.h>

#include "pdm_filter.h"
#include "simd.h"

_Static_assert(MICROPHONE_BLOCK % 4u == 0u && PDM_TAPS % 8u == 0u, "four samples at a time");

#define ROUNDING (1 << (PDM_FILTER_SHIFT - 1))
#define OFFSET_SHIFT 8 /* the offset is a mean over some 256 samples */

/* What the filter still needs of the last block, then this block. */
static _Alignas(4) int16_t values[PDM_TAPS - 2u + 2u * MICROPHONE_BLOCK];
static int32_t offset; /* times 2^OFFSET_SHIFT */

void filter_reset(void)
{
    memset(values, 0, sizeof values);
    offset = 0;
}

int16_t *filter_values(void) { return &values[PDM_TAPS - 2u]; }

/* Four samples at a time: each pair of values is read once, and meets a pair of taps for each of them. */
static ASCMCU_NOINLINE void filter_four(const int16_t *from, int32_t *samples)
{
    const simd_word *x = (const simd_word *)(const void *)from;
    const simd_word *taps = (const simd_word *)(const void *)pdm_filter;
    int32_t sum0 = ROUNDING, sum1 = ROUNDING, sum2 = ROUNDING, sum3 = ROUNDING;
    uint32_t a, b = 0, c = 0, d = 0; /* taps of the four samples: each follows the one before by a pair */

#define TAKE(newest, second, third, fourth)      \
    do {                                         \
        const uint32_t pair = *x++;              \
                                                 \
        newest = *taps++;                        \
        sum0 = simd_smlad(pair, newest, sum0);   \
        sum1 = simd_smlad(pair, second, sum1);   \
        sum2 = simd_smlad(pair, third, sum2);    \
        sum3 = simd_smlad(pair, fourth, sum3);   \
    } while (0)

#if defined(__GNUC__)
#pragma GCC unroll 1 /* or the sums do not stay in registers */
#endif
    for (size_t i = 0; i < PDM_TAPS / 8u; i++) {
        TAKE(a, b, c, d);
        TAKE(d, a, b, c);
        TAKE(c, d, a, b);
        TAKE(b, c, d, a);
    }
    sum1 = simd_smlad(x[0], b, sum1);
    sum2 = simd_smlad(x[1], b, simd_smlad(x[0], c, sum2));
    sum3 = simd_smlad(x[2], b, simd_smlad(x[1], c, simd_smlad(x[0], d, sum3)));
    samples[0] = sum0;
    samples[1] = sum1;
    samples[2] = sum2;
    samples[3] = sum3;
}

static inline int16_t saturated(int32_t x)
{
    return (int16_t)(x < INT16_MIN ? INT16_MIN : x > INT16_MAX ? INT16_MAX : x);
}

static int16_t without_offset(int32_t sample)
{
    const int32_t rest = sample - (offset >> OFFSET_SHIFT);

    offset += rest;
    return saturated(rest);
}

void filter_block(int16_t *samples)
{
    for (size_t i = 0; i < MICROPHONE_BLOCK; i += 4u) {
        int32_t four[4];

        filter_four(&values[2u * i], four);
        for (size_t n = 0; n < 4u; n++) {
            samples[i + n] = without_offset(saturated(four[n] >> PDM_FILTER_SHIFT));
        }
    }
    memmove(values, &values[2u * MICROPHONE_BLOCK], (PDM_TAPS - 2u) * sizeof values[0]);
}
