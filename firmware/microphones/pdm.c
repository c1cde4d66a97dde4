/* SPDX-License-Identifier: Apache-2.0 */
/* A microphone with PDM: 64 bits for each sample, the first one in the top bit of the first half-word.
 *
 * Four integrators and four differences 32 bits apart (CIC: Hogenauer 1981) give values at twice the sample rate, of which
 * filter.c makes samples. Integer arithmetic, modulo 2^32. ascmcu/listening/pdm.py is the reference: the same bits. */
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "filter.h"
#include "received.h"
#include "simd.h"

_Static_assert(MICROPHONE_WORDS == 4, "64 bits for each sample");

#define STAGES 4u
#define FULL_SCALE (1u << 19) /* half of 32 to the fourth power */
#define ROUNDING_UP (1u << (SHIFT - 1))
#define SHIFT 4              /* to 16 bits */

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
} state;

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
    filter_reset();
}

static inline uint32_t difference(uint32_t value, uint32_t *before)
{
    const uint32_t found = value - *before;

    *before = value;
    return found;
}

static ASCMCU_NOINLINE void integrate(const volatile uint16_t *words, int16_t *to)
{
    uint32_t a = state.integrators[0], b = state.integrators[1], c = state.integrators[2], d = state.integrators[3];
    uint32_t e = state.before[0], f = state.before[1], g = state.before[2], h = state.before[3];

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

void received_block(const volatile uint16_t *words, int16_t *samples)
{
    int16_t *const values = filter_values();

    integrate(words, values);
    if (!state.settled) {
        memset(values, 0, STAGES * sizeof values[0]);
        state.settled = true;
    }
    filter_block(samples);
}
