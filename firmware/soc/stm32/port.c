/* SPDX-License-Identifier: Apache-2.0 */
/* The serial port: pins, rate, receive interrupt. */
#include "board_config.h"
#include "chip.h"
#include "soc.h"

static void start_pin(uint32_t port, uint32_t pin)
{
    const uint32_t base = CHIP_GPIO(port);

    CHIP_GPIO_ENABLE |= BIT(CHIP_GPIO_ENABLE_BIT + port);
    (void)CHIP_GPIO_ENABLE; /* two cycles until it is clocked: RM0390 6.2 */
    GPIO_PUPDR(base) = (GPIO_PUPDR(base) & ~(3u << (2u * pin))) | (1u << (2u * pin)); /* up: an open line idles high */
    GPIO_AFR(base, pin / 8u) =
        (GPIO_AFR(base, pin / 8u) & ~(0xFu << (4u * (pin % 8u)))) | ((uint32_t)BOARD_ALTERNATE << (4u * (pin % 8u)));
    GPIO_MODER(base) = (GPIO_MODER(base) & ~(3u << (2u * pin))) | (2u << (2u * pin));
}

#if CHIP_USART_SPLIT
#define STATUS USART2_ISR(CHIP_SERIAL)
#define RECEIVED USART2_RDR(CHIP_SERIAL)
#define TO_SEND USART2_TDR(CHIP_SERIAL)
#else
#define STATUS USART_SR(CHIP_SERIAL)
#define RECEIVED USART_DR(CHIP_SERIAL)
#define TO_SEND USART_DR(CHIP_SERIAL)
#endif

void soc_start_port(uint32_t port_hz, uint32_t baud)
{
    const uint32_t on = USART_CR1_TE | USART_CR1_RE | USART_CR1_RXNEIE;

    CHIP_SERIAL_ENABLE |= BIT(CHIP_SERIAL_ENABLE_BIT);
    (void)CHIP_SERIAL_ENABLE;
    chip_prepare_pins();
    start_pin(BOARD_TX_PORT, BOARD_TX_PIN);
    start_pin(BOARD_RX_PORT, BOARD_RX_PIN);
#if CHIP_USART_SPLIT
    USART2_CR1(CHIP_SERIAL) = 0; /* the rate is write-protected while it runs: RM0351 40.8.4 */
#if BOARD_USART == 0 /* LPUART: 256 times the resolution (RM0351 41.4.4) */
    USART2_BRR(CHIP_SERIAL) = (uint32_t)((256ull * port_hz + baud / 2u) / baud);
#else
    USART2_BRR(CHIP_SERIAL) = (port_hz + baud / 2u) / baud; /* 16 times oversampling: RM0351 40.5.4 */
#endif
    USART2_CR1(CHIP_SERIAL) = USART2_CR1_UE | on;
#else
    USART_CR1(CHIP_SERIAL) = 0;
    USART_BRR(CHIP_SERIAL) = (port_hz + baud / 2u) / baud; /* 16 times oversampling: RM0390 25.4.4 */
    USART_CR1(CHIP_SERIAL) = USART_CR1_UE | on;
#endif
    core_enable_interrupt(CHIP_SERIAL_INTERRUPT);
}

bool soc_take_byte(void)
{
    const uint32_t flags = STATUS;

    if ((flags & (USART_RXNE | USART_ORE)) == 0u) {
        return false;
    }
    const uint8_t byte = (uint8_t)RECEIVED; /* with one data register this also clears the errors: RM0390 25.6.1 */

    if ((flags & (USART_ORE | USART_FE | USART_NF)) != 0u) {
#if CHIP_USART_SPLIT
        USART2_ICR(CHIP_SERIAL) = flags & (USART_ORE | USART_FE | USART_NF);
#endif
        if ((flags & USART_ORE) != 0u) {
            soc_overrun();
        }
        if ((flags & (USART_FE | USART_NF)) != 0u) {
            soc_line_error();
        }
    }
    if ((flags & USART_RXNE) != 0u) {
        soc_received(byte);
    }
    return true;
}

bool soc_put_byte(uint8_t byte)
{
    if ((STATUS & USART_TXE) == 0u) {
        return false;
    }
    TO_SEND = byte;
    return true;
}

bool soc_sent(void) { return (STATUS & USART_TC) != 0u && !chip_sending(); }
