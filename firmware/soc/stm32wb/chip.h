/* SPDX-License-Identifier: Apache-2.0 */
/* STM32WB55, its first core: RM0434. The registers are the L4's at other addresses, the PLL's divider lies elsewhere. */
#ifndef ASCMCU_CHIP_H
#define ASCMCU_CHIP_H

#include "board_config.h"

#define CHIP_VECTORS 63 /* 13.3, table 57 */
#define CHIP_LPUART_INTERRUPT 37
#define CHIP_USART1_INTERRUPT 36
#define CHIP_RCC 0x58000000u
#define CHIP_PWR 0x58000400u
#define CHIP_FLASH 0x58004000u
#define CHIP_PLL_R(divider) (((divider) - 1u) << 29)
#define CHIP_PLL_REN (1u << 28)
#define CHIP_PWR_ENABLE 0u /* always clocked */
#include "rcc.h"

#define RCC_EXTCFGR REGISTER(CHIP_RCC + 0x108u)
#define RCC_EXTCFGR_C2HPRE_HALF (8u << 4)

/* The second core's bus takes 32 MHz at most, also while that core is not started: 8.2 */
static inline void chip_prepare_clock(void) { RCC_EXTCFGR |= RCC_EXTCFGR_C2HPRE_HALF; }

static inline void chip_prepare_pins(void) {}

#endif
