/* SPDX-License-Identifier: Apache-2.0 */
/* The watchdog and the cause of a reset. */
#include "chip.h"
#include "soc.h"

enum hal_reset soc_reset_cause(void)
{
    const uint32_t causes = CHIP_RESETS;

    CHIP_RESETS = causes | CHIP_RESETS_CLEAR;
    return soc_cause((causes & RCC_CSR_WATCHDOGS) != 0u, (causes & RCC_CSR_SOFTWARE) != 0u,
                     (causes & RCC_CSR_POWER) != 0u, (causes & RCC_CSR_PIN) != 0u);
}

/* Its oscillator is of 17 to 47 kHz (DS10693 6.3.9): 32 kHz are taken, so that the time is twice SOC_WATCHDOG_S. */
void soc_start_watchdog(void)
{
    IWDG_KR = IWDG_KR_START;
    IWDG_KR = IWDG_KR_UNLOCK;
    IWDG_PR = IWDG_PR_256;
    IWDG_RLR = 2u * SOC_WATCHDOG_S * 32000u / 256u - 1u;
    (void)soc_wait_for(&IWDG_SR, 7u, 0);
    soc_feed_watchdog();
}

void soc_feed_watchdog(void) { IWDG_KR = IWDG_KR_FEED; }
