/* SPDX-License-Identifier: Apache-2.0 */
/* The core's own tick, where the core's clock runs on in sleep. */
#include "core.h"
#include "soc.h"

void soc_start_ticks(uint32_t core_hz)
{
    SYSTICK_LOAD = core_hz / 1000u * SOC_TICK_MS - 1u; /* 24 bits: up to 1.6 GHz */
    SYSTICK_VAL = 0;
    SYSTICK_CTRL = SYSTICK_CTRL_RUN;
}

void soc_stop_ticks(void) { SYSTICK_CTRL = 0; }

void soc_tick_handler(void) { soc_ticked(); }
