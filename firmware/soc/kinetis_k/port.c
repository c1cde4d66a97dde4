/* SPDX-License-Identifier: Apache-2.0 */
/* The serial port: pins, rate, receive interrupt (52.4). */
#include "chip.h"
#include "soc.h"

void soc_start_port(uint32_t port_hz, uint32_t baud)
{
    const uint32_t ticks = (2u * port_hz + baud / 2u) / baud; /* 1/32 of a divider step: SBR and BRFA, 52.3.1, 52.4.1 */

    SIM_SCGC4 |= SIM_SCGC4_UART;
    SIM_SCGC5 |= SIM_SCGC5_PORT(BOARD_TX_PORT) | SIM_SCGC5_PORT(BOARD_RX_PORT);
    PORT_PCR(BOARD_TX_PORT, BOARD_TX_PIN) = PORT_PCR_MUX(BOARD_ALTERNATE);
    PORT_PCR(BOARD_RX_PORT, BOARD_RX_PIN) = PORT_PCR_MUX(BOARD_ALTERNATE) | PORT_PCR_PULL_UP;
    UART_C2 = 0;
    UART_BDH = (uint8_t)(ticks / 32u >> 8);
    UART_BDL = (uint8_t)(ticks / 32u);
    UART_C4 = (uint8_t)(ticks % 32u);
    UART_C2 = UART_C2_TE | UART_C2_RE | UART_C2_RIE;
    core_enable_interrupt(CHIP_SERIAL_INTERRUPT);
}

bool soc_take_byte(void)
{
    const uint8_t flags = UART_S1;

    if ((flags & (UART_S1_RDRF | UART_S1_OR)) == 0u) {
        return false;
    }
    const uint8_t byte = UART_D; /* behind S1 this also clears the flags: 52.3.5 */

    if ((flags & UART_S1_OR) != 0u) {
        soc_overrun();
    }
    if ((flags & (UART_S1_FE | UART_S1_NF)) != 0u) {
        soc_line_error();
    }
    if ((flags & UART_S1_RDRF) != 0u) {
        soc_received(byte);
    }
    return true;
}

bool soc_put_byte(uint8_t byte)
{
    if ((UART_S1 & UART_S1_TDRE) == 0u) {
        return false;
    }
    UART_D = byte;
    return true;
}

bool soc_sent(void) { return (UART_S1 & UART_S1_TC) != 0u; }
