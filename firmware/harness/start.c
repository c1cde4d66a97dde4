/* SPDX-License-Identifier: Apache-2.0 */
/* From reset to program() on any Cortex-M, and what harness.h declares. */
#include "harness.h"

#include <stddef.h>

extern uint32_t stack_bottom[], stack_top[];

#define PAINT 0xC5C5C5C5u

void reset(void);
extern int (*const begins_with)(void);
__attribute__((used)) int (*const begins_with)(void) = program; /* assembly alone calls it: not lost at link time */

__attribute__((section(".vectors"), used)) static const void *const vectors[] = { stack_top, (const void *)reset };

static uint32_t semihost(uint32_t operation, const void *argument)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

void print_number(const char *name, uint32_t value)
{
    char text[11];
    char *at = text + sizeof text - 1;
    *at = '\0';
    do {
        *--at = (char)('0' + value % 10u);
        value /= 10u;
    } while (value != 0);
    (void)semihost(0x04, name); /* SYS_WRITE0 */
    (void)semihost(0x04, at);
    (void)semihost(0x04, "\n");
}

void paint_stack(void)
{
    volatile uint32_t *top;
    __asm__ volatile("mov %0, sp" : "=r"(top));
    /* A compiler may save registers behind that line. */
    for (volatile uint32_t *at = stack_bottom; at < top - 16; ++at) {
        *at = PAINT;
    }
}

uint32_t stack_peak_bytes(void)
{
    const volatile uint32_t *at = stack_bottom;
    while (at < stack_top && *at == PAINT) {
        ++at;
    }
    return (uint32_t)(stack_top - at) * 4u;
}

void end_program(uint32_t status)
{
    /* SYS_EXIT with ADP_Stopped_ApplicationExit, or with ADP_Stopped_RunTimeErrorUnknown. */
    const uintptr_t reason = status == 0u ? 0x20026u : 0x20023u;
    (void)semihost(0x18, (const void *)reason);
}

#ifdef HARNESS_HOOKS
/* What builds with canaries on the stack and with a profiler ask for, some behind link-time optimisation. */
extern uintptr_t __stack_chk_guard;
__attribute__((used)) uintptr_t __stack_chk_guard = 0x00A5F00Du;
void __stack_chk_fail(void);
void __cyg_profile_func_enter(void *function, void *caller);
void __cyg_profile_func_exit(void *function, void *caller);
#define UNTRACED __attribute__((used, no_instrument_function))

__attribute__((used)) void __stack_chk_fail(void)
{
    (void)semihost(0x04, "stack smashed\n");
    end_program(1u);
}

UNTRACED void __cyg_profile_func_enter(void *function, void *caller)
{
    (void)function;
    (void)caller;
}

UNTRACED void __cyg_profile_func_exit(void *function, void *caller)
{
    (void)function;
    (void)caller;
}

#endif

/* Instructions of ARMv6-M alone, and nothing that a build adds to other functions: there is no stack yet to speak of. */
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 11
#define BARE naked, no_instrument_function, optimize("no-stack-protector")
#else
#define BARE naked, no_instrument_function, no_stack_protector
#endif

__attribute__((BARE)) void reset(void)
{
    /* Paints the stack, clears .bss and fetches the weights before any C code relies on them. */
    __asm__ volatile(
        ".syntax unified\n"
        "ldr r0, =stack_bottom\n"
        "ldr r1, =stack_top\n"
        "ldr r2, =0xC5C5C5C5\n"
        "1: cmp r0, r1\n"
        "bhs 2f\n"
        "str r2, [r0]\n"
        "adds r0, #4\n"
        "b 1b\n"
        "2: ldr r0, =bss_start\n"
        "ldr r1, =bss_end\n"
        "movs r2, #0\n"
        "3: cmp r0, r1\n"
        "bhs 4f\n"
        "str r2, [r0]\n"
        "adds r0, #4\n"
        "b 3b\n"
        "4: ldr r0, =weights_start\n"
        "ldr r1, =weights_end\n"
        "ldr r2, =weights_load\n"
        "cmp r0, r2\n"
        "beq 6f\n"
        "7: cmp r0, r1\n"
        "bhs 6f\n"
        "ldr r3, [r2]\n"
        "str r3, [r0]\n"
        "adds r0, #4\n"
        "adds r2, #4\n"
        "b 7b\n"
        "6: nop\n"
#ifdef __ARM_FP
        "ldr r0, =0xE000ED88\n" /* CPACR: the FPU on, ARMv7-M ARM B3.2.20 */
        "ldr r1, [r0]\n"
        "ldr r2, =0x00F00000\n"
        "orrs r1, r2\n"
        "str r1, [r0]\n"
#endif
#ifdef HARNESS_TRAP_UNALIGNED
        "ldr r0, =0xE000ED14\n" /* CCR.UNALIGN_TRP, B3.2.8: ARMv6-M has no unaligned access */
        "ldr r1, [r0]\n"
        "movs r2, #8\n"
        "orrs r1, r2\n"
        "str r1, [r0]\n"
#endif
        "dsb\n"
        "isb\n"
        "bl program\n"
        "5: b 5b\n"
        ".ltorg\n"); /* its constants lie behind it, not at the end of whatever is compiled with it */
}
