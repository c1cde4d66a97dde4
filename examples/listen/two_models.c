/* SPDX-License-Identifier: Apache-2.0 */
/* Two networks in turn on one microphone: a voice activity detector opens the gate of the one that names words.
 *
 * Compile it with two libraries, of which the second has `gate = { model = true, hold_s = 1.0 }` in its decisions:
 *
 *     ascmcu export vad.tflite --format library --prefix vad --listen --decisions vad.toml …
 *     ascmcu export kws.tflite --format library --prefix kws --listen --decisions kws.toml …
 *
 * The detector listens first, so that its events open the gate for the hop of the same samples. start_microphone() and
 * report_event() are yours. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kws_listen.h"
#include "vad_listen.h"

#define BLOCK_SAMPLES 160u

void start_microphone(int16_t *to, size_t samples); /* circular: half_complete() after each half */
void report_event(unsigned class_index, uint32_t start_hop, int32_t score);
void half_complete(bool second);
int main(void);

static int16_t halves[2][BLOCK_SAMPLES];

/* The interrupt of the DMA. */
void half_complete(bool second)
{
    (void)vad_listen_feed(halves[second], BLOCK_SAMPLES);
    (void)kws_listen_feed(halves[second], BLOCK_SAMPLES);
}

void vad_listen_on_event(const struct vad_decisions_event *event)
{
    (void)event;
    kws_decisions_open_gate();
}

void kws_listen_on_event(const struct kws_decisions_event *event)
{
    report_event(event->class_index, event->start_hop, event->score);
}

int main(void)
{
    vad_listen_reset();
    kws_listen_reset();
    start_microphone(halves[0], 2u * BLOCK_SAMPLES);
    for (;;) {
        while (vad_listen_work() != VAD_LISTEN_NOTHING) {
        }
        while (kws_listen_work() != KWS_LISTEN_NOTHING) {
        }
    }
}
