/* SPDX-License-Identifier: Apache-2.0 */
/* STM32F303: RM0316. */
#ifndef ASCMCU_CHIP_H
#define ASCMCU_CHIP_H

#include "board_config.h"
#include "stm32.h"

#define CHIP_VECTORS 85 /* RM0316 14.1.3, table 82 */
#define CHIP_USART_SPLIT 1

/* Reset and clock control: RM0316 9.4 */
#define RCC_CR REGISTER(0x40021000u)
#define RCC_CR_HSEON BIT(16)
#define RCC_CR_HSERDY BIT(17)
#define RCC_CR_HSEBYP BIT(18)
#define RCC_CR_PLLON BIT(24)
#define RCC_CR_PLLRDY BIT(25)
#define RCC_CFGR REGISTER(0x40021004u)
#define RCC_CFGR_SW_PLL 2u
#define RCC_CFGR_SWS (3u << 2)
#define RCC_CFGR_SWS_PLL (2u << 2)
#define RCC_CFGR_SRC_HSI (1u << 15) /* both through PREDIV: the D and E parts */
#define RCC_CFGR_SRC_HSE (2u << 15)
#define RCC_AHBENR REGISTER(0x40021014u)
#define RCC_APB2ENR REGISTER(0x40021018u)
#define RCC_APB1ENR REGISTER(0x4002101Cu)
#define RCC_CFGR2 REGISTER(0x4002102Cu)

/* Flash interface: RM0316 4.5.1 */
#define FLASH_ACR REGISTER(0x40022000u)
#define FLASH_ACR_LATENCY 7u
#define FLASH_ACR_PRFTBE BIT(4)

#define CHIP_GPIO(port) (0x48000000u + 0x400u * (port))
#define CHIP_GPIO_ENABLE RCC_AHBENR
#define CHIP_GPIO_ENABLE_BIT 17u /* IOPAEN */
#define CHIP_TIM2_ENABLE RCC_APB1ENR
#define CHIP_RESETS REGISTER(0x40021024u)
#define CHIP_RESETS_CLEAR BIT(24)

#if BOARD_USART == 1
#define CHIP_SERIAL 0x40013800u
#define CHIP_SERIAL_INTERRUPT 37
#define CHIP_SERIAL_ENABLE RCC_APB2ENR
#define CHIP_SERIAL_ENABLE_BIT 14
#elif BOARD_USART == 2
#define CHIP_SERIAL 0x40004400u
#define CHIP_SERIAL_INTERRUPT 38
#define CHIP_SERIAL_ENABLE RCC_APB1ENR
#define CHIP_SERIAL_ENABLE_BIT 17
#elif BOARD_USART == 3
#define CHIP_SERIAL 0x40004800u
#define CHIP_SERIAL_INTERRUPT 39
#define CHIP_SERIAL_ENABLE RCC_APB1ENR
#define CHIP_SERIAL_ENABLE_BIT 18
#else
#error "BOARD_USART must be 1, 2 or 3"
#endif

static inline void chip_prepare_pins(void) {}

#endif
