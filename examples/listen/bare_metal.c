/* SPDX-License-Identifier: Apache-2.0 */
/* A main loop without an operating system: the microphone's DMA fills one half of a buffer while the other is read.
 *
 * Compile it with a library from `ascmcu export --format library --listen --decisions …`. start_microphone() and
 * report_event() are yours. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "listen.h"

#define BLOCK_SAMPLES 160u

void start_microphone(int16_t *to, size_t samples); /* circular: half_complete() after each half */
void report_event(unsigned class_index, uint32_t start_hop, int32_t score);
void half_complete(bool second);
int main(void);

static int16_t halves[2][BLOCK_SAMPLES * LISTEN_CHANNELS];

/* The interrupt of the DMA. */
void half_complete(bool second)
{
    (void)listen_feed(halves[second], BLOCK_SAMPLES); /* what is lost is counted: listen_lost() */
}

void listen_on_event(const struct decisions_event *event)
{
    report_event(event->class_index, event->start_hop, event->score);
}

static void sleep_until_samples(void)
{
#if defined(__arm__)
    /* An interrupt between the question and the sleep still wakes the core, because it stays pending. */
    __asm volatile("cpsid i" ::: "memory");
    if (listen_waiting() == 0u) {
        __asm volatile("dsb \n wfi" ::: "memory");
    }
    __asm volatile("cpsie i" ::: "memory");
#endif
}

int main(void)
{
    listen_reset();
    start_microphone(halves[0], 2u * BLOCK_SAMPLES);
    for (;;) {
        while (listen_work() != LISTEN_NOTHING) {
        }
        sleep_until_samples();
    }
}
