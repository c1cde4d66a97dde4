/* SPDX-License-Identifier: Apache-2.0 */
/* A "network" for tests of the link: its outputs mix every input byte in order, so that nothing can be lost, doubled or
 * swapped unseen. */
#ifndef MODEL_H
#define MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_NAME "mixer"
#define MODEL_SHA256 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define MODEL_SCHEDULE "rows"
#define MODEL_INPUTS 1
#define MODEL_INPUT_ROWS 61
#define MODEL_INPUT_ROW_BYTES 47
#define MODEL_INPUT_BYTES (MODEL_INPUT_ROWS * MODEL_INPUT_ROW_BYTES)
#define MODEL_OUTPUTS 2
#define MODEL_OUTPUT_BYTES 14
#define MODEL_LAYERS 3
#define MODEL_STATE_BYTES 0

void model_reset(void);
void *model_input(void);
bool model_push(void);
const void *model_output(unsigned index);
size_t model_output_bytes(unsigned index);
extern uint32_t model_layer_cycles[MODEL_LAYERS];

#endif
