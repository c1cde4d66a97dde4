/* SPDX-License-Identifier: Apache-2.0 */
/* From values at twice the sample rate, which integrators over the bits of a microphone give, to samples. */
#ifndef ASCMCU_FILTER_H
#define ASCMCU_FILTER_H

#include <stdint.h>

#include "microphone_config.h"

void filter_reset(void);

/* Where the next 2 * MICROPHONE_BLOCK values go. */
int16_t *filter_values(void);

/* MICROPHONE_BLOCK samples of them. */
void filter_block(int16_t *samples);

#endif
