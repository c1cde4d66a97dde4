/* SPDX-License-Identifier: Apache-2.0 */
/* SAM D5x. Addresses and bits: Microchip's headers for the SAMD51, which are named below; tests/boards/test_registers.py
 * holds their numbers. */
#ifndef ASCMCU_CHIP_H
#define ASCMCU_CHIP_H

#include "board_config.h"
#include "core.h"

#define CHIP_VECTORS 137 /* samd51j19a.h */
/* Each SERCOM has four: data register empty, transmit complete, receive complete, the rest. */
#define CHIP_SERIAL_INTERRUPT (46 + 4 * BOARD_USART + 2)

/* NVMCTRL: component/nvmctrl.h */
#define NVMCTRL_CTRLA REGISTER16(0x41004000u)
#define NVMCTRL_CTRLA_AUTOWS BIT(2)
#define NVMCTRL_CTRLA_RWS(states) ((states) << 8)

/* CMCC, the cache between core and flash: component/cmcc.h */
#define CMCC_CTRL REGISTER(0x41006008u)

/* MCLK: component/mclk.h */
#define MCLK_CPUDIV REGISTER8(0x40000805u)
#define MCLK_APBAMASK REGISTER(0x40000814u)
#define MCLK_APBBMASK REGISTER(0x40000818u)
#define MCLK_APBDMASK REGISTER(0x40000820u)

/* RSTC: component/rstc.h */
#define RSTC_RCAUSE REGISTER8(0x40000C00u)
#define RSTC_RCAUSE_POWER (BIT(0) | BIT(1) | BIT(2))
#define RSTC_RCAUSE_EXT BIT(4)
#define RSTC_RCAUSE_WDT BIT(5)
#define RSTC_RCAUSE_SYST BIT(6)

/* WDT, on an oscillator of its own of 1 kHz: component/wdt.h */
#define WDT_CTRLA REGISTER8(0x40002000u)
#define WDT_CTRLA_ENABLE BIT(1)
#define WDT_CONFIG REGISTER8(0x40002001u)
#define WDT_CONFIG_16384 11u
#define WDT_SYNCBUSY REGISTER(0x40002008u)
#define WDT_SYNCBUSY_CLEAR BIT(4)
#define WDT_CLEAR REGISTER8(0x4000200Cu)
#define WDT_CLEAR_KEY 0xA5u

/* OSC32KCTRL: component/osc32kctrl.h */
#define OSC32KCTRL_STATUS REGISTER(0x4000140Cu)
#define OSC32KCTRL_STATUS_XOSC32KRDY BIT(0)
#define OSC32KCTRL_XOSC32K REGISTER16(0x40001414u)
#define OSC32KCTRL_XOSC32K_ON (BIT(1) | BIT(2) | BIT(3) | BIT(13)) /* ENABLE, XTALEN, EN32K, standard gain */

/* OSCCTRL, the first of its two PLLs: component/oscctrl.h */
#define OSCCTRL_DPLLCTRLA REGISTER8(0x40001030u)
#define OSCCTRL_DPLLCTRLA_ENABLE BIT(1)
#define OSCCTRL_DPLLRATIO REGISTER(0x40001034u)
#define OSCCTRL_DPLLCTRLB REGISTER(0x40001038u)
#define OSCCTRL_DPLLCTRLB_REF_GCLK (0u << 5)
#define OSCCTRL_DPLLCTRLB_REF_XOSC32K (1u << 5)
#define OSCCTRL_DPLLCTRLB_LBYPASS BIT(11)
#define OSCCTRL_DPLLSYNCBUSY REGISTER(0x4000103Cu)
#define OSCCTRL_DPLLSYNCBUSY_ENABLE BIT(1)
#define OSCCTRL_DPLLSYNCBUSY_DPLLRATIO BIT(2)
#define OSCCTRL_DPLLSTATUS REGISTER(0x40001040u)
#define OSCCTRL_DPLLSTATUS_READY (BIT(0) | BIT(1)) /* LOCK, CLKRDY */

/* GCLK: component/gclk.h */
#define GCLK_CTRLA REGISTER8(0x40001C00u)
#define GCLK_CTRLA_SWRST BIT(0)
#define GCLK_SYNCBUSY REGISTER(0x40001C04u)
#define GCLK_SYNCBUSY_SWRST BIT(0)
#define GCLK_SYNCBUSY_GENCTRL(n) BIT(2u + (n))
#define GCLK_GENCTRL(n) REGISTER(0x40001C20u + 4u * (n))
#define GCLK_GENCTRL_DFLL 6u
#define GCLK_GENCTRL_DPLL0 7u
#define GCLK_GENCTRL_GENEN BIT(8)
#define GCLK_GENCTRL_DIV(divider) ((divider) << 16)
#define GCLK_PCHCTRL(channel) REGISTER(0x40001C80u + 4u * (channel))
#define GCLK_PCHCTRL_CHEN BIT(6)
#define GCLK_CHANNEL_DPLL0 1u /* instance/oscctrl.h */

/* PORT: component/port.h */
#define PORT(group) (0x41008000u + 0x80u * (group))
#define PORT_OUTSET(group) REGISTER(PORT(group) + 0x18u)
#define PORT_PMUX(group, pin) REGISTER8(PORT(group) + 0x30u + (pin) / 2u)
#define PORT_PINCFG(group, pin) REGISTER8(PORT(group) + 0x40u + (pin))
#define PORT_PINCFG_PMUXEN BIT(0)
#define PORT_PINCFG_INEN BIT(1)
#define PORT_PINCFG_PULLEN BIT(2)

/* SERCOM as USART: component/sercom.h; where each is: samd51j19a.h, component/mclk.h, instance/sercom0.h to sercom5.h */
#if BOARD_USART == 0
#define SERCOM 0x40003000u
#define CHIP_SERIAL_ENABLE MCLK_APBAMASK
#define CHIP_SERIAL_ENABLE_BIT 12
#define CHIP_SERIAL_CHANNEL 7u
#elif BOARD_USART == 1
#define SERCOM 0x40003400u
#define CHIP_SERIAL_ENABLE MCLK_APBAMASK
#define CHIP_SERIAL_ENABLE_BIT 13
#define CHIP_SERIAL_CHANNEL 8u
#elif BOARD_USART == 2
#define SERCOM 0x41012000u
#define CHIP_SERIAL_ENABLE MCLK_APBBMASK
#define CHIP_SERIAL_ENABLE_BIT 9
#define CHIP_SERIAL_CHANNEL 23u
#elif BOARD_USART == 3
#define SERCOM 0x41014000u
#define CHIP_SERIAL_ENABLE MCLK_APBBMASK
#define CHIP_SERIAL_ENABLE_BIT 10
#define CHIP_SERIAL_CHANNEL 24u
#elif BOARD_USART == 4
#define SERCOM 0x43000000u
#define CHIP_SERIAL_ENABLE MCLK_APBDMASK
#define CHIP_SERIAL_ENABLE_BIT 0
#define CHIP_SERIAL_CHANNEL 34u
#elif BOARD_USART == 5
#define SERCOM 0x43000400u
#define CHIP_SERIAL_ENABLE MCLK_APBDMASK
#define CHIP_SERIAL_ENABLE_BIT 1
#define CHIP_SERIAL_CHANNEL 35u
#else
#error "BOARD_USART must be 0 to 5, the number of the SERCOM"
#endif

#define USART_CTRLA REGISTER(SERCOM + 0x00u)
#define USART_CTRLA_SWRST BIT(0)
#define USART_CTRLA_ENABLE BIT(1)
#define USART_CTRLA_INTERNAL (1u << 2)
#define USART_CTRLA_RX_PAD1 (1u << 20) /* TX is on pad 0 */
#define USART_CTRLA_LSB_FIRST BIT(30)
#define USART_CTRLB REGISTER(SERCOM + 0x04u)
#define USART_CTRLB_TXEN BIT(16)
#define USART_CTRLB_RXEN BIT(17)
#define USART_BAUD REGISTER16(SERCOM + 0x0Cu)
#define USART_INTENSET REGISTER8(SERCOM + 0x16u)
#define USART_INTFLAG REGISTER8(SERCOM + 0x18u)
#define USART_INT_DRE BIT(0)
#define USART_INT_TXC BIT(1)
#define USART_INT_RXC BIT(2)
#define USART_STATUS REGISTER16(SERCOM + 0x1Au)
#define USART_STATUS_FERR BIT(1)
#define USART_STATUS_BUFOVF BIT(2)
#define USART_SYNCBUSY REGISTER(SERCOM + 0x1Cu)
#define USART_SYNCBUSY_SWRST BIT(0)
#define USART_SYNCBUSY_ENABLE BIT(1)
#define USART_SYNCBUSY_CTRLB BIT(2)
#define USART_DATA REGISTER(SERCOM + 0x28u)

#endif
