/* SPDX-License-Identifier: Apache-2.0 */
/* STM32WB55, its first core. The registers are the L4's at other addresses, the PLL's divider lies elsewhere. Addresses
 * and bits: ST's stm32wb55xx.h; tests/boards/test_registers.py holds its numbers. */
#ifndef ASCMCU_CHIP_H
#define ASCMCU_CHIP_H

#include "board_config.h"

#define CHIP_VECTORS 63
#define CHIP_LPUART_INTERRUPT 37
#define CHIP_USART1_INTERRUPT 36
#define CHIP_RCC 0x58000000u
#define CHIP_PWR 0x58000400u
#define CHIP_FLASH 0x58004000u
#define CHIP_PLL_R(divider) (((divider) - 1u) << 29)
#define CHIP_PLL_REN (1u << 28)
#define CHIP_PWR_ENABLE 0u /* always clocked */
#include "rcc.h"
#include "soc.h"

#define RCC_EXTCFGR REGISTER(CHIP_RCC + 0x108u)
#define RCC_EXTCFGR_C2HPRE_HALF (8u << 4)
#define RCC_EXTCFGR_C2HPREF BIT(17) /* the divider is in force */

/* The second core's bus takes 32 MHz at most, also while that core is not started. The divider is waited for, as in ST's
 * stm32wbxx_hal_rcc.c, which also gives the limit. */
static inline void chip_prepare_clock(void)
{
    RCC_EXTCFGR |= RCC_EXTCFGR_C2HPRE_HALF;
    (void)soc_wait_for(&RCC_EXTCFGR, RCC_EXTCFGR_C2HPREF, RCC_EXTCFGR_C2HPREF);
}

static inline void chip_prepare_pins(void) {}

#endif
