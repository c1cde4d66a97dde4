/* SPDX-License-Identifier: Apache-2.0 */
/* TIM2 counts where the core's counter stands still: on QEMU, which models no DWT. */
#include "chip.h"
#include "soc.h"

void soc_first(void) {} /* the watchdogs of these families are off until they are started */

const volatile uint32_t *soc_start_timer(void)
{
    CHIP_TIM2_ENABLE |= BIT(0);
    (void)CHIP_TIM2_ENABLE;
    TIM2_PSC = 0;
    TIM2_ARR = UINT32_MAX;
    TIM2_EGR = TIM2_EGR_UG;
    TIM2_CR1 = TIM2_CR1_CEN;
    return &TIM2_CNT;
}
