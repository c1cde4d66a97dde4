/* SPDX-License-Identifier: Apache-2.0 */
/* A microphone with PDM: 64 bits for each sample, the first one in the top bit of the first half-word.
 *
 * Four integrators and four differences 32 bits apart (CIC: Hogenauer 1981), then a filter at twice the sample rate that
 * passes 7/16 of it and makes up for what the integrators take there. Integer arithmetic, modulo 2^32 in the integrators.
 * At last the microphone's offset goes. ascmcu/listening/pdm.py is the reference: the same bits. */
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "pdm_filter.h"
#include "received.h"
#include "simd.h"

_Static_assert(MICROPHONE_WORDS == 4, "64 bits for each sample");

_Static_assert(MICROPHONE_BLOCK % 4u == 0u && PDM_TAPS % 8u == 0u, "four samples at a time");

#define STAGES 4u
#define FULL_SCALE (1u << 19) /* half of 32 to the fourth power */
#define ROUNDING_UP (1u << (SHIFT - 1))
#define SHIFT 4              /* to 16 bits */
#define ROUNDING (1 << (PDM_FILTER_SHIFT - 1))
#define OFFSET_SHIFT 8       /* the offset is a mean over some 256 samples */

/* What eight bits add to the second, third and fourth integrator within a half-word: as its last bits, and as its first
 * ones, behind which eight more come. The fields hold the sums over both. The first integrator adds the ones. */
static uint32_t last_bits[256], first_bits[256];
static uint8_t ones[256];
#define SECOND(sums) ((sums) >> 22)
#define THIRD(sums) ((sums) >> 12 & 0x3FFu)
#define FOURTH(sums) ((sums)&0xFFFu)

static struct {
    uint32_t integrators[STAGES];
    uint32_t before[STAGES]; /* of each difference */
    bool settled;            /* all differences have seen bits */
    int32_t offset;          /* times 2^OFFSET_SHIFT */
} state;

/* At twice the sample rate: what the filter still needs of the last block, then this block. */
static _Alignas(4) int16_t values[PDM_TAPS - 2u + 2u * MICROPHONE_BLOCK];

void received_reset(void)
{
    for (uint32_t byte = 0; byte < 256u; byte++) {
        uint32_t of[STAGES] = {0};

        for (uint32_t bit = 0; bit < 16u; bit++) {
            of[0] += bit < 8u ? byte >> (7u - bit) & 1u : 0u;
            for (uint32_t i = 1; i < STAGES; i++) {
                of[i] += of[i - 1u];
            }
            if (bit == 7u) {
                last_bits[byte] = of[1] << 22 | of[2] << 12 | of[3];
            }
        }
        first_bits[byte] = of[1] << 22 | of[2] << 12 | of[3];
        ones[byte] = (uint8_t)of[0];
    }
    memset(&state, 0, sizeof state);
    memset(values, 0, sizeof values);
}

static inline uint32_t difference(uint32_t value, uint32_t *before)
{
    const uint32_t found = value - *before;

    *before = value;
    return found;
}

static ASCMCU_NOINLINE void integrate(const volatile uint16_t *words)
{
    uint32_t a = state.integrators[0], b = state.integrators[1], c = state.integrators[2], d = state.integrators[3];
    uint32_t e = state.before[0], f = state.before[1], g = state.before[2], h = state.before[3];
    int16_t *to = &values[PDM_TAPS - 2u];

/* 16 more bits: each integrator takes what those before it hold by then. */
#define INTEGRATE(word)                                                                \
    do {                                                                               \
        const uint32_t both = (word), first = both >> 8, last = both & 0xFFu;          \
        const uint32_t sums = first_bits[first] + last_bits[last];                     \
                                                                                       \
        d += 16u * c + 136u * b + 816u * a + FOURTH(sums);                             \
        c += 16u * b + 136u * a + THIRD(sums);                                         \
        b += 16u * a + SECOND(sums);                                                   \
        a += (uint32_t)ones[first] + ones[last];                                       \
    } while (0)

    for (const volatile uint16_t *const end = words + RECEIVED_WORDS; words < end; words += 2) {
        INTEGRATE(words[0]);
        INTEGRATE(words[1]);
        const uint32_t sum = difference(difference(difference(difference(d, &e), &f), &g), &h);
        const int32_t value = (int32_t)(sum - FULL_SCALE + ROUNDING_UP) >> SHIFT; /* -32768 … 32768 */

        *to++ = (int16_t)(value > INT16_MAX ? INT16_MAX : value);
    }
    state.integrators[0] = a;
    state.integrators[1] = b;
    state.integrators[2] = c;
    state.integrators[3] = d;
    state.before[0] = e;
    state.before[1] = f;
    state.before[2] = g;
    state.before[3] = h;
}

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
    const int32_t rest = sample - (state.offset >> OFFSET_SHIFT);

    state.offset += rest;
    return saturated(rest);
}

void received_block(const volatile uint16_t *words, int16_t *samples)
{
    integrate(words);
    if (!state.settled) {
        memset(&values[PDM_TAPS - 2u], 0, STAGES * sizeof values[0]);
        state.settled = true;
    }
    for (size_t i = 0; i < MICROPHONE_BLOCK; i += 4u) {
        int32_t four[4];

        filter_four(&values[2u * i], four);
        for (size_t n = 0; n < 4u; n++) {
            samples[i + n] = without_offset(saturated(four[n] >> PDM_FILTER_SHIFT));
        }
    }
    memmove(values, &values[2u * MICROPHONE_BLOCK], (PDM_TAPS - 2u) * sizeof values[0]);
}
