/* SPDX-License-Identifier: Apache-2.0 */
/* Clock, power and flash registers that the STM32L4, L4+, G4 and WB share: RM0351 5, 6, 3.7; RM0432 5, 6, 3.7;
 * RM0440 6, 7, 3.7. The system clock is the PLL's R output. */
#ifndef ASCMCU_STM32_PLL_R_H
#define ASCMCU_STM32_PLL_R_H

#include "stm32.h"

/* Where a family has them elsewhere, its chip.h says so before. */
#ifndef CHIP_RCC
#define CHIP_RCC 0x40021000u
#define CHIP_PWR 0x40007000u
#define CHIP_FLASH 0x40022000u
#define CHIP_USART1_INTERRUPT 37
#define CHIP_PLL_R(divider) (((divider) / 2u - 1u) << 25)
#define CHIP_PLL_REN BIT(24)
#define CHIP_PWR_ENABLE BIT(28)
static inline void chip_prepare_clock(void) {}
#endif

#define RCC_CR REGISTER(CHIP_RCC + 0x00u)
#define RCC_CR_HSION BIT(8)
#define RCC_CR_HSIRDY BIT(10)
#define RCC_CR_HSEON BIT(16)
#define RCC_CR_HSERDY BIT(17)
#define RCC_CR_HSEBYP BIT(18)
#define RCC_CR_PLLON BIT(24)
#define RCC_CR_PLLRDY BIT(25)
#define RCC_CFGR REGISTER(CHIP_RCC + 0x08u)
#define RCC_CFGR_SW_HSI 1u
#define RCC_CFGR_SW_PLL 3u
#define RCC_CFGR_SWS (3u << 2)
#define RCC_CFGR_AHB_HALF (8u << 4)
#define RCC_PLLCFGR REGISTER(CHIP_RCC + 0x0Cu)
#define RCC_PLLCFGR_SRC_HSI 2u
#define RCC_PLLCFGR_SRC_HSE 3u
#define RCC_AHB2ENR REGISTER(CHIP_RCC + 0x4Cu)
#define RCC_APB1ENR1 REGISTER(CHIP_RCC + 0x58u)
#define RCC_APB1ENR2 REGISTER(CHIP_RCC + 0x5Cu)
#define RCC_APB2ENR REGISTER(CHIP_RCC + 0x60u)

#define PWR_CR1 REGISTER(CHIP_PWR + 0x00u)
#define PWR_CR1_VOS (3u << 9)
#define PWR_CR2 REGISTER(CHIP_PWR + 0x04u)
#define PWR_CR2_IOSV BIT(9)
#define PWR_SR2 REGISTER(CHIP_PWR + 0x14u)
#define PWR_SR2_VOSF BIT(10)
#define PWR_CR5 REGISTER(CHIP_PWR + 0x80u)
#define PWR_CR5_R1MODE BIT(8) /* cleared: boost */

#define FLASH_ACR REGISTER(CHIP_FLASH)
#define FLASH_ACR_LATENCY 0xFu
#define FLASH_ACR_PRFTEN BIT(8)
#define FLASH_ACR_ICEN BIT(9)
#define FLASH_ACR_DCEN BIT(10)

#define CHIP_USART_SPLIT 1
#define CHIP_GPIO(port) (0x48000000u + 0x400u * (port))
#define CHIP_GPIO_ENABLE RCC_AHB2ENR
#define CHIP_GPIO_ENABLE_BIT 0u
#define CHIP_TIM2_ENABLE RCC_APB1ENR1
#define CHIP_RESETS REGISTER(CHIP_RCC + 0x94u)
#define CHIP_RESETS_CLEAR BIT(23)

/* RM0351 6.4.17 to 6.4.21; the LPUART's interrupt differs between the families */
#if BOARD_USART == 0
#define CHIP_SERIAL 0x40008000u
#define CHIP_SERIAL_INTERRUPT CHIP_LPUART_INTERRUPT
#define CHIP_SERIAL_ENABLE RCC_APB1ENR2
#define CHIP_SERIAL_ENABLE_BIT 0
#elif BOARD_USART == 1
#define CHIP_SERIAL 0x40013800u
#define CHIP_SERIAL_INTERRUPT CHIP_USART1_INTERRUPT
#define CHIP_SERIAL_ENABLE RCC_APB2ENR
#define CHIP_SERIAL_ENABLE_BIT 14
#elif BOARD_USART == 2
#define CHIP_SERIAL 0x40004400u
#define CHIP_SERIAL_INTERRUPT 38
#define CHIP_SERIAL_ENABLE RCC_APB1ENR1
#define CHIP_SERIAL_ENABLE_BIT 17
#elif BOARD_USART == 3
#define CHIP_SERIAL 0x40004800u
#define CHIP_SERIAL_INTERRUPT 39
#define CHIP_SERIAL_ENABLE RCC_APB1ENR1
#define CHIP_SERIAL_ENABLE_BIT 18
#else
#error "BOARD_USART must be 0 (LPUART1), 1, 2 or 3"
#endif

#endif
