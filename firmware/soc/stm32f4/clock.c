/* SPDX-License-Identifier: Apache-2.0 */
/* The clock tree. What stays silent is done without, down to the internal 16 MHz oscillator that the chip starts on. */
#include "clock.h"

static void configure_pll(bool external, uint32_t m)
{
    /* PLLQ feeds USB and SDIO, which nobody uses here; it must only be legal (at least 2) */
    const uint32_t p_code = BOARD_PLL_P / 2u - 1u;

    RCC_PLLCFGR = (RCC_PLLCFGR & RCC_PLLCFGR_KEEP) | m | (BOARD_PLL_N << 6) | (p_code << 16) | (9u << 24) |
                  (external ? RCC_PLLCFGR_SRC_HSE : 0u);
    RCC_CR |= RCC_CR_PLLON;
}

/* RM0390 5.1.4: on the HSI or HSE, after the PLL has been started and before it is used */
static bool start_over_drive(void)
{
#if BOARD_OVER_DRIVE
    PWR_CR |= PWR_CR_ODEN;
    if (!soc_wait_for(&PWR_CSR, PWR_CSR_ODRDY, PWR_CSR_ODRDY)) {
        return false;
    }
    PWR_CR |= PWR_CR_ODSWEN;
    return soc_wait_for(&PWR_CSR, PWR_CSR_ODSWRDY, PWR_CSR_ODSWRDY);
#else
    return true;
#endif
}

static bool set_flash(uint32_t wait_states)
{
    FLASH_ACR = FLASH_ACR_PRFTEN | FLASH_ACR_ICEN | FLASH_ACR_DCEN | wait_states;
    return soc_wait_for(&FLASH_ACR, FLASH_ACR_LATENCY, wait_states); /* RM0390 3.4.1: read back before speeding up */
}

static bool switch_to_pll(void)
{
    RCC_CFGR = (BOARD_APB1_CODE << 10) | (BOARD_APB2_CODE << 13);
    RCC_CFGR |= RCC_CFGR_SW_PLL;
    return soc_wait_for(&RCC_CFGR, RCC_CFGR_SWS, RCC_CFGR_SWS_PLL);
}

static void fall_back(void)
{
    RCC_CFGR = 0;
    RCC_CR &= ~(RCC_CR_PLLON | RCC_CR_HSEON | RCC_CR_HSEBYP);
    PWR_CR &= ~(PWR_CR_ODEN | PWR_CR_ODSWEN);
    (void)set_flash(0);
}

struct soc_clock soc_start_clock(void)
{
    RCC_APB1ENR |= RCC_APB1ENR_PWR;
    (void)RCC_APB1ENR;                                              /* RM0390 6.2: two cycles until it is clocked */
    PWR_CR = (PWR_CR & ~PWR_CR_VOS) | ((uint32_t)BOARD_VOS << 14); /* only while the PLL is off: RM0390 5.4.1 */

    const bool external = clock_start_external();
    const uint32_t m = external ? BOARD_PLL_M : BOARD_PLL_M_HSI;
    if (m == 0u) {
        return clock_alone();
    }
    configure_pll(external, m);
    if (!start_over_drive() || !soc_wait_for(&RCC_CR, RCC_CR_PLLRDY, RCC_CR_PLLRDY) || !set_flash(BOARD_WAIT_STATES) ||
        !switch_to_pll()) {
        fall_back();
        return clock_alone();
    }
    return clock_of_pll(external);
}
