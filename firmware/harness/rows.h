/* SPDX-License-Identifier: Apache-2.0 */
/* Noise for the rows of the next push. */
#ifndef ROWS_H
#define ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "model.h"

/* Bytes of `bits` random bits each. */
static inline void fill_row(uint32_t *seed, unsigned bits, uint8_t *row, size_t size)
{
    for (size_t i = 0; i < size; ++i) {
        *seed = *seed * 1664525u + 1013904223u;
        row[i] = (uint8_t)(*seed >> (32u - bits));
    }
}

static inline void fill_rows(uint32_t *seed, unsigned bits)
{
    /* The C of earlier versions, which tools/before_after runs too, has one input and no MODEL_INPUTS. */
#if defined(MODEL_INPUTS) && MODEL_INPUTS > 1
    for (unsigned input = 0; input < MODEL_INPUTS; ++input) {
        fill_row(seed, bits, (uint8_t *)model_input_at(input), model_input_row_bytes(input));
    }
#else
    fill_row(seed, bits, (uint8_t *)model_input(), MODEL_INPUT_ROW_BYTES);
#endif
}

#endif
