/* SPDX-License-Identifier: Apache-2.0 */
/* STM32F4: RM0390 (F446); the other parts of the family agree where not noted. */
#ifndef ASCMCU_CHIP_H
#define ASCMCU_CHIP_H

#include "board_config.h"

#define CHIP_SENDS_BY_DMA /* send.c */
#include "stm32.h"

#define CHIP_VECTORS 97 /* RM0390 10.2, table 38: the F446 has most of the family */
#define CHIP_USART_SPLIT 0
#define CHIP_MICROPHONE_INTERRUPT 14 /* DMA1 stream 3: RM0390 table 38 */

/* Reset and clock control: RM0390 6.3 */
#define RCC_CR REGISTER(0x40023800u)
#define RCC_CR_HSEON BIT(16)
#define RCC_CR_HSERDY BIT(17)
#define RCC_CR_HSEBYP BIT(18)
#define RCC_CR_PLLON BIT(24)
#define RCC_CR_PLLRDY BIT(25)
#define RCC_PLLCFGR REGISTER(0x40023804u)
#define RCC_PLLCFGR_SRC_HSE BIT(22)
#define RCC_PLLCFGR_KEEP 0xF0000000u /* PLLR on the F446, reserved elsewhere */
#define RCC_CFGR REGISTER(0x40023808u)
#define RCC_CFGR_SW_PLL 2u
#define RCC_CFGR_SWS (3u << 2)
#define RCC_CFGR_SWS_PLL (2u << 2)
#define RCC_AHB1ENR REGISTER(0x40023830u)
#define RCC_APB1ENR REGISTER(0x40023840u)
#define RCC_APB1ENR_PWR BIT(28)
#define RCC_APB2ENR REGISTER(0x40023844u)

/* Power: RM0390 5.4 */
#define PWR_CR REGISTER(0x40007000u)
#define PWR_CR_VOS (3u << 14)
#define PWR_CR_ODEN BIT(16)
#define PWR_CR_ODSWEN BIT(17)
#define PWR_CSR REGISTER(0x40007004u)
#define PWR_CSR_ODRDY BIT(16)
#define PWR_CSR_ODSWRDY BIT(17)

/* Flash interface: RM0390 3.8 */
#define FLASH_ACR REGISTER(0x40023C00u)
#define FLASH_ACR_LATENCY 0xFu
#define FLASH_ACR_PRFTEN BIT(8)
#define FLASH_ACR_ICEN BIT(9)
#define FLASH_ACR_DCEN BIT(10)

#define CHIP_GPIO(port) (0x40020000u + 0x400u * (port))
#define CHIP_GPIO_ENABLE RCC_AHB1ENR
#define CHIP_GPIO_ENABLE_BIT 0u
#define CHIP_TIM2_ENABLE RCC_APB1ENR
#define CHIP_RESETS REGISTER(0x40023874u)
#define CHIP_RESETS_CLEAR BIT(24)

/* DMA: RM0390 9.5; the flags of a stream lie in LISR (0 to 3) or HISR */
#define DMA_BASE(number) (0x40026000u + 0x400u * ((number) - 1u))
#define DMA_ISR(base, stream) REGISTER((base) + 4u * ((stream) / 4u))
#define DMA_IFCR(base, stream) REGISTER((base) + 8u + 4u * ((stream) / 4u))
#define DMA_FLAGS_SHIFT(stream) (((stream) & 1u) * 6u + ((stream) & 2u) * 8u)
#define DMA_FLAGS 0x3Du
#define DMA_FLAGS_ERROR (BIT(2) | BIT(3)) /* direct mode, transfer; FIFO errors are none in direct mode */
#define DMA_FLAGS_COMPLETE BIT(5)
#define DMA_CR(base, stream) REGISTER((base) + 0x10u + 0x18u * (stream))
#define DMA_CR_EN BIT(0)
#define DMA_CR_TO_PERIPHERAL (1u << 6) /* bytes */
#define DMA_CR_MINC BIT(10)
#define DMA_CR_CHANNEL(channel) ((channel) << 25)
#define DMA_NDTR(base, stream) REGISTER((base) + 0x14u + 0x18u * (stream))
#define DMA_PAR(base, stream) REGISTER((base) + 0x18u + 0x18u * (stream))
#define DMA_M0AR(base, stream) REGISTER((base) + 0x1Cu + 0x18u * (stream))
#define RCC_AHB1ENR_DMA(number) BIT(20u + (number))

/* RM0390 6.3.13 and 6.3.14, 10.2; the DMA's streams and channels: RM0390 9.3.4, tables 28 and 29. Stream 3 of DMA1 is the
 * microphone's. */
#if BOARD_USART == 1
#define CHIP_SERIAL_DMA 2u
#define CHIP_SERIAL_STREAM 7u
#define CHIP_SERIAL_CHANNEL 4u
#define CHIP_SERIAL 0x40011000u
#define CHIP_SERIAL_INTERRUPT 37
#define CHIP_SERIAL_ENABLE RCC_APB2ENR
#define CHIP_SERIAL_ENABLE_BIT 4
#elif BOARD_USART == 2
#define CHIP_SERIAL_DMA 1u
#define CHIP_SERIAL_STREAM 6u
#define CHIP_SERIAL_CHANNEL 4u
#define CHIP_SERIAL 0x40004400u
#define CHIP_SERIAL_INTERRUPT 38
#define CHIP_SERIAL_ENABLE RCC_APB1ENR
#define CHIP_SERIAL_ENABLE_BIT 17
#elif BOARD_USART == 3
#define CHIP_SERIAL_DMA 1u
#define CHIP_SERIAL_STREAM 4u
#define CHIP_SERIAL_CHANNEL 7u
#define CHIP_SERIAL 0x40004800u
#define CHIP_SERIAL_INTERRUPT 39
#define CHIP_SERIAL_ENABLE RCC_APB1ENR
#define CHIP_SERIAL_ENABLE_BIT 18
#elif BOARD_USART == 6
#define CHIP_SERIAL_DMA 2u
#define CHIP_SERIAL_STREAM 6u
#define CHIP_SERIAL_CHANNEL 5u
#define CHIP_SERIAL 0x40011400u
#define CHIP_SERIAL_INTERRUPT 71
#define CHIP_SERIAL_ENABLE RCC_APB2ENR
#define CHIP_SERIAL_ENABLE_BIT 5
#else
#error "BOARD_USART must be 1, 2, 3 or 6"
#endif

static inline void chip_prepare_pins(void) {}

#endif
