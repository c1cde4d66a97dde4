/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a generated front end over the PCM that is linked in, on any Cortex-M4 with semihosting, and prints a hash of
 * its rows and the cycles of its stages. */
#include "frontend.h"
#include "target.h"

extern const int16_t pcm[], pcm_end[];
extern uint32_t bss_start[], bss_end[], stack_top[];

int main(void);
void reset(void);

__attribute__((section(".vectors"), used)) static void (*const vectors[])(void) = {
    (void (*)(void))stack_top,
    reset,
};

static uint32_t semihosting(uint32_t operation, const void *parameter)
{
    register uint32_t r0 __asm("r0") = operation;
    register const void *r1 __asm("r1") = parameter;
    __asm volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static void print(const char *name, uint32_t value)
{
    char line[40];
    unsigned length = 0;
    while (*name != '\0') {
        line[length++] = *name++;
    }
    line[length++] = ' ';
    for (int shift = 28; shift >= 0; shift -= 4) {
        line[length++] = "0123456789abcdef"[(value >> shift) & 15u];
    }
    line[length++] = '\n';
    line[length] = '\0';
    semihosting(0x04, line);
}

void reset(void)
{
    *(volatile uint32_t *)0xe000ed88u |= 0xfu << 20; /* CPACR: the FPU is on */
    __asm volatile("dsb\n\tisb");
    for (uint32_t *word = bss_start; word < bss_end; word++) {
        *word = 0;
    }
    *(volatile uint32_t *)0xe000edfcu |= 1u << 24; /* DEMCR: trace on */
    *(volatile uint32_t *)0xe0001000u |= 1u;       /* DWT: count cycles */
    main();
    semihosting(0x18, (const void *)0x20026u);
    for (;;) {
    }
}

static uint32_t hash = 2166136261u; /* FNV-1a; set again in main, as .data is not copied */
static uint32_t rows;

static void take_rows(void)
{
    static uint8_t row[FRONTEND_ROW_BYTES] __attribute__((aligned(4)));
    while (frontend_next(row)) {
        for (uint32_t i = 0; i < sizeof row; i++) {
            hash = (hash ^ row[i]) * 16777619u;
        }
        rows++;
    }
}

int main(void)
{
    static const char *const names[FRONTEND_STAGES] = FRONTEND_STAGE_NAMES;
    hash = 2166136261u;
    frontend_reset();
    const int16_t *at = pcm;
    while (at < pcm_end) {
        /* Chunks of no particular size: the rows may not depend on it. */
        const uint32_t left = (uint32_t)(pcm_end - at) / FRONTEND_CHANNELS;
        at += FRONTEND_CHANNELS * frontend_feed(at, left < 337u ? left : 337u);
        take_rows();
    }
    frontend_finish();
    take_rows();
    print("hash", hash);
    print("rows", rows);
    for (uint32_t stage = 0; stage < FRONTEND_STAGES; stage++) {
        print(names[stage], frontend_stage_cycles[stage]);
    }
    return 0;
}
