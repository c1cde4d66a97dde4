/* SPDX-License-Identifier: Apache-2.0 */
/* hal.h on any Cortex-M4: a buffer that the receive interrupt fills, sleep until a byte or a tick, DWT for counting. */
#include "hal.h"

#include <string.h>

#include "board_config.h"
#include "core.h"
#include "soc.h"

#define WAIT_POLLS 60000u
/* Framing errors that make the rate doubtful, if they come with one byte in four: a sender at another rate makes them
 * without end, a noisy line only few. */
#define RATE_ERRORS 16u

static uint8_t *received;           /* the application's buffer */
static size_t received_capacity;
static volatile size_t received_size; /* bytes in it: the interrupt adds, hal_drop() takes away */
static uint32_t dropped_bytes;        /* those that are no longer in it, wraps */
static volatile uint32_t ticks;
static volatile bool due_to_feed;
static volatile uint32_t overruns;
static volatile uint32_t line_errors;
static uint32_t send_timeouts;
static bool ticking;
static struct soc_clock started;
static uint32_t rate, rate_errors, rate_bytes; /* and the counts when it was last looked at */
static enum hal_counter counter;
static struct hal_probe probe;
static enum hal_reset reset_cause;
static const volatile uint32_t standing_counter;

const volatile uint32_t *hal_counter_register = &standing_counter;

bool soc_wait_for(const volatile uint32_t *at, uint32_t mask, uint32_t value)
{
    for (uint32_t i = 0; i < WAIT_POLLS; i++) {
        if ((*at & mask) == value) {
            return true;
        }
    }
    return false;
}

static bool moves(const volatile uint32_t *at)
{
    const uint32_t first = *at;

    for (int i = 0; i < 64; i++) {
        __asm volatile("nop");
    }
    return *at != first;
}

#define PROBE_ROUNDS 256u
#define PROBE_LOOP_INSTRUCTIONS 3u

static uint32_t count_additions(uint32_t rounds)
{
    uint32_t sum = 0;
    const uint32_t before = hal_cycles();

    __asm volatile(".balign 8            \n"
                   "1: add.w %0, %0, %1  \n"
                   "subs.w %1, %1, #1    \n"
                   "bne.n 1b             \n"
                   : "+r"(sum), "+r"(rounds)
                   :
                   : "cc");
    return hal_cycles() - before;
}

/* The quotient is long, so that no divider ends early (Cortex-M4 TRM table 3-1: 2 to 12 cycles). */
static uint32_t count_divisions(uint32_t rounds)
{
    uint32_t quotient;
    const uint32_t before = hal_cycles();

    __asm volatile(".balign 8            \n"
                   "1: udiv %0, %2, %3   \n"
                   "subs.w %1, %1, #1    \n"
                   "bne.n 1b             \n"
                   : "=&r"(quotient), "+r"(rounds)
                   : "r"(0xFFFFFFFFu), "r"(3u)
                   : "cc");
    return hal_cycles() - before;
}

/* Differences of a long and a short run: what surrounds the loops, and the first fetch from flash, drop out. */
static void probe_counter(void)
{
    (void)count_additions(PROBE_ROUNDS);
    (void)count_divisions(PROBE_ROUNDS);
    probe.instructions = PROBE_LOOP_INSTRUCTIONS * PROBE_ROUNDS;
    probe.additions = 0u - count_additions(PROBE_ROUNDS);
    probe.additions += count_additions(2u * PROBE_ROUNDS);
    probe.divisions = 0u - count_divisions(PROBE_ROUNDS);
    probe.divisions += count_divisions(2u * PROBE_ROUNDS);
}

static void start_counter(void)
{
    DEMCR |= DEMCR_TRCENA;
    DWT_CTRL |= DWT_CTRL_CYCCNTENA;
    hal_counter_register = &DWT_CYCCNT;
    if (moves(hal_counter_register)) {
        counter = HAL_COUNTER_DWT;
        return;
    }
    const volatile uint32_t *timer = soc_start_timer();

    if (timer != NULL && moves(timer)) {
        hal_counter_register = timer;
        counter = HAL_COUNTER_TIMER;
    }
}

void hal_init(uint8_t *buffer, size_t size)
{
    received = buffer;
    received_capacity = size;
    reset_cause = soc_reset_cause();
    started = soc_start_clock();
    start_counter();
    if (counter != HAL_COUNTER_NONE) {
        probe_counter();
    }
    rate = started.how == HAL_CLOCK_HSI_ALONE ? BOARD_BAUD_FALLBACK : BOARD_BAUD;
    soc_start_port(started.port_hz, rate);
    soc_start_watchdog();
}

static uint32_t received_bytes(void) { return dropped_bytes + (uint32_t)received_size; }

/* The host cannot ask for a rate that it cannot be heard at; it tries the board's two in turn, and so do we. */
static void follow_rate(void)
{
    const uint32_t errors = line_errors - rate_errors;
    const uint32_t bytes = received_bytes() - rate_bytes;

    if (errors < RATE_ERRORS || started.how == HAL_CLOCK_HSI_ALONE) {
        return;
    }
    if (errors > bytes / 4u) {
        soc_drain();
        rate = rate == BOARD_BAUD ? BOARD_BAUD_FALLBACK : BOARD_BAUD;
        soc_start_port(started.port_hz, rate);
    }
    rate_errors = line_errors;
    rate_bytes = received_bytes();
}

void soc_received(uint8_t byte)
{
    const size_t size = received_size;

    if (size == received_capacity) {
        overruns++;
        return;
    }
    received[size] = byte;
    received_size = size + 1u;
}

void soc_serial_handler(void)
{
    for (uint32_t i = 0; i < SOC_BURST_BYTES && soc_take_byte(); i++) {
    }
}

void soc_drain(void)
{
    for (uint32_t polls = 0; polls < SOC_DRAIN_POLLS && !soc_sent(); polls++) {
    }
}

void soc_overrun(void) { overruns++; }

void soc_line_error(void) { line_errors++; }

void soc_ticked(void)
{
    ticks++;
    due_to_feed = true;
}

void hal_drop(size_t count)
{
    /* Short, as the receiver waits: mostly nothing lies behind a frame, else a delimiter or a question of a few bytes. */
    __asm volatile("cpsid i" ::: "memory");
    const size_t left = received_size - count;

    if (left > 0u) {
        memmove(received, received + count, left);
    }
    received_size = left;
    dropped_bytes += (uint32_t)count;
    __asm volatile("cpsie i" ::: "memory");
}

bool hal_write(const uint8_t *from, size_t size)
{
    soc_feed_watchdog();
    const bool sent = soc_send(from, size);

    send_timeouts += !sent;
    return sent;
}

void hal_quiet(void)
{
    soc_feed_watchdog();
    soc_drain(); /* what moves bytes by itself shares the memories with the core */
    soc_stop_ticks();
    ticking = false;
}

size_t hal_wait(size_t seen, uint32_t limit_ms)
{
    size_t there;

    follow_rate();
    if (!ticking) {
        soc_start_ticks(started.core_hz);
        ticking = true;
    }
    ticks = 0;
    for (;;) {
        if (due_to_feed) { /* once a tick, not once a byte: some watchdogs take many cycles for it */
            due_to_feed = false;
            soc_feed_watchdog();
        }
        /* With interrupts masked WFI still wakes for a pending one, so a byte between test and sleep is not missed
         * (PM0214 3.11.12). The barrier makes the unmasked interrupt run before the next test. */
        __asm volatile("cpsid i" ::: "memory");
        there = received_size;
        if (there > seen || ticks * SOC_TICK_MS >= limit_ms) {
            break;
        }
        __asm volatile("dsb \n wfi \n cpsie i \n isb" ::: "memory");
    }
    __asm volatile("cpsie i" ::: "memory");
    return there;
}

void hal_status(struct hal_status *status)
{
    *status = (struct hal_status){
        .probe = probe,
        .last_fault = soc_kept_fault(),
        .clock_hz = started.core_hz,
        .stack_bytes = soc_stack_bytes(),
        .received_bytes = received_bytes(),
        .overruns = overruns,
        .line_errors = line_errors,
        .send_timeouts = send_timeouts,
        .wait_states = started.wait_states,
        .counter = (uint8_t)counter,
        .clock = (uint8_t)started.how,
        .reset = (uint8_t)reset_cause,
    };
}

uint32_t hal_stack_peak(void) { return soc_stack_peak(); }
