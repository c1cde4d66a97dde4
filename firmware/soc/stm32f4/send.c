/* SPDX-License-Identifier: Apache-2.0 */
/* What is sent is copied, and DMA gives it to the USART while the core goes on (RM0390 9.3, 25.4.13). Where no DMA answers,
 * as on QEMU, the core sends each byte. */
#include <string.h>

#include "chip.h"
#include "soc.h"

#define DMA DMA_BASE(CHIP_SERIAL_DMA)
#define CONTROL DMA_CR(DMA, CHIP_SERIAL_STREAM)

static uint8_t tx[SOC_SEND_BYTES] IN_TRANSMIT_RAM;
static bool absent;

static uint32_t flags(void) { return DMA_ISR(DMA, CHIP_SERIAL_STREAM) >> DMA_FLAGS_SHIFT(CHIP_SERIAL_STREAM) & DMA_FLAGS; }

bool chip_sending(void) { return (CONTROL & DMA_CR_EN) != 0u; }

/* The part that was sent last has left; one that does not is given up. */
static bool wait_for_dma(void)
{
    for (uint32_t polls = 0; !soc_sent(); polls++) {
        if (polls == SOC_DRAIN_POLLS) {
            CONTROL = 0;
            return false;
        }
    }
    return (flags() & DMA_FLAGS_ERROR) == 0u;
}

static void start(size_t size)
{
    CONTROL = 0;
    DMA_IFCR(DMA, CHIP_SERIAL_STREAM) = DMA_FLAGS << DMA_FLAGS_SHIFT(CHIP_SERIAL_STREAM);
    DMA_PAR(DMA, CHIP_SERIAL_STREAM) = CHIP_SERIAL + 4u; /* DR */
    DMA_M0AR(DMA, CHIP_SERIAL_STREAM) = (uint32_t)(uintptr_t)tx;
    DMA_NDTR(DMA, CHIP_SERIAL_STREAM) = (uint32_t)size;
    USART_SR(CHIP_SERIAL) = ~USART_TC; /* zeros clear: soc_sent() waits for it to come back */
    USART_CR3(CHIP_SERIAL) = USART_CR3_DMAT;
    __asm volatile("dsb" ::: "memory");
    CONTROL = DMA_CR_CHANNEL(CHIP_SERIAL_CHANNEL) | DMA_CR_MINC | DMA_CR_TO_PERIPHERAL;
    CONTROL |= DMA_CR_EN;
}

/* A stream that neither runs nor has run to its end is not there. */
static bool started(void) { return chip_sending() || (flags() & DMA_FLAGS_COMPLETE) != 0u; }

bool soc_send(const uint8_t *from, size_t size)
{
    RCC_AHB1ENR |= RCC_AHB1ENR_DMA(CHIP_SERIAL_DMA);
    (void)RCC_AHB1ENR; /* two cycles until it is clocked: RM0390 6.2 */
    while (size > 0u && !absent) {
        const size_t part = size < sizeof tx ? size : sizeof tx;

        if (!wait_for_dma()) {
            return false;
        }
        memcpy(tx, from, part);
        start(part);
        absent = !started();
        if (!absent) {
            from += part;
            size -= part;
        }
    }
    return soc_send_bytes(from, size);
}
