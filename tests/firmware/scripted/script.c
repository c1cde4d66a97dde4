/* SPDX-License-Identifier: Apache-2.0 */
/* The hardware, the network and the front end as a test writes them down: what each costs, what comes, what is lost. */
#include <string.h>

#include "frontend.h"
#include "hal.h"
#include "model.h"

/* Written by the test before it calls protocol_step(). Costs are taken in turn and begin anew at their ends. */
struct costs {
    uint32_t values[16];
    uint32_t count, at;
};
struct costs script_read, script_push, script_feed, script_next, script_finish;
struct hal_status script_status;
uint32_t script_stack_peak;
uint32_t script_received_in_push; /* bytes that the receiver takes while the network runs */
uint32_t script_rows_wanted = MODEL_INPUT_ROWS;
uint8_t script_coming[8192], script_sent[65536];
size_t script_coming_size, script_sent_size;
size_t script_writes_before_failure = SIZE_MAX, script_writes_tried;
uint32_t script_waited_ms, script_quiet;

static uint32_t counter;
static uint8_t *buffer;
static size_t capacity, filled;

static uint32_t taken(struct costs *costs)
{
    return costs->count == 0 ? 0 : costs->values[costs->at++ % costs->count];
}

uint32_t hal_cycles(void)
{
    counter += taken(&script_read);
    return counter;
}

void hal_init(uint8_t *to, size_t size)
{
    buffer = to;
    capacity = size;
    filled = 0;
    counter = UINT32_MAX - 1000u; /* it wraps soon */
}

size_t hal_wait(size_t seen, uint32_t limit_ms)
{
    const size_t room = capacity - filled;
    const size_t size = script_coming_size < room ? script_coming_size : room;

    script_waited_ms = limit_ms;
    if (filled <= seen) {
        memcpy(buffer + filled, script_coming, size);
        memmove(script_coming, script_coming + size, script_coming_size - size);
        script_coming_size -= size;
        filled += size;
        script_status.received_bytes += (uint32_t)size;
    }
    return filled;
}

void hal_drop(size_t count)
{
    filled -= count;
    memmove(buffer, buffer + count, filled);
}

bool hal_write(const uint8_t *from, size_t size)
{
    if (script_writes_tried++ >= script_writes_before_failure) {
        return false;
    }
    memcpy(script_sent + script_sent_size, from, size);
    script_sent_size += size;
    return true;
}

void hal_quiet(void) { script_quiet++; }
void hal_status(struct hal_status *status) { *status = script_status; }
uint32_t hal_stack_peak(void) { return script_stack_peak; }

uint32_t model_layer_cycles[MODEL_LAYERS];
static int8_t row[MODEL_INPUT_ROW_BYTES];
static uint8_t seen[MODEL_OUTPUT_BYTES];
static uint32_t rows, steps;

void model_reset(void)
{
    rows = 0;
    steps = 0;
    memset(seen, 0, sizeof seen);
    for (unsigned i = 0; i < MODEL_LAYERS; i++) {
        model_layer_cycles[i] = 0;
    }
}

void *model_input(void) { return row; }

bool model_push(void)
{
    const uint32_t cost = taken(&script_push);

    counter += cost;
    script_status.received_bytes += script_received_in_push;
    for (unsigned i = 0; i < MODEL_LAYERS; i++) {
        model_layer_cycles[i] += 1000u * rows + i;
    }
    memcpy(seen + (MODEL_INPUT_ROWS * steps + rows) * sizeof row, row, sizeof row);
    rows++;
    const bool complete = rows == script_rows_wanted;
    if (rows == MODEL_INPUT_ROWS) {
        rows = 0;
        steps++;
    }
    return complete;
}

const void *model_output(unsigned index) { return index == 0 ? seen : seen + 10; }
size_t model_output_bytes(unsigned index) { return index == 0 ? 10 : sizeof seen - 10; }

static uint32_t frames;
static int16_t last[6];
static bool ended;

void frontend_reset(void)
{
    frames = 0;
    ended = false;
    memset(last, 0, sizeof last);
}

size_t frontend_feed(const int16_t *pcm, size_t count)
{
    size_t used = 0;

    counter += taken(&script_feed);
    while (used < count && frames < 3) {
        last[2 * frames] = pcm[2 * used];
        last[2 * frames + 1] = pcm[2 * used + 1];
        frames++;
        used++;
    }
    return used;
}

void frontend_finish(void)
{
    counter += taken(&script_finish);
    ended = true;
}

bool frontend_next(int8_t *to)
{
    counter += taken(&script_next);
    if (frames < 3 && !(ended && frames > 0)) {
        return false;
    }
    for (unsigned i = 0; i < 6; i++) {
        to[i] = (int8_t)(i < 2 * frames ? last[i] : 0);
    }
    frames = 0;
    return true;
}
