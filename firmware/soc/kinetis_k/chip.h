/* SPDX-License-Identifier: Apache-2.0 */
/* Kinetis K64: K64P144M120SF5RM (reference manual). Most registers are bytes. */
#ifndef ASCMCU_CHIP_H
#define ASCMCU_CHIP_H

#include "board_config.h"
#include "core.h"

#define CHIP_VECTORS 86 /* 3.2.2.3 */

/* Watchdog: 24.7 */
#define WDOG_STCTRLH REGISTER16(0x40052000u)
#define WDOG_STCTRLH_OFF 0x01D2u /* the reset value without WDOGEN */
#define WDOG_STCTRLH_ON 0x01D1u /* WDOGEN, on the 1 kHz oscillator, can be changed later */
#define WDOG_TOVALH REGISTER16(0x40052004u)
#define WDOG_TOVALL REGISTER16(0x40052006u)
#define WDOG_REFRESH REGISTER16(0x4005200Cu)
#define WDOG_UNLOCK REGISTER16(0x4005200Eu)
#define WDOG_PRESC REGISTER16(0x40052016u)

/* Reset control: 16.2 */
#define RCM_SRS0 REGISTER8(0x4007F000u)
#define RCM_SRS0_LVD BIT(1)
#define RCM_SRS0_WDOG BIT(5)
#define RCM_SRS0_PIN BIT(6)
#define RCM_SRS0_POR BIT(7)
#define RCM_SRS1 REGISTER8(0x4007F001u)
#define RCM_SRS1_LOCKUP BIT(1)
#define RCM_SRS1_SW BIT(2)

/* System integration: 12.2 */
#define SIM_SCGC4 REGISTER(0x40048034u)
#define SIM_SCGC5 REGISTER(0x40048038u)
#define SIM_SCGC5_PORT(port) BIT(9u + (port))
#define SIM_CLKDIV1 REGISTER(0x40048044u)

/* Clock generator: 25.3 */
#define MCG_C1 REGISTER8(0x40064000u)
#define MCG_C1_CLKS_EXTERNAL (2u << 6)
#define MCG_C1_FRDIV_1536 (7u << 3) /* 50 MHz / 1536 = 32.6 kHz, where the FLL wants 31.25 … 39.06 */
#define MCG_C2 REGISTER8(0x40064001u)
#define MCG_C2_RANGE_HIGH (2u << 4) /* EREFS0 stays 0: a clock, no crystal */
#define MCG_C5 REGISTER8(0x40064004u)
#define MCG_C6 REGISTER8(0x40064005u)
#define MCG_C6_PLLS BIT(6)
#define MCG_S REGISTER8(0x40064006u)
#define MCG_S_CLKST (3u << 2)
#define MCG_S_CLKST_EXTERNAL (2u << 2)
#define MCG_S_CLKST_PLL (3u << 2)
#define MCG_S_IREFST BIT(4)
#define MCG_S_PLLST BIT(5)
#define MCG_S_LOCK0 BIT(6)

/* Pins: 11.5 */
#define PORT_PCR(port, pin) REGISTER(0x40049000u + 0x1000u * (port) + 4u * (pin))
#define PORT_PCR_MUX(alternate) ((uint32_t)(alternate) << 8)
#define PORT_PCR_PULL_UP 3u

/* UART0 and UART1 are clocked with the core: 52.3. The receive interrupt's numbers: 3.2.2.3 */
#if BOARD_USART == 0
#define UART 0x4006A000u
#define CHIP_SERIAL_INTERRUPT 31
#define SIM_SCGC4_UART BIT(10)
#elif BOARD_USART == 1
#define UART 0x4006B000u
#define CHIP_SERIAL_INTERRUPT 33
#define SIM_SCGC4_UART BIT(11)
#else
#error "BOARD_USART must be 0 or 1"
#endif
#define UART_BDH REGISTER8(UART + 0x0u)
#define UART_BDL REGISTER8(UART + 0x1u)
#define UART_C2 REGISTER8(UART + 0x3u)
#define UART_C2_RE BIT(2)
#define UART_C2_TE BIT(3)
#define UART_C2_RIE BIT(5)
#define UART_S1 REGISTER8(UART + 0x4u)
#define UART_S1_FE BIT(1)
#define UART_S1_NF BIT(2)
#define UART_S1_OR BIT(3)
#define UART_S1_RDRF BIT(5)
#define UART_S1_TC BIT(6)
#define UART_S1_TDRE BIT(7)
#define UART_D REGISTER8(UART + 0x7u)
#define UART_C4 REGISTER8(UART + 0xAu)

#endif
