/* SPDX-License-Identifier: Apache-2.0 */
#include "clip.h"

#include <string.h>

#include "hal.h"

static struct {
    enum clip_kind kind;
    bool complete;
    unsigned input;
    size_t row_filled;
    uint64_t total;
    uint64_t hop_from;   /* `total` when the last row had been pushed */
    uint64_t burst_from; /* `total` when the samples or the row now being worked on were handed over */
    uint64_t last_from;  /* the same for the last row */
    uint32_t overhead;
#if ASCMCU_DECISIONS
    uint64_t energy; /* of the samples of this step: the sum of their squares */
#endif
    struct clip_counts counts;
} clip IN_PROTOCOL_RAM;

static uint32_t elapsed(uint32_t since)
{
    const uint32_t raw = hal_cycles() - since;
    return raw > clip.overhead ? raw - clip.overhead : 0;
}

static void account(uint64_t *part, uint32_t count)
{
    *part += count;
    clip.total += count;
}

void clip_init(void)
{
    uint32_t least = UINT32_MAX;

    clip.overhead = 0;
    for (int i = 0; i < 8; i++) {
        const uint32_t pair = elapsed(hal_cycles());
        least = pair < least ? pair : least;
    }
    clip.overhead = least;
}

#if ASCMCU_FRONTEND
static uint32_t clip_samples(bool continues)
{
#ifdef FRONTEND_STEP_SAMPLES
    return continues ? FRONTEND_STEP_SAMPLES : FRONTEND_CLIP_SAMPLES;
#else
    (void)continues;
    return FRONTEND_CLIP_SAMPLES;
#endif
}
#endif

uint32_t clip_bytes(enum clip_kind kind, bool continues)
{
    if (kind == CLIP_TENSOR) {
        return (uint32_t)MODEL_INPUT_BYTES;
    }
#if ASCMCU_FRONTEND
    return clip_samples(continues) * (uint32_t)FRONTEND_CHANNELS * (uint32_t)sizeof(int16_t);
#else
    (void)continues;
    return 0;
#endif
}

void clip_begin(enum clip_kind kind, bool continues)
{
    clip.kind = kind;
    clip.complete = false;
    clip.input = 0;
    clip.row_filled = 0;
    clip.total = 0;
    clip.hop_from = 0;
    clip.burst_from = 0;
    clip.last_from = 0;
    memset(&clip.counts, 0, sizeof clip.counts);
    if (continues) {
        memset(model_layer_cycles, 0, sizeof model_layer_cycles);
    } else {
        model_reset();
#if ASCMCU_DECISIONS
        decisions_reset();
#endif
    }
#if ASCMCU_DECISIONS
    clip.energy = 0;
#endif
#if ASCMCU_FRONTEND
#ifdef FRONTEND_STEP_SAMPLES
    if (!continues) {
        frontend_reset();
    }
#else
    frontend_reset();
#endif
#endif
}

static void push_row(void)
{
    const uint32_t start = hal_cycles();
    clip.complete = model_push();
    account(&clip.counts.network, elapsed(start));

    const uint64_t hop = clip.total - clip.hop_from;
    if (hop > clip.counts.worst_hop) {
        clip.counts.worst_hop = hop;
    }
    clip.hop_from = clip.total;
    clip.last_from = clip.burst_from;
    clip.counts.rows++;
}

#if MODEL_INPUTS == 1
static void *row_of(unsigned input)
{
    (void)input;
    return model_input();
}

static size_t row_bytes(unsigned input)
{
    return input == 0 ? (size_t)MODEL_INPUT_ROW_BYTES : 0;
}
#else
static void *row_of(unsigned input) { return model_input_at(input); }

static size_t row_bytes(unsigned input) { return model_input_row_bytes(input); }
#endif

/* The next input, from this one on, that has a row in this push; MODEL_INPUTS when none has. */
static unsigned with_row(unsigned input)
{
    while (input < MODEL_INPUTS && row_bytes(input) == 0) {
        input++;
    }
    return input;
}

static void feed_tensor(const uint8_t *data, size_t size)
{
    while (size > 0 && clip.input < MODEL_INPUTS) {
        const size_t room = row_bytes(clip.input) - clip.row_filled;
        const size_t taken = size < room ? size : room;

        memcpy((uint8_t *)row_of(clip.input) + clip.row_filled, data, taken);
        clip.row_filled += taken;
        data += taken;
        size -= taken;
        if (clip.row_filled < row_bytes(clip.input)) {
            continue;
        }
        clip.row_filled = 0;
        clip.input = with_row(clip.input + 1);
        if (clip.input == MODEL_INPUTS) {
            clip.burst_from = clip.total;
            push_row();
            clip.input = with_row(0);
        }
    }
}

#if ASCMCU_FRONTEND
static void push_due_rows(void)
{
    bool due = true;

    while (due) {
        const uint32_t start = hal_cycles();
        due = frontend_next(model_input());
        account(&clip.counts.frontend, elapsed(start));
        if (due) {
            push_row();
        }
    }
}

static void feed_audio(const int16_t *pcm, size_t frames)
{
    while (frames > 0) {
        clip.burst_from = clip.total;
        const uint32_t start = hal_cycles();
        const size_t taken = frontend_feed(pcm, frames);
        account(&clip.counts.frontend, elapsed(start));
#if ASCMCU_DECISIONS
        for (size_t i = 0; i < taken * (size_t)FRONTEND_CHANNELS; i++) {
            clip.energy += (uint32_t)((int32_t)pcm[i] * pcm[i]);
        }
#endif
        pcm += taken * (size_t)FRONTEND_CHANNELS;
        frames -= taken;
        push_due_rows();
    }
}

#ifndef FRONTEND_STEP_SAMPLES
static void finish_audio(void)
{
    clip.burst_from = clip.total;
    const uint32_t start = hal_cycles();
    frontend_finish();
    account(&clip.counts.frontend, elapsed(start));
    push_due_rows();
}
#endif
#endif

void clip_feed(const uint8_t *data, size_t size)
{
#if ASCMCU_FRONTEND
    if (clip.kind == CLIP_AUDIO) {
        feed_audio((const int16_t *)(const void *)data, size / (sizeof(int16_t) * (size_t)FRONTEND_CHANNELS));
        return;
    }
#endif
    feed_tensor(data, size);
}

bool clip_finish(void)
{
#if ASCMCU_FRONTEND && !defined(FRONTEND_STEP_SAMPLES)
    if (clip.kind == CLIP_AUDIO) {
        finish_audio();
    }
#endif
    clip.counts.latency = clip.total - clip.last_from;
#if ASCMCU_DECISIONS
    if (clip.complete) {
        clip.counts.events_count = decisions_take(model_output(0), clip.energy, clip.counts.events);
    }
#endif
    return clip.complete;
}

const struct clip_counts *clip_counts(void) { return &clip.counts; }
