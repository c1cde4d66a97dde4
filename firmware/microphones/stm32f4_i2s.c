/* SPDX-License-Identifier: Apache-2.0 */
/* SPI2 of an STM32F4 as I2S master that receives without end. DMA1 stream 3 fills two halves of a buffer in turn and
 * interrupts after each.
 *
 * A microphone with I2S answers in slots of 32 bits, left slot first. One with PDM takes the clock alone and puts a bit on
 * the line with each of its cycles: two slots of 16 bits without a gap. RM0390: 6.3.22 (PLLI2S), 9 (DMA), 26.6 and 26.7
 * (I2S); the other parts agree where not noted. Not tried on a board. */
#include "microphone.h"

#include "board_config.h"
#include "chip.h"
#include "core.h"
#include "microphone_config.h"
#include "received.h"
#include "soc.h"

#define RCC_PLLI2SCFGR REGISTER(0x40023884u)
#define RCC_CR_PLLI2SON BIT(26)
#define RCC_CR_PLLI2SRDY BIT(27)
/* What clocks SPI2's I2S; 0 is PLLI2S: RM0390 6.3.25. Parts other than the F446 choose in RCC_CFGR: RM0090 7.3.3. */
#if MICROPHONE_SOURCE_IN_CFGR
#define RCC_I2S_SOURCE RCC_CFGR
#define RCC_I2S_SOURCE_MASK BIT(23)
#else
#define RCC_I2S_SOURCE REGISTER(0x4002388Cu)
#define RCC_I2S_SOURCE_MASK (3u << 25)
#endif
#define RCC_AHB1ENR_DMA1 BIT(21)
#define RCC_APB1ENR_SPI2 BIT(14)
#define PLLI2S_KEEP 0x0F030000u /* dividers for the SAI and SPDIF */

#define SPI2_CR2 REGISTER(0x40003804u)
#define SPI_CR2_RXDMAEN BIT(0)
#define SPI2_DR_ADDRESS 0x4000380Cu
#define SPI2_I2SCFGR REGISTER(0x4000381Cu)
#define I2SCFGR_I2S_MASTER_RECEIVE (BIT(11) | (3u << 8))
#if MICROPHONE_SLOTS_OF_32
#define I2SCFGR_FORM BIT(0) /* CHLEN; DATLEN 0: 16 bits of data in each */
#else
#define I2SCFGR_FORM (BIT(3) | (2u << 4)) /* CKPOL, and LSB-justified: the bits of all slots follow each other */
#endif
#define I2SCFGR_ENABLE BIT(10)
#define SPI2_I2SPR REGISTER(0x40003820u)
#define I2SPR_ODD BIT(8)

#define DMA1_LISR REGISTER(0x40026000u)
#define DMA1_LIFCR REGISTER(0x40026008u)
#define DMA1_S3CR REGISTER(0x40026058u)
#define DMA1_S3NDTR REGISTER(0x4002605Cu)
#define DMA1_S3PAR REGISTER(0x40026060u)
#define DMA1_S3M0AR REGISTER(0x40026064u)
#define DMA_S3_HALF BIT(26)
#define DMA_S3_COMPLETE BIT(27)
#define DMA_S3_FLAGS (0x3Du << 22)
#define DMA_CR_HALF_WORDS ((1u << 13) | (1u << 11))
#define DMA_CR_MINC BIT(10)
#define DMA_CR_CIRC BIT(8)
#define DMA_CR_TCIE BIT(4)
#define DMA_CR_HTIE BIT(3)
#define DMA_CR_EN BIT(0)

#define ALTERNATE 5u

static volatile uint16_t words[2][RECEIVED_WORDS];
static volatile uint32_t overruns;

static void start_pin(uint32_t port, uint32_t pin)
{
    const uint32_t base = CHIP_GPIO(port);

    RCC_AHB1ENR |= BIT(port);
    (void)RCC_AHB1ENR; /* two cycles until it is clocked: RM0390 6.2 */
    GPIO_AFR(base, pin / 8u) = (GPIO_AFR(base, pin / 8u) & ~(0xFu << (4u * (pin % 8u)))) | (ALTERNATE << (4u * (pin % 8u)));
    GPIO_MODER(base) = (GPIO_MODER(base) & ~(3u << (2u * pin))) | (2u << (2u * pin));
}

/* The source is the one that the core's PLL has. Some parts divide it here once more, the others use that PLL's M. */
static bool start_clock(void)
{
#if MICROPHONE_PLL_M
    const uint32_t m = (RCC_PLLCFGR & RCC_PLLCFGR_SRC_HSE) != 0u ? MICROPHONE_PLL_M : BOARD_HSI_HZ / MICROPHONE_PLL_HZ;
#else
    const uint32_t m = 0;
#endif

    RCC_CR &= ~RCC_CR_PLLI2SON;
    RCC_PLLI2SCFGR = (RCC_PLLI2SCFGR & PLLI2S_KEEP) | MICROPHONE_PLL_R << 28 | MICROPHONE_PLL_N << 6 | m;
    RCC_I2S_SOURCE &= ~RCC_I2S_SOURCE_MASK;
    RCC_CR |= RCC_CR_PLLI2SON;
    return soc_wait_for(&RCC_CR, RCC_CR_PLLI2SRDY, RCC_CR_PLLI2SRDY);
}

bool microphone_start(void)
{
    RCC_AHB1ENR |= RCC_AHB1ENR_DMA1;
    RCC_APB1ENR |= RCC_APB1ENR_SPI2;
    (void)RCC_APB1ENR;
#if MICROPHONE_SLOTS_OF_32
    start_pin(MICROPHONE_SELECT_PORT, MICROPHONE_SELECT_PIN);
#endif
    start_pin(MICROPHONE_CLOCK_PORT, MICROPHONE_CLOCK_PIN);
    start_pin(MICROPHONE_DATA_PORT, MICROPHONE_DATA_PIN);
    if (!start_clock()) {
        return false;
    }
    received_reset();
    DMA1_S3CR = 0; /* channel 0 is SPI2_RX */
    DMA1_LIFCR = DMA_S3_FLAGS;
    DMA1_S3PAR = SPI2_DR_ADDRESS;
    DMA1_S3M0AR = (uint32_t)words;
    DMA1_S3NDTR = 2u * RECEIVED_WORDS;
    DMA1_S3CR = DMA_CR_HALF_WORDS | DMA_CR_MINC | DMA_CR_CIRC | DMA_CR_TCIE | DMA_CR_HTIE;
    DMA1_S3CR |= DMA_CR_EN;
    core_enable_interrupt(CHIP_MICROPHONE_INTERRUPT);
    SPI2_I2SCFGR = I2SCFGR_I2S_MASTER_RECEIVE | I2SCFGR_FORM;
    SPI2_I2SPR = MICROPHONE_DIVIDER | (MICROPHONE_ODD != 0 ? I2SPR_ODD : 0u);
    SPI2_CR2 = SPI_CR2_RXDMAEN;
    SPI2_I2SCFGR |= I2SCFGR_ENABLE;
    return true;
}

uint32_t microphone_overruns(void) { return overruns; }

void soc_microphone_handler(void)
{
    static int16_t block[MICROPHONE_BLOCK];
    const uint32_t flags = DMA1_LISR & (DMA_S3_HALF | DMA_S3_COMPLETE);

    DMA1_LIFCR = flags;
    if (flags == (DMA_S3_HALF | DMA_S3_COMPLETE)) {
        overruns++; /* both halves have filled: the older one is being written over */
    }
    received_block(words[(flags & DMA_S3_COMPLETE) != 0u ? 1 : 0], block);
    microphone_block(block, MICROPHONE_BLOCK);
}
