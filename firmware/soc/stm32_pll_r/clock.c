/* SPDX-License-Identifier: Apache-2.0 */
/* The clock tree. The internal 16 MHz oscillator comes first, as the ground to fall back to: the L4 starts on its 4 MHz
 * MSI. What stays silent after that is done without. */
#include "clock.h"

#define BOOST_POLLS 64u /* at least 1 µs at half of the highest clock: RM0432 5.1.8, RM0440 6.1.5 */

static bool switch_to(uint32_t source)
{
    RCC_CFGR = (RCC_CFGR & ~3u) | source;
    return soc_wait_for(&RCC_CFGR, RCC_CFGR_SWS, source << 2);
}

static bool set_flash(uint32_t wait_states)
{
    FLASH_ACR = (FLASH_ACR & ~FLASH_ACR_LATENCY) | FLASH_ACR_PRFTEN | FLASH_ACR_ICEN | FLASH_ACR_DCEN | wait_states;
    return soc_wait_for(&FLASH_ACR, FLASH_ACR_LATENCY, wait_states); /* RM0351 3.3.3: read back before speeding up */
}

static bool set_regulator(void)
{
    RCC_APB1ENR1 |= CHIP_PWR_ENABLE;
    (void)RCC_APB1ENR1;
    PWR_CR1 = (PWR_CR1 & ~PWR_CR1_VOS) | ((uint32_t)BOARD_VOS << 9);
#if BOARD_OVER_DRIVE /* "range 1 boost" in these families */
    PWR_CR5 &= ~PWR_CR5_R1MODE;
#endif
    return soc_wait_for(&PWR_SR2, PWR_SR2_VOSF, 0);
}

static void configure_pll(bool external, uint32_t m)
{
    RCC_PLLCFGR = (external ? RCC_PLLCFGR_SRC_HSE : RCC_PLLCFGR_SRC_HSI) | ((m - 1u) << 4) | (BOARD_PLL_N << 8) |
                  CHIP_PLL_R(BOARD_PLL_P) | CHIP_PLL_REN;
    RCC_CR |= RCC_CR_PLLON;
}

/* Above 80 or 150 MHz the bus clock may only rise in two steps. */
static bool switch_to_pll(void)
{
    chip_prepare_clock();
    RCC_CFGR = (RCC_CFGR & 0xFu) | (BOARD_APB1_CODE << 8) | (BOARD_APB2_CODE << 11) |
               (BOARD_OVER_DRIVE ? RCC_CFGR_AHB_HALF : 0u);
    if (!switch_to(RCC_CFGR_SW_PLL)) {
        return false;
    }
#if BOARD_OVER_DRIVE
    for (volatile uint32_t i = 0; i < BOOST_POLLS; i++) {
    }
#endif
    RCC_CFGR &= ~(0xFu << 4);
    return true;
}

static void fall_back(void)
{
    (void)switch_to(RCC_CFGR_SW_HSI);
    RCC_CFGR &= 3u;
    RCC_CR &= ~(RCC_CR_PLLON | RCC_CR_HSEON | RCC_CR_HSEBYP);
    (void)set_flash(0);
}

struct soc_clock soc_start_clock(void)
{
    RCC_CR |= RCC_CR_HSION;
    if (!soc_wait_for(&RCC_CR, RCC_CR_HSIRDY, RCC_CR_HSIRDY) || !switch_to(RCC_CFGR_SW_HSI)) {
        return clock_alone();
    }
    const bool external = clock_start_external();
    const uint32_t m = external ? BOARD_PLL_M : BOARD_PLL_M_HSI;
    if (m == 0u || !set_regulator()) {
        fall_back();
        return clock_alone();
    }
    configure_pll(external, m);
    if (!soc_wait_for(&RCC_CR, RCC_CR_PLLRDY, RCC_CR_PLLRDY) || !set_flash(BOARD_WAIT_STATES) || !switch_to_pll()) {
        fall_back();
        return clock_alone();
    }
    return clock_of_pll(external);
}
