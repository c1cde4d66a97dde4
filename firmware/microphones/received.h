/* SPDX-License-Identifier: Apache-2.0 */
/* Between a peripheral that receives half-words and what makes samples of them. One file implements it for each kind of
 * microphone. */
#ifndef ASCMCU_RECEIVED_H
#define ASCMCU_RECEIVED_H

#include <stdint.h>

#include "microphone_config.h"

#define RECEIVED_WORDS (MICROPHONE_BLOCK * MICROPHONE_WORDS) /* of a block */

void received_reset(void);

/* MICROPHONE_BLOCK samples out of RECEIVED_WORDS half-words, which follow those of the last call. */
void received_block(const volatile uint16_t *words, int16_t *samples);

#endif
