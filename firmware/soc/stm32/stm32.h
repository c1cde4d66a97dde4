/* SPDX-License-Identifier: Apache-2.0 */
/* Peripherals that the STM32 families have in common, by the manuals of those that this firmware runs on. A family's
 * chip.h says where they are and which of the two kinds of USART it has. */
#ifndef ASCMCU_STM32_H
#define ASCMCU_STM32_H

#include <stdbool.h>

#include "core.h"

/* Whether bytes are left that go to the serial port by themselves. */
#ifdef CHIP_SENDS_BY_DMA
bool chip_sending(void);
#else
static inline bool chip_sending(void) { return false; }
#endif

/* Ports: RM0390 7.4, RM0316 11.4, RM0351 8.4, RM0440 9.4 */
#define GPIO_MODER(base) REGISTER((base) + 0x00u)
#define GPIO_PUPDR(base) REGISTER((base) + 0x0Cu)
#define GPIO_AFR(base, high) REGISTER((base) + 0x20u + 4u * (high))

/* USART with one data register: RM0390 25.6 */
#define USART_SR(base) REGISTER((base) + 0x00u)
#define USART_DR(base) REGISTER((base) + 0x04u)
#define USART_BRR(base) REGISTER((base) + 0x08u)
#define USART_CR1(base) REGISTER((base) + 0x0Cu)
#define USART_CR1_UE BIT(13)
#define USART_CR3(base) REGISTER((base) + 0x14u)
#define USART_CR3_DMAT BIT(7)

/* USART and LPUART with two: RM0316 29.8, RM0351 40.8 and 41.7, RM0440 37.8 */
#define USART2_CR1(base) REGISTER((base) + 0x00u)
#define USART2_CR1_UE BIT(0)
#define USART2_BRR(base) REGISTER((base) + 0x0Cu)
#define USART2_ISR(base) REGISTER((base) + 0x1Cu)
#define USART2_ICR(base) REGISTER((base) + 0x20u)
#define USART2_RDR(base) REGISTER((base) + 0x24u)
#define USART2_TDR(base) REGISTER((base) + 0x28u)

/* The same bits in SR and ISR, and in either CR1 */
#define USART_FE BIT(1)
#define USART_NF BIT(2)
#define USART_ORE BIT(3)
#define USART_RXNE BIT(5)
#define USART_TC BIT(6)
#define USART_TXE BIT(7)
#define USART_CR1_RE BIT(2)
#define USART_CR1_TE BIT(3)
#define USART_CR1_RXNEIE BIT(5)

/* The independent watchdog, on an oscillator of its own of about 32 kHz: RM0390 21.4, RM0316 25.4, RM0351 36.4 */
#define IWDG_KR REGISTER(0x40003000u)
#define IWDG_KR_FEED 0xAAAAu
#define IWDG_KR_UNLOCK 0x5555u
#define IWDG_KR_START 0xCCCCu
#define IWDG_PR REGISTER(0x40003004u)
#define IWDG_PR_256 6u
#define IWDG_RLR REGISTER(0x40003008u)
#define IWDG_SR REGISTER(0x4000300Cu)

/* The causes of a reset lie alike in all families: RM0390 6.3.21, RM0316 9.4.10, RM0351 6.4.29 */
#define RCC_CSR_PIN BIT(26)
#define RCC_CSR_POWER BIT(27)
#define RCC_CSR_SOFTWARE BIT(28)
#define RCC_CSR_WATCHDOGS (BIT(29) | BIT(30))

/* TIM2, 32 bits wide: RM0390 17.4 */
#define TIM2_CR1 REGISTER(0x40000000u)
#define TIM2_CR1_CEN BIT(0)
#define TIM2_EGR REGISTER(0x40000014u)
#define TIM2_EGR_UG BIT(0)
#define TIM2_CNT REGISTER(0x40000024u)
#define TIM2_PSC REGISTER(0x40000028u)
#define TIM2_ARR REGISTER(0x4000002Cu)

#endif
