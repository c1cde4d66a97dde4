/* SPDX-License-Identifier: Apache-2.0 */
#include "model.h"

#ifdef MODEL_CYCLES_HEADER
#include MODEL_CYCLES_HEADER
#else
#define MODEL_CYCLES() 0u
#endif

uint32_t model_layer_cycles[MODEL_LAYERS];
/* Where a generated model keeps its activations. */
#define IN_MODEL __attribute__((section(".bss.model")))

static IN_MODEL _Alignas(4) uint8_t model_row[48];
static IN_MODEL uint32_t model_state;
static IN_MODEL uint32_t model_rows;
static IN_MODEL int8_t model_scores[10];

void model_reset(void)
{
    model_state = 2166136261u;
    model_rows = 0;
    for (unsigned i = 0; i < MODEL_LAYERS; i++) {
        model_layer_cycles[i] = 0;
    }
}

void *model_input(void) { return model_row; }

bool model_push(void)
{
    uint32_t start = MODEL_CYCLES();

    for (unsigned i = 0; i < MODEL_INPUT_ROW_BYTES; i++) {
        model_state = (model_state ^ model_row[i]) * 16777619u; /* FNV-1a */
    }
    model_layer_cycles[0] += MODEL_CYCLES() - start;
#if defined(MIXER_FAULT) && defined(__arm__)
    if (model_rows == 3 && model_row[0] == 0xFAu) {
        MIXER_FAULT;
    }
#endif
    /* A layer whose instructions can be counted: 100 NOPs per row. */
    start = MODEL_CYCLES();
    __asm volatile(".rept 100\n nop\n .endr");
    model_layer_cycles[1] += MODEL_CYCLES() - start;
    if (++model_rows < MODEL_INPUT_ROWS) {
        return false;
    }
    start = MODEL_CYCLES();
    for (unsigned i = 0; i < sizeof model_scores; i++) {
        model_scores[i] = (int8_t)(model_state >> (2u * i));
    }
    model_layer_cycles[2] += MODEL_CYCLES() - start;
    return model_rows == MODEL_INPUT_ROWS;
}

const void *model_output(unsigned index) { return index == 0 ? (const void *)model_scores : &model_state; }

size_t model_output_bytes(unsigned index) { return index == 0 ? sizeof model_scores : sizeof model_state; }
