/* SPDX-License-Identifier: Apache-2.0 */
/* A microphone with I2S, its L/R pin low: 16 of its bits are in the left slot, and the right one is empty. */
#include <stddef.h>

#include "received.h"

_Static_assert(MICROPHONE_WORDS == 2, "a half-word for each slot");

void received_reset(void) {}

void received_block(const volatile uint16_t *words, int16_t *samples)
{
    for (size_t i = 0; i < MICROPHONE_BLOCK; i++) {
        samples[i] = (int16_t)words[2u * i];
    }
}
