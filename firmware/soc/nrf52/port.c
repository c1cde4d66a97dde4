/* SPDX-License-Identifier: Apache-2.0 */
/* UARTE0, one byte at a time: the receiver stops behind each byte and is started again by the interrupt, while its own
 * buffer holds what comes meanwhile. What is sent is copied, and moves by itself while the core goes on. */
#include <string.h>

#include "chip.h"
#include "soc.h"

static volatile uint8_t rx IN_PROTOCOL_RAM;
static uint8_t tx[SOC_SEND_BYTES] IN_TRANSMIT_RAM;
static bool sending; /* since the first transfer */

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
    sending = false;
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

static void take_error(void)
{
    const uint32_t source = UARTE_ERRORSRC;

    UARTE_ERROR = 0;
    UARTE_ERRORSRC = source;
    if ((source & UARTE_ERRORSRC_OVERRUN) != 0u) {
        soc_overrun();
    } else {
        soc_line_error();
    }
}

bool soc_take_byte(void)
{
    if (UARTE_ERROR != 0u) {
        take_error();
    }
    if (UARTE_ENDRX == 0u) { /* reading it also makes the writes of the last time arrive before the handler returns */
        return false;
    }
    const uint8_t byte = rx;

    UARTE_ENDRX = 0;
    UARTE_STARTRX = 1;
    soc_received(byte);
    return true;
}

bool soc_sent(void) { return !sending || UARTE_ENDTX != 0u; }

/* The part that was sent last has left; one that does not is given up. */
static bool wait_for_sender(void)
{
    for (uint32_t polls = 0; !soc_sent(); polls++) {
        if (polls == SOC_DRAIN_POLLS) {
            UARTE_STOPTX = 1;
            sending = false;
            return false;
        }
    }
    return true;
}

bool soc_send(const uint8_t *from, size_t size)
{
    while (size > 0u) {
        const size_t part = size < sizeof tx ? size : sizeof tx;

        if (!wait_for_sender()) {
            return false;
        }
        memcpy(tx, from, part);
        UARTE_ENDTX = 0;
        UARTE_TXD_PTR = (uint32_t)(uintptr_t)tx;
        UARTE_TXD_MAXCNT = (uint32_t)part;
        sending = true;
        UARTE_STARTTX = 1;
        from += part;
        size -= part;
    }
    return true;
}
