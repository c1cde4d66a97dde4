/* SPDX-License-Identifier: Apache-2.0 */
/* From reset to main(), and from a fault to app_fault(). The family's chip.h numbers the interrupts. */
#include <stdint.h>

#include "chip.h"
#include "core.h"
#include "hal.h"
#include "soc.h"

extern uint32_t __stack_limit[], __stack_top[];
extern uint32_t __data_load[], __data_start[], __data_end[];
extern uint32_t __weights_load[], __weights_start[], __weights_end[]; /* constants that RAM gives sooner than flash */
extern uint32_t __code_load[], __code_start[], __code_end[];          /* code likewise */
extern uint32_t __zero_start[], __zero_end[];
extern uint32_t __spare_start[], __spare_end[]; /* buffers in a second memory; the same address without one */

int main(void);
_Noreturn void reset_handler(void);
void fault_entry(void);
_Noreturn void fault_report(const uint32_t *frame, uint32_t exc_return);
void spare_handler(void);

typedef void (*vector)(void);

#define CORE_VECTORS 16

/* An interrupt that nobody enabled. Staying here would look like a hang, so it is reported like a fault. */
__attribute__((naked)) void spare_handler(void) { __asm volatile("b fault_entry"); }

#ifdef CHIP_TICK_INTERRUPT /* a timer of the chip in place of SysTick; numbered behind the serial port */
#define CORE_TICK spare_handler
#else
#define CORE_TICK soc_tick_handler
#endif

__attribute__((used, section(".vectors"))) static const struct {
    uint32_t *stack;
    vector core[CORE_VECTORS - 1];
    vector chip[CHIP_VECTORS];
} vectors = {
    .stack = __stack_top,
    .core = {reset_handler, fault_entry, fault_entry, fault_entry, fault_entry, fault_entry, 0, 0, 0, 0,
             spare_handler, spare_handler, 0, spare_handler, CORE_TICK},
    .chip = {
#if ASCMCU_MICROPHONE && CHIP_MICROPHONE_INTERRUPT < CHIP_SERIAL_INTERRUPT
        [0 ... CHIP_MICROPHONE_INTERRUPT - 1] = spare_handler,
        [CHIP_MICROPHONE_INTERRUPT] = soc_microphone_handler,
        [CHIP_MICROPHONE_INTERRUPT + 1 ... CHIP_SERIAL_INTERRUPT - 1] = spare_handler,
#else
        [0 ... CHIP_SERIAL_INTERRUPT - 1] = spare_handler,
#endif
        [CHIP_SERIAL_INTERRUPT] = soc_serial_handler,
#ifdef CHIP_TICK_INTERRUPT
        [CHIP_SERIAL_INTERRUPT + 1 ... CHIP_TICK_INTERRUPT - 1] = spare_handler,
        [CHIP_TICK_INTERRUPT] = soc_tick_handler,
#if ASCMCU_MICROPHONE && CHIP_MICROPHONE_INTERRUPT > CHIP_TICK_INTERRUPT
        [CHIP_TICK_INTERRUPT + 1 ... CHIP_MICROPHONE_INTERRUPT - 1] = spare_handler,
        [CHIP_MICROPHONE_INTERRUPT] = soc_microphone_handler,
        [CHIP_MICROPHONE_INTERRUPT + 1 ... CHIP_VECTORS - 1] = spare_handler,
#else
        [CHIP_TICK_INTERRUPT + 1 ... CHIP_VECTORS - 1] = spare_handler,
#endif
#else
        [CHIP_SERIAL_INTERRUPT + 1 ... CHIP_VECTORS - 1] = spare_handler,
#endif
    },
};

static void copy(const uint32_t *from, uint32_t *to, const uint32_t *end)
{
    while (to < end) {
        *to++ = *from++;
    }
}

static void clear(uint32_t *to, const uint32_t *end)
{
    while (to < end) {
        *to++ = 0;
    }
}

static void prepare_memory(void)
{
    copy(__data_load, __data_start, __data_end);
    copy(__weights_load, __weights_start, __weights_end);
    copy(__code_load, __code_start, __code_end);
    clear(__zero_start, __zero_end);
    clear(__spare_start, __spare_end);
    __asm volatile("dsb \n isb" ::: "memory"); /* code that was written is fetched from here on */
}

/* main() may use the FPU in its first instruction, and so may anything the compiler vectorises in here. */
__attribute__((naked)) _Noreturn void reset_handler(void)
{
    __asm volatile("ldr r0, =0xE000ED88 \n" /* CPACR: PM0214 4.6.1 */
                   "ldr r1, [r0]        \n"
                   "orr r1, r1, #0xF00000 \n"
                   "str r1, [r0]        \n"
                   "dsb                 \n"
                   "isb                 \n"
                   "b reset_continue    \n"
                   ".ltorg              \n"); /* its constants lie behind it, whatever else is in its section */
}

_Noreturn __attribute__((used)) void reset_continue(void);
_Noreturn void reset_continue(void)
{
    soc_first();
    SCB_VTOR = (uint32_t)&vectors;
    SCB_SHCSR |= SCB_SHCSR_FAULTS;
    SCB_CCR |= SCB_CCR_DIV_0_TRP;
    soc_paint_stack();
    prepare_memory();
    (void)main();
    soc_reset();
}

/* The stack pointer is of use only if it still has room below it; after an overflow it points out of the RAM, and
 * the report takes the whole stack, whose content is lost anyway. */
__attribute__((naked, used)) void fault_entry(void)
{
    __asm volatile("tst lr, #4           \n"
                   "ite eq               \n"
                   "mrseq r0, msp        \n"
                   "mrsne r0, psp        \n"
                   "mov r1, lr           \n"
                   "ldr r2, =__stack_limit + 1024 \n"
                   "cmp r0, r2           \n"
                   "bhs 1f               \n"
                   "ldr r2, =__stack_top \n"
                   "msr msp, r2          \n"
                   "1: b fault_report    \n"
                   ".ltorg              \n");
}

__attribute__((used)) void fault_report(const uint32_t *frame, uint32_t exc_return)
{
    /* R0-R3, R12, LR, PC, xPSR: PM0214 2.3.7 */
    const uintptr_t at = (uintptr_t)frame;
    const bool readable = at >= (uintptr_t)__stack_limit && at + 32u <= (uintptr_t)__stack_top;
    uint32_t exception;

    __asm volatile("mrs %0, ipsr" : "=r"(exception));
    const struct hal_fault fault = {
        .exception = exception,
        .pc = readable ? frame[6] : 0,
        .lr = readable ? frame[5] : exc_return,
        .cfsr = SCB_CFSR,
        .hfsr = SCB_HFSR,
        .mmfar = SCB_MMFAR,
        .bfar = SCB_BFAR,
    };
    soc_keep_fault(&fault);
    app_fault(&fault);
    soc_reset();
}
