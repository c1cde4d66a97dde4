/* SPDX-License-Identifier: Apache-2.0 */
/* Between what all Cortex-M4 parts share (this folder) and what a family adds.
 *
 * A family gives chip.h (the numbers of its interrupts) and the functions of the first half; it calls those of the
 * second from its serial interrupt. */
#ifndef ASCMCU_SOC_H
#define ASCMCU_SOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hal.h"

#define SOC_TICK_MS 10u
#define SOC_WATCHDOG_S 16u /* the most that all families have */
/* Bytes that one run of the handler takes. More than one are there only on emulators, whose ports hold a queue; taking them
 * in a loop saves entering and leaving the handler, which costs those more than the byte. */
#define SOC_BURST_BYTES 64u
#define SOC_SEND_BYTES 256u    /* that can be under way where bytes move by themselves */
#define SOC_SEND_POLLS 200000u /* per byte; a byte takes 87 µs at 115200 baud */
#define SOC_DRAIN_POLLS (16u * SOC_SEND_POLLS) /* for all bytes that are under way: 22 ms */

struct soc_clock {
    uint32_t core_hz;
    uint32_t port_hz; /* what clocks the serial port */
    uint8_t wait_states;
    enum hal_clock how;
};

/* ---- a family's part ---- */

/* First thing after reset, before any memory is initialised: watchdogs that cannot wait. */
void soc_first(void);

/* Brings up the clock of board_config.h, or the best that answers in time. */
struct soc_clock soc_start_clock(void);

/* Pins, rate, receive interrupt of the port in board_config.h; called again for another rate. */
void soc_start_port(uint32_t port_hz, uint32_t baud);

/* Takes all bytes, or gives up when the transmitter does not take one in time. What `from` holds has then been copied;
 * some of it may still be on its way. */
bool soc_send(const uint8_t *from, size_t size);

/* Whether all that was taken has left, the last stop bit included. */
bool soc_sent(void);

/* Hands a received byte, or what went wrong with it, to the functions of the second half; false when there is none. */
bool soc_take_byte(void);

/* Gives a byte to the transmitter if it takes one now; for families whose bytes the core sends (firmware/soc/polled). */
bool soc_put_byte(uint8_t byte);

/* A 32-bit counter for cores whose own stands still, null without one. */
const volatile uint32_t *soc_start_timer(void);

/* An interrupt every SOC_TICK_MS that ends WFI. */
void soc_start_ticks(uint32_t core_hz);
void soc_stop_ticks(void);

/* Why the chip started; what it is read from is cleared. */
enum hal_reset soc_reset_cause(void);

/* Resets the chip if it is not fed for SOC_WATCHDOG_S or a little more; one that depends on no other clock. */
void soc_start_watchdog(void);
void soc_feed_watchdog(void);

void soc_microphone_handler(void); /* of a firmware with a microphone; its number is below the serial port's, or behind the tick's */
void soc_tick_handler(void);

/* ---- the common part ---- */

void soc_serial_handler(void);
void soc_received(uint8_t byte);
void soc_overrun(void);
void soc_line_error(void);
void soc_ticked(void);

/* soc_send() byte by byte: firmware/soc/polled. */
bool soc_send_bytes(const uint8_t *from, size_t size);

/* Waits until all has left, or for no more than some 100 ms. */
void soc_drain(void);

/* The cause by the chip's flags, of which several may be set. */
static inline enum hal_reset soc_cause(bool watchdog, bool software, bool power, bool pin)
{
    if (watchdog) {
        return HAL_RESET_WATCHDOG;
    }
    if (software) {
        return HAL_RESET_SOFTWARE;
    }
    if (power) {
        return HAL_RESET_POWER;
    }
    return pin ? HAL_RESET_PIN : HAL_RESET_UNKNOWN;
}

/* Polls, not time: about 30 ms at 16 MHz, where a crystal takes some 2 ms and a PLL 0.3 ms (DS10693 6.3.8, 6.3.10).
 * Every wait is bounded, so the same image also runs on emulators that lack these registers. */
bool soc_wait_for(const volatile uint32_t *at, uint32_t mask, uint32_t value);

/* Fills the unused stack with a pattern; soc_stack_peak() finds how far it was overwritten since. */
void soc_paint_stack(void);
uint32_t soc_stack_peak(void);
uint32_t soc_stack_bytes(void);

/* The fault that is reported now, and the one of before the last reset. */
void soc_keep_fault(const struct hal_fault *fault);
struct hal_fault soc_kept_fault(void);

/* Behind the last byte that was sent. */
_Noreturn void soc_reset(void);

#endif
