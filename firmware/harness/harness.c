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

#include "harness.h"
#include "harness_cycles.h"
#include "model.h"
#include "rows.h"

void bench_begin(void);
void bench_last_row(void);
void bench_end(void);

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

static uint32_t network_cycles; /* of all pushes, without what fills the rows */

static uint32_t run(void)
{
    uint32_t seed = 1;
    bool complete = false;
    bench_begin();
    model_reset();
    for (int32_t pushed = 1; !complete; ++pushed) {
        fill_rows(&seed, 8);
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

int program(void)
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
    end_program(0);
    return 0;
}
