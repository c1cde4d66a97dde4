/* SPDX-License-Identifier: Apache-2.0 */
/* The self-tests of a library, and what it takes from whoever calls it: the stack, and the cycles of the longest push.
 *
 * C and C++ compile it alike. The program ends with status 0 where every self-test passes.
 */
#include "harness.h"
#include "model.h"
#include "rows.h"
#include "selftest.h"


#ifdef PROVE_CYCLES
/* Two inferences of noise: the most cycles that one push takes. */
static uint32_t longest_push(void)
{
    uint32_t seed = 1;
    uint32_t most = 0;
    *(volatile uint32_t *)0xE000EDFCu |= 1u << 24; /* DEMCR.TRCENA, ARMv7-M ARM C1.6.5 */
    *(volatile uint32_t *)0xE0001000u |= 1u;       /* DWT_CTRL.CYCCNTENA, C1.8.7 */
    model_reset();
    for (uint32_t inference = 0; inference < 2u; ++inference) {
        bool complete = false;
        if (MODEL_STATE_BYTES == 0) {
            model_reset();
        }
        while (!complete) {
            fill_rows(&seed, 7); /* seven bits: a float of them is finite */
            const uint32_t before = *(volatile uint32_t *)0xE0001004u; /* DWT_CYCCNT */
            complete = model_push();
            const uint32_t cycles = *(volatile uint32_t *)0xE0001004u - before;
            most = cycles > most ? cycles : most;
        }
    }
    return most;
}
#endif

int program(void)
{
    bool passed = true;
    paint_stack();
    const uint32_t network = model_selftest_hash();
    print_number("network_stack ", stack_peak_bytes());
    print_number("network ", network);
    passed = model_selftest() && passed;
#ifdef PROVE_FRONTEND
    paint_stack();
    const uint32_t frontend = frontend_selftest_hash();
    print_number("frontend_stack ", stack_peak_bytes());
    print_number("frontend ", frontend);
    passed = frontend_selftest() && passed;
#endif
#ifdef PROVE_CYCLES
    print_number("push ", longest_push());
#endif
    print_number("passed ", passed ? 1u : 0u);
    end_program(passed ? 0u : 1u);
    return 0;
}
