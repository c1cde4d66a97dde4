/* SPDX-License-Identifier: Apache-2.0 */
/* UARTE0, one byte at a time: the receiver stops behind each byte and is started again by the interrupt, while its own
 * buffer holds what comes meanwhile. Transfers reach RAM only, so what is sent goes through a small buffer. */
#include <string.h>

#include "chip.h"
#include "soc.h"

#define SEND_BYTES 64u

static volatile uint8_t rx IN_PROTOCOL_RAM;
static uint8_t tx[SEND_BYTES] IN_PROTOCOL_RAM;

static uint32_t pin_select(uint32_t port, uint32_t pin) { return port << 5 | pin; }

/* 6.34.9.33; the rates in between and above are further off than a receiver allows */
static uint32_t baud_code(uint32_t baud)
{
    switch (baud) {
    case 1000000u:
        return 0x10000000u;
    case 460800u:
        return 0x07400000u;
    case 230400u:
        return 0x03B00000u;
    default:
        return 0x01D60000u; /* 115200 */
    }
}

void soc_start_port(uint32_t port_hz, uint32_t baud)
{
    UARTE_ENABLE = 0; /* pins and rate are to be set while it is off: 6.34.5 */
    GPIO_OUTSET(BOARD_TX_PORT) = BIT(BOARD_TX_PIN); /* idle is high, also before the UART has the pin */
    GPIO_DIRSET(BOARD_TX_PORT) = BIT(BOARD_TX_PIN);
    GPIO_PIN_CNF(BOARD_RX_PORT, BOARD_RX_PIN) = GPIO_PIN_CNF_PULL_UP;
    UARTE_PSEL_TXD = pin_select(BOARD_TX_PORT, BOARD_TX_PIN);
    UARTE_PSEL_RXD = pin_select(BOARD_RX_PORT, BOARD_RX_PIN);
    UARTE_PSEL_RTS = UARTE_PSEL_NONE;
    UARTE_PSEL_CTS = UARTE_PSEL_NONE;
    UARTE_CONFIG = 0;
    (void)port_hz; /* always 16 MHz */
    UARTE_BAUDRATE = baud_code(baud);
    UARTE_ENABLE = UARTE_ENABLE_ON;
    UARTE_RXD_PTR = (uint32_t)(uintptr_t)&rx;
    UARTE_RXD_MAXCNT = 1;
    UARTE_ENDRX = 0;
    UARTE_ERROR = 0;
    UARTE_INTENSET = UARTE_INTEN_ENDRX | UARTE_INTEN_ERROR;
    core_enable_interrupt(CHIP_SERIAL_INTERRUPT);
    UARTE_STARTRX = 1;
}

void soc_serial_handler(void)
{
    if (UARTE_ERROR != 0u) {
        const uint32_t source = UARTE_ERRORSRC;

        UARTE_ERROR = 0;
        UARTE_ERRORSRC = source;
        if ((source & UARTE_ERRORSRC_OVERRUN) != 0u) {
            soc_overrun();
        } else {
            soc_line_error();
        }
    }
    for (uint32_t i = 0; i < SOC_BURST_BYTES && UARTE_ENDRX != 0u; i++) {
        const uint8_t byte = rx;

        UARTE_ENDRX = 0;
        UARTE_STARTRX = 1;
        soc_received(byte);
    }
    (void)UARTE_ENDRX; /* the writes must have arrived before the handler returns */
}

bool soc_send(const uint8_t *from, size_t size)
{
    while (size > 0) {
        const size_t part = size < SEND_BYTES ? size : SEND_BYTES;

        memcpy(tx, from, part);
        UARTE_ENDTX = 0;
        UARTE_TXD_PTR = (uint32_t)(uintptr_t)tx;
        UARTE_TXD_MAXCNT = (uint32_t)part;
        UARTE_STARTTX = 1;
        for (uint32_t polls = 0; UARTE_ENDTX == 0u; polls++) {
            if (polls == SOC_SEND_POLLS) {
                UARTE_STOPTX = 1;
                return false;
            }
        }
        from += part;
        size -= part;
    }
    return true;
}
