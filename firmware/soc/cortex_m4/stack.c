/* SPDX-License-Identifier: Apache-2.0 */
/* The stack lies at the bottom of the RAM: an overflow leaves the RAM and faults, it cannot reach data. */
#include "core.h"
#include "soc.h"

#define PAINT 0xC5C5C5C5u

extern uint32_t __stack_limit[], __stack_top[];

void soc_paint_stack(void)
{
    volatile uint32_t *top;

    __asm volatile("mov %0, sp" : "=r"(top));
    /* A compiler may save registers behind that line. */
    for (volatile uint32_t *at = __stack_limit; at < top - 16; at++) {
        *at = PAINT;
    }
}

uint32_t soc_stack_peak(void)
{
    const uint32_t *at = __stack_limit;

    while (at < __stack_top && *at == PAINT) {
        at++;
    }
    return (uint32_t)((uintptr_t)__stack_top - (uintptr_t)at);
}

uint32_t soc_stack_bytes(void) { return (uint32_t)((uintptr_t)__stack_top - (uintptr_t)__stack_limit); }

void soc_reset(void)
{
    soc_drain();
    __asm volatile("dsb");
    SCB_AIRCR = SCB_AIRCR_RESET;
    __asm volatile("dsb");
    for (;;) {
        __asm volatile("nop");
    }
}
