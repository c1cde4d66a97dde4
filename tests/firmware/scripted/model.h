/* SPDX-License-Identifier: Apache-2.0 */
/* A "network" whose cost and effect a test writes down (test_scripted.py): its outputs are the rows that it got since
 * it was reset, step behind step. */
#ifndef MODEL_H
#define MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_NAME "scripted"
#define MODEL_SHA256 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define MODEL_SCHEDULE "layers"
#define MODEL_INPUTS 1
#define MODEL_INPUT_ROWS 4
#define MODEL_INPUT_ROW_BYTES 6
#define MODEL_INPUT_BYTES (MODEL_INPUT_ROWS * MODEL_INPUT_ROW_BYTES)
#define MODEL_OUTPUTS 2
#define MODEL_OUTPUT_BYTES 300
#define MODEL_LAYERS 70
#ifndef MODEL_STATE_BYTES
#define MODEL_STATE_BYTES 8
#endif

void model_reset(void);
void *model_input(void);
bool model_push(void);
const void *model_output(unsigned index);
size_t model_output_bytes(unsigned index);
extern uint32_t model_layer_cycles[MODEL_LAYERS];

#endif
