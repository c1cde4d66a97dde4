/* SPDX-License-Identifier: Apache-2.0 */
/* What the families' clock trees have in common: the crystal, and how far the clock has come. A family's chip.h names
 * the registers. */
#ifndef ASCMCU_CLOCK_H
#define ASCMCU_CLOCK_H

#include "chip.h"
#include "soc.h"

/* Whether the board has an external clock and it runs; what stays silent is switched off again. */
static inline bool clock_start_external(void)
{
#if BOARD_CLOCK_HSE
    RCC_CR |= (BOARD_CLOCK_HSE_BYPASS ? RCC_CR_HSEBYP : 0u) | RCC_CR_HSEON;
    if (soc_wait_for(&RCC_CR, RCC_CR_HSERDY, RCC_CR_HSERDY)) {
        return true;
    }
    RCC_CR &= ~(RCC_CR_HSEON | RCC_CR_HSEBYP);
#endif
    return false;
}

/* The internal oscillator is all there is. */
static inline struct soc_clock clock_alone(void)
{
    return (struct soc_clock){.core_hz = BOARD_HSI_HZ, .port_hz = BOARD_HSI_HZ, .how = HAL_CLOCK_HSI_ALONE};
}

/* The PLL runs, from the source that the board wants or from the internal oscillator. */
static inline struct soc_clock clock_of_pll(bool external)
{
    return (struct soc_clock){
        .core_hz = BOARD_SYSCLK_HZ,
        .port_hz = BOARD_PORT_HZ,
        .wait_states = BOARD_WAIT_STATES,
        .how = external == (BOARD_CLOCK_HSE != 0) ? HAL_CLOCK_AS_CONFIGURED : HAL_CLOCK_PLL_FROM_HSI,
    };
}

#endif
