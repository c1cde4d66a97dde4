/* SPDX-License-Identifier: Apache-2.0 */
/* The clock tree: source / PREDIV · PLLMUL. What stays silent is done without, down to the internal 8 MHz oscillator. */
#include "clock.h"

static bool set_flash(uint32_t wait_states)
{
    FLASH_ACR = FLASH_ACR_PRFTBE | wait_states;
    return soc_wait_for(&FLASH_ACR, FLASH_ACR_LATENCY, wait_states);
}

static void configure_pll(bool external, uint32_t m)
{
    RCC_CFGR2 = m - 1u;
    RCC_CFGR = ((BOARD_PLL_N - 2u) << 18) | (BOARD_APB1_CODE << 8) | (BOARD_APB2_CODE << 11) |
               (external ? RCC_CFGR_SRC_HSE : RCC_CFGR_SRC_HSI);
    RCC_CR |= RCC_CR_PLLON;
}

static bool switch_to_pll(void)
{
    RCC_CFGR |= RCC_CFGR_SW_PLL;
    return soc_wait_for(&RCC_CFGR, RCC_CFGR_SWS, RCC_CFGR_SWS_PLL);
}

struct soc_clock soc_start_clock(void)
{
    const bool external = clock_start_external();
    const uint32_t m = external ? BOARD_PLL_M : BOARD_PLL_M_HSI;

    if (m == 0u) {
        return clock_alone();
    }
    configure_pll(external, m);
    if (!soc_wait_for(&RCC_CR, RCC_CR_PLLRDY, RCC_CR_PLLRDY) || !set_flash(BOARD_WAIT_STATES) || !switch_to_pll()) {
        RCC_CFGR = 0;
        RCC_CR &= ~(RCC_CR_PLLON | RCC_CR_HSEON | RCC_CR_HSEBYP);
        (void)set_flash(0);
        return clock_alone();
    }
    return clock_of_pll(external);
}
