/* SPDX-License-Identifier: Apache-2.0 */
/* One inference and nothing else: what a network costs by itself, without front end, protocol or board.
 *
 * bench_begin() and bench_end() stand around the whole inference, input rows included, and bench_last_row() before the
 * last row is pushed: what follows is the latency after the end of a clip. The stack below the start is
 * painted, and its peak is reported through semihosting. Any Cortex-M4F with RAM at 0x20000000 will do.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness_cycles.h"
#include "model.h"

extern uint32_t stack_bottom[], stack_top[], bss_start[], bss_end[];

#define PAINT 0xC5C5C5C5u

int main(void);
void reset(void);
void bench_begin(void);
void bench_last_row(void);
void bench_end(void);

__attribute__((section(".vectors"), used)) static const void *const vectors[] = { stack_top, (const void *)reset };

static void semihost(uint32_t operation, const void *argument)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
}

__attribute__((noinline)) void bench_begin(void)
{
    __asm__ volatile("");
}

__attribute__((noinline)) void bench_last_row(void)
{
    __asm__ volatile("");
}

__attribute__((noinline)) void bench_end(void)
{
    __asm__ volatile("");
}

static void print_number(const char *name, uint32_t value)
{
    char text[11];
    char *at = text + sizeof text - 1;
    *at = '\0';
    do {
        *--at = (char)('0' + value % 10u);
        value /= 10u;
    } while (value != 0);
    semihost(0x04, name); /* SYS_WRITE0 */
    semihost(0x04, at);
    semihost(0x04, "\n");
}

static uint32_t stack_peak_bytes(void)
{
    const uint32_t *at = stack_bottom;
    while (at < stack_top && *at == PAINT) {
        ++at;
    }
    return (uint32_t)(stack_top - at) * 4u;
}

static uint32_t network_cycles; /* of all pushes, without what fills the rows */

static uint32_t run(void)
{
    uint32_t seed = 1;
    bool complete = false;
    bench_begin();
    model_reset();
    for (int32_t pushed = 1; !complete; ++pushed) {
        uint8_t *row = model_input();
        for (size_t i = 0; i < MODEL_INPUT_ROW_BYTES; ++i) {
            seed = seed * 1664525u + 1013904223u;
            row[i] = (uint8_t)(seed >> 24);
        }
        if (pushed == MODEL_INPUT_ROWS) {
            bench_last_row();
        }
        const uint32_t before_push = HARNESS_CYCLES();
        complete = model_push();
        network_cycles += HARNESS_CYCLES() - before_push;
    }
    bench_end();
    uint32_t sum = 0;
    for (unsigned output = 0; output < MODEL_OUTPUTS; ++output) {
        const uint8_t *bytes = model_output(output);
        for (size_t i = 0; i < model_output_bytes(output); ++i) {
            sum = sum * 31u + bytes[i];
        }
    }
    return sum;
}

int main(void)
{
    *(volatile uint32_t *)0xE000EDFCu |= 1u << 24; /* DEMCR.TRCENA, ARMv7-M ARM C1.6.5 */
    *(volatile uint32_t *)0xE0001000u |= 1u; /* DWT_CTRL.CYCCNTENA, C1.8.7 */
    const uint32_t sum = run();
    print_number("stack ", stack_peak_bytes());
    print_number("outputs ", sum);
    print_number("network ", network_cycles);
#ifdef MODEL_CYCLES
    for (unsigned i = 0; i < MODEL_LAYERS; ++i) {
        print_number("layer ", model_layer_cycles[i]);
    }
#endif
    semihost(0x18, (const void *)0x20026); /* SYS_EXIT, ADP_Stopped_ApplicationExit */
    return 0;
}

__attribute__((naked)) void reset(void)
{
    /* Paints the stack, clears .bss and fetches the weights before any C code relies on them. */
    __asm__ volatile(
        "ldr r0, =stack_bottom\n"
        "ldr r1, =stack_top\n"
        "ldr r2, =0xC5C5C5C5\n"
        "1: cmp r0, r1\n"
        "bhs 2f\n"
        "str r2, [r0], #4\n"
        "b 1b\n"
        "2: ldr r0, =bss_start\n"
        "ldr r1, =bss_end\n"
        "movs r2, #0\n"
        "3: cmp r0, r1\n"
        "bhs 4f\n"
        "str r2, [r0], #4\n"
        "b 3b\n"
        "4: ldr r0, =weights_start\n"
        "ldr r1, =weights_end\n"
        "ldr r2, =weights_load\n"
        "cmp r0, r2\n"
        "beq 6f\n"
        "7: cmp r0, r1\n"
        "bhs 6f\n"
        "ldr r3, [r2], #4\n"
        "str r3, [r0], #4\n"
        "b 7b\n"
        "6: ldr r0, =0xE000ED88\n" /* CPACR: the FPU on, ARMv7-M ARM B3.2.20 */
        "ldr r1, [r0]\n"
        "orr r1, r1, #0x00F00000\n"
        "str r1, [r0]\n"
        "dsb\n"
        "isb\n"
        "bl main\n"
        "5: b 5b\n");
}
