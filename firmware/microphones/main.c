/* SPDX-License-Identifier: Apache-2.0 */
/* Listens to a microphone, sleeps between its blocks, and tells of every hop over the serial port. */
#include <string.h>

#include "board_config.h"
#include "frame.h"
#include "hal.h"
#include "listen.h"
#include "microphone.h"
#include "microphone_config.h"
#include "model.h"
#include "protocol.h"

static uint8_t received[16]; /* nothing is asked of it yet */
static uint32_t busy_cycles; /* of the hop that is under way */
static size_t events_count;
static struct decisions_event events[DECISIONS_RULES];

void microphone_block(const int16_t *samples, size_t count)
{
    (void)listen_feed(samples, count);
}

void listen_on_event(const struct decisions_event *event)
{
    events[events_count++] = *event;
}

static void begin(enum protocol_type type, uint8_t flags)
{
    frame_begin();
    frame_put_u8((uint8_t)type);
    frame_put_u8(flags);
    frame_put_u16(0);
}

static void tell_hop(void)
{
    begin(PROTOCOL_HEARD, 0);
    frame_put_u32(listen_hops() - 1u);
    frame_put_u32(listen_lost() + microphone_overruns() * MICROPHONE_BLOCK);
    frame_put_u32(listen_waiting());
    frame_put_u32(busy_cycles);
    frame_put_u8((uint8_t)events_count);
    for (size_t i = 0; i < events_count; i++) {
        frame_put_u16(events[i].rule);
        frame_put_u32(events[i].start_hop);
        frame_put_u32((uint32_t)events[i].score);
    }
    frame_put(model_output(0), model_output_bytes(0));
    frame_end();
    events_count = 0;
    busy_cycles = 0;
}

void app_fault(const struct hal_fault *fault)
{
    begin(PROTOCOL_FAULT, (uint8_t)fault->exception);
    frame_put_u32(fault->pc);
    frame_put_u32(fault->lr);
    frame_put_u32(fault->cfsr);
    frame_put_u32(fault->hfsr);
    frame_put_u32(fault->mmfar);
    frame_put_u32(fault->bfar);
    frame_put_u32(hal_stack_peak());
    frame_end();
}

/* With interrupts masked WFI still wakes for a pending one, so a block between test and sleep is not missed
 * (PM0214 3.11.12). */
static void sleep_until_block(void)
{
    __asm volatile("cpsid i" ::: "memory");
    if (listen_waiting() == 0u) {
        __asm volatile("dsb \n wfi" ::: "memory");
    }
    __asm volatile("cpsie i \n isb" ::: "memory");
}

int main(void)
{
    hal_init(received, sizeof received);
    listen_reset();
    if (!microphone_start()) {
        return 1; /* the chip is reset, and tries again */
    }
    for (;;) {
        const uint32_t start = hal_cycles();
        const enum listen_did did = listen_work();

        busy_cycles += hal_cycles() - start;
        if (did == LISTEN_HOP) {
            tell_hop();
        } else if (did == LISTEN_NOTHING) {
            sleep_until_block();
        }
    }
}
