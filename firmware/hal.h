/* SPDX-License-Identifier: Apache-2.0 */
/* The interface between the application and a chip. A new family implements these eight functions and calls
 * app_fault(). */
#ifndef ASCMCU_HAL_H
#define ASCMCU_HAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* RAM of the protocol, which a user's application does not need. The linker script collects it, and the reports count
 * it separately. */
#define IN_PROTOCOL_RAM __attribute__((section(".bss.protocol")))
/* The same, in the first memory: a second one may be the core's alone, which no DMA reaches. */
#define IN_TRANSMIT_RAM __attribute__((section(".bss.transmit")))

/* The counter behind hal_cycles(). Only the host knows whether a count is a cycle; hal_probe helps to decide. */
enum hal_counter {
    HAL_COUNTER_NONE = 0,
    HAL_COUNTER_DWT = 1,   /* the core's own cycle counter */
    HAL_COUNTER_TIMER = 2, /* a timer of the chip, where the core's counter stands still */
};

/* The clock that the start-up code could set up. */
enum hal_clock {
    HAL_CLOCK_AS_CONFIGURED = 0,
    HAL_CLOCK_PLL_FROM_HSI = 1, /* the external oscillator is silent */
    HAL_CLOCK_HSI_ALONE = 2,    /* the PLL, the regulator or the flash did not answer in time */
};

/* What the counter said of two loops of as many instructions. A core takes longer for divisions than for additions; an
 * emulator that counts instructions says the same of both. All 0 where nothing counts. */
struct hal_probe {
    uint32_t instructions; /* in either loop */
    uint32_t additions;
    uint32_t divisions;
};

/* Why the chip started. */
enum hal_reset {
    HAL_RESET_UNKNOWN = 0,
    HAL_RESET_POWER = 1, /* power came, or was short */
    HAL_RESET_PIN = 2,
    HAL_RESET_SOFTWARE = 3, /* also the end of a fault's report */
    HAL_RESET_WATCHDOG = 4,
};

struct hal_fault {
    uint32_t exception; /* IPSR: 3 HardFault, 4 MemManage, 5 BusFault, 6 UsageFault */
    uint32_t pc;        /* 0 when the frame could not be pushed: the stack has overflowed */
    uint32_t lr;
    uint32_t cfsr; /* PM0214 4.4.14 to 4.4.17: cause, and the addresses where the cause has one */
    uint32_t hfsr;
    uint32_t mmfar;
    uint32_t bfar;
};

struct hal_status {
    struct hal_probe probe;
    struct hal_fault last_fault; /* since power came, kept over resets; exception 0: none */
    uint32_t clock_hz;
    uint32_t stack_bytes;    /* reserved, 0 where the host's system owns the stack */
    uint32_t received_bytes; /* taken by the receive interrupt since start-up, wraps */
    uint32_t overruns;       /* bytes lost in the receiver, or because the buffer was full */
    uint32_t line_errors;    /* framing, noise */
    uint32_t send_timeouts;  /* frames given up because the transmitter did not empty */
    uint8_t wait_states;
    uint8_t counter; /* enum hal_counter */
    uint8_t clock;   /* enum hal_clock */
    uint8_t reset;   /* enum hal_reset */
};

/* Clock, counter, serial port, watchdog. Whoever then calls none of hal_wait(), hal_write() and hal_quiet() for some ten
 * seconds has hung, and the chip is reset. Never fails: whatever does not answer in time is done without. Received bytes go into
 * `buffer`, one behind the other; those that come when its `size` bytes are full are lost and counted. */
void hal_init(uint8_t *buffer, size_t size);

/* Sleeps until more than `seen` bytes lie in the buffer, or `limit_ms` have passed; how many lie there. */
size_t hal_wait(size_t seen, uint32_t limit_ms);

/* The first `count` bytes are no longer needed: those behind them move to the buffer's front. */
void hal_drop(size_t count);

/* Sends all bytes or gives up after a bounded wait. */
bool hal_write(const uint8_t *from, size_t size);

/* Until the next hal_wait() nothing interrupts but the receiver: a measurement follows. */
void hal_quiet(void);

void hal_status(struct hal_status *status);

/* Most bytes of stack in use at any time since start-up, 0 when unknown. */
uint32_t hal_stack_peak(void);

/* The counter, wrapping; differences are what it is for. The pointer is set by hal_init(), so that reading costs
 * two loads wherever the counter lies. */
extern const volatile uint32_t *hal_counter_register;
static inline uint32_t hal_cycles(void) { return *hal_counter_register; }

/* Implemented by the application, called by a fault handler on a usable stack; the chip is reset afterwards. */
void app_fault(const struct hal_fault *fault);

#endif
