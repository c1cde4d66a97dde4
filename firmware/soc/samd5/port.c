/* SPDX-License-Identifier: Apache-2.0 */
/* The serial port: pins, rate, receive interrupt. */
#include "chip.h"
#include "soc.h"

static void start_pin(uint32_t group, uint32_t pin, uint32_t more)
{
    const uint32_t shift = pin % 2u * 4u;

    PORT_OUTSET(group) = BIT(pin); /* the pull is up: an open line idles high */
    PORT_PMUX(group, pin) =
        (uint8_t)((PORT_PMUX(group, pin) & ~(0xFu << shift)) | ((uint32_t)BOARD_ALTERNATE << shift));
    PORT_PINCFG(group, pin) = (uint8_t)(PORT_PINCFG_PMUXEN | more);
}

void soc_start_port(uint32_t port_hz, uint32_t baud)
{
    /* 65536 · (1 − 16 · baud / clock), rounded: "Baud-Rate Generator" in Microchip's data sheets */
    const uint64_t part = (65536ull * 16u * baud + port_hz / 2u) / port_hz;

    CHIP_SERIAL_ENABLE |= BIT(CHIP_SERIAL_ENABLE_BIT);
    GCLK_PCHCTRL(CHIP_SERIAL_CHANNEL) = 2u | GCLK_PCHCTRL_CHEN; /* the generator of the port: clock.c */
    (void)soc_wait_for(&GCLK_PCHCTRL(CHIP_SERIAL_CHANNEL), GCLK_PCHCTRL_CHEN, GCLK_PCHCTRL_CHEN);
    start_pin(BOARD_TX_PORT, BOARD_TX_PIN, 0);
    start_pin(BOARD_RX_PORT, BOARD_RX_PIN, PORT_PINCFG_INEN | PORT_PINCFG_PULLEN);
    USART_CTRLA = USART_CTRLA_SWRST;
    (void)soc_wait_for(&USART_SYNCBUSY, USART_SYNCBUSY_SWRST, 0);
    USART_CTRLA = USART_CTRLA_INTERNAL | USART_CTRLA_RX_PAD1 | USART_CTRLA_LSB_FIRST;
    USART_BAUD = (uint16_t)(65536u - (uint32_t)part);
    USART_CTRLB = USART_CTRLB_TXEN | USART_CTRLB_RXEN;
    (void)soc_wait_for(&USART_SYNCBUSY, USART_SYNCBUSY_CTRLB, 0);
    USART_INTENSET = USART_INT_RXC;
    USART_CTRLA |= USART_CTRLA_ENABLE;
    (void)soc_wait_for(&USART_SYNCBUSY, USART_SYNCBUSY_ENABLE, 0);
    core_enable_interrupt(CHIP_SERIAL_INTERRUPT);
}

bool soc_take_byte(void)
{
    if ((USART_INTFLAG & USART_INT_RXC) == 0u) {
        return false;
    }
    const uint16_t status = USART_STATUS; /* of the byte that is read next */
    const uint8_t byte = (uint8_t)USART_DATA;

    if ((status & (USART_STATUS_BUFOVF | USART_STATUS_FERR)) != 0u) {
        USART_STATUS = USART_STATUS_BUFOVF | USART_STATUS_FERR; /* written ones clear */
        if ((status & USART_STATUS_BUFOVF) != 0u) {
            soc_overrun();
        }
        if ((status & USART_STATUS_FERR) != 0u) {
            soc_line_error();
        }
    }
    soc_received(byte);
    return true;
}

bool soc_put_byte(uint8_t byte)
{
    if ((USART_INTFLAG & USART_INT_DRE) == 0u) {
        return false;
    }
    USART_DATA = byte;
    return true;
}

bool soc_sent(void) { return (USART_INTFLAG & USART_INT_TXC) != 0u; }
