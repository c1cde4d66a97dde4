/* SPDX-License-Identifier: Apache-2.0 */
/* Between a microphone's peripheral and the application that listens. One file implements it for each peripheral. */
#ifndef ASCMCU_MICROPHONE_H
#define ASCMCU_MICROPHONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Starts it; false where its clock does not come up. From then on blocks come, by interrupt. */
bool microphone_start(void);

/* Blocks that the interrupt handler came too late for; each is MICROPHONE_BLOCK samples. */
uint32_t microphone_overruns(void);

/* The application's: one channel of samples, from the interrupt handler. */
void microphone_block(const int16_t *samples, size_t count);

#endif
