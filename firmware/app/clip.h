/* SPDX-License-Identifier: Apache-2.0 */
/* One clip through the front end and the network, with the counts that a benchmark reports. */
#ifndef ASCMCU_CLIP_H
#define ASCMCU_CLIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model.h"
#if ASCMCU_FRONTEND
#include "frontend.h"
#endif
#if ASCMCU_DECISIONS
#include "decisions.h"
#endif

enum clip_kind {
    CLIP_AUDIO = 0,  /* interleaved int16 samples for the front end */
    CLIP_TENSOR = 1, /* the network's input, row by row */
};

struct clip_counts {
    uint64_t frontend;
    uint64_t network;
    uint64_t worst_hop; /* most work between two feature rows, both parts */
    uint64_t latency;   /* from handing over the samples that complete the last row, to the result */
    uint32_t rows;
#if ASCMCU_DECISIONS
    size_t events_count;
    struct decisions_event events[DECISIONS_RULES]; /* those that begin in it */
#endif
};

/* Counts how long reading the counter takes, to be subtracted from every measurement. */
void clip_init(void);

/* Bytes of a whole clip of that kind, 0 when this firmware does not take the kind. One that continues is the next step
 * of a network with states: of audio it has what the first step does not. */
uint32_t clip_bytes(enum clip_kind kind, bool continues);

/* A clip from its start, or the next step of a network with states, behind one that is complete. */
void clip_begin(enum clip_kind kind, bool continues);

/* `data` is 4-byte aligned; `size` is a multiple of one sample frame for audio. */
void clip_feed(const uint8_t *data, size_t size);

/* True when the network has delivered its result. */
bool clip_finish(void);

const struct clip_counts *clip_counts(void);

#endif
