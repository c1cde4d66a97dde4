/* SPDX-License-Identifier: Apache-2.0 */
#include "frontend.h"

#include "model.h"

#define HOP 100u

static uint32_t frontend_left, frontend_right, frontend_count;
static bool frontend_ended;

void frontend_reset(void)
{
    frontend_left = 1;
    frontend_right = 2;
    frontend_count = 0;
    frontend_ended = false;
}

size_t frontend_feed(const int16_t *pcm, size_t frames)
{
    size_t taken = 0;

    while (taken < frames && frontend_count < HOP) {
        frontend_left = frontend_left * 31u + (uint16_t)pcm[2 * taken];
        frontend_right = frontend_right * 37u + (uint16_t)pcm[2 * taken + 1];
        frontend_count++;
        taken++;
    }
    return taken;
}

void frontend_finish(void) { frontend_ended = true; }

bool frontend_next(int8_t *row)
{
    if (frontend_count < HOP && !(frontend_ended && frontend_count > 0)) {
        return false;
    }
    for (unsigned i = 0; i < MODEL_INPUT_ROW_BYTES; i++) {
        row[i] = (int8_t)((frontend_left >> (i % 25u)) ^ (frontend_right >> (i % 23u)));
    }
    frontend_count = 0;
    return true;
}
