/* SPDX-License-Identifier: Apache-2.0 */
/* Runs many generated networks on a bare Cortex-M4 with semihosting: every network's input sets go in, its outputs
 * come out as hexadecimal lines. networks.h lists them. */
#include "networks.h"

#include <string.h>

extern uint32_t bss_start[], bss_end[], data_start[], data_end[], data_load[], stack_top[];

int main(void);
void reset(void);
void fault(void);

__attribute__((section(".vectors"), used)) static void (*const vectors[])(void) = {
    (void (*)(void))stack_top, reset, fault, fault, fault, fault, fault,
};

static uint32_t semihosting(uint32_t operation, const void *parameter)
{
    register uint32_t r0 __asm("r0") = operation;
    register const void *r1 __asm("r1") = parameter;
    __asm volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static void print_bytes(const uint8_t *bytes, size_t count)
{
    char text[65];
    while (count > 0) {
        const size_t now = count < 32 ? count : 32;
        for (size_t i = 0; i < now; ++i) {
            text[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
            text[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
        }
        text[2 * now] = '\0';
        semihosting(0x04, text);
        bytes += now;
        count -= now;
    }
}

void fault(void)
{
    semihosting(0x04, "fault\n");
    semihosting(0x18, (const void *)0x20023);
    for (;;) {
    }
}

void reset(void)
{
    /* CPACR: full access to the FPU. */
    *(volatile uint32_t *)0xe000ed88u |= 0xfu << 20;
    __asm volatile("dsb\n isb");
    memcpy(data_start, data_load, (size_t)((char *)data_end - (char *)data_start));
    memset(bss_start, 0, (size_t)((char *)bss_end - (char *)bss_start));
    main();
    semihosting(0x18, (const void *)0x20026);
    for (;;) {
    }
}

int main(void)
{
    for (size_t i = 0; i < sizeof networks / sizeof networks[0]; ++i) {
        const struct network *n = &networks[i];
        const uint8_t *row = n->inputs;
        for (uint32_t set = 0; set < n->sets; ++set) {
            bool complete = false;
            if (set % n->reset_every == 0) {
                n->reset();
            }
            for (uint32_t r = 0; r < n->rows; ++r, row += n->row_bytes) {
                memcpy(n->input(), row, n->row_bytes);
                complete = n->push();
            }
            if (!complete) {
                semihosting(0x04, "incomplete");
            }
            for (unsigned o = 0; complete && o < n->outputs; ++o) {
                print_bytes(n->output(o), n->output_bytes(o));
            }
            semihosting(0x04, "\n");
        }
    }
    return 0;
}
