/* SPDX-License-Identifier: Apache-2.0 */
/* A digital microphone with I2S on SPI2 of an STM32F4: PB13 clock, PB12 word select, PB15 data; its L/R pin is low.
 *
 * 16 of its bits come in slots of 32, left slot first. DMA1 stream 3 fills two halves of a buffer in turn and
 * interrupts after each. RM0390: 6.3.22 (PLLI2S), 9 (DMA), 26.6 and 26.7 (I2S). Not tried on a board. */
#include "microphone.h"

#include "board_config.h"
#include "chip.h"
#include "core.h"
#include "microphone_config.h"
#include "soc.h"

#define RCC_PLLI2SCFGR REGISTER(0x40023884u)
#define RCC_CR_PLLI2SON BIT(26)
#define RCC_CR_PLLI2SRDY BIT(27)
#define RCC_DCKCFGR REGISTER(0x4002388Cu)
#define RCC_DCKCFGR_I2S1SRC (3u << 25) /* the clock of SPI2's I2S; 0 is PLLI2S: RM0390 6.3.25 */
#define RCC_AHB1ENR_DMA1 BIT(21)
#define RCC_APB1ENR_SPI2 BIT(14)
#define PLLI2S_KEEP 0x0F030000u /* dividers for the SAI and SPDIF */

#define SPI2_CR2 REGISTER(0x40003804u)
#define SPI_CR2_RXDMAEN BIT(0)
#define SPI2_DR_ADDRESS 0x4000380Cu
#define SPI2_I2SCFGR REGISTER(0x4000381Cu)
#define I2SCFGR_I2S_MASTER_RECEIVE (BIT(11) | (3u << 8))
#define I2SCFGR_SLOTS_OF_32 BIT(0) /* DATLEN 0: 16 bits of data in each */
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

#define SLOTS 2u
#define PORT_B 1u
#define ALTERNATE 5u

static volatile int16_t frames[2][MICROPHONE_BLOCK][SLOTS];
static volatile uint32_t overruns;

static void start_pin(uint32_t pin)
{
    const uint32_t base = CHIP_GPIO(PORT_B);

    GPIO_AFR(base, pin / 8u) = (GPIO_AFR(base, pin / 8u) & ~(0xFu << (4u * (pin % 8u)))) | (ALTERNATE << (4u * (pin % 8u)));
    GPIO_MODER(base) = (GPIO_MODER(base) & ~(3u << (2u * pin))) | (2u << (2u * pin));
}

/* The source is the one that the core's PLL has; 1 MHz goes into this one. */
static bool start_clock(void)
{
    const uint32_t m = (RCC_PLLCFGR & RCC_PLLCFGR_SRC_HSE) != 0u ? MICROPHONE_PLL_M : BOARD_HSI_HZ / 1000000u;

    RCC_CR &= ~RCC_CR_PLLI2SON;
    RCC_PLLI2SCFGR = (RCC_PLLI2SCFGR & PLLI2S_KEEP) | MICROPHONE_PLL_R << 28 | MICROPHONE_PLL_N << 6 | m;
    RCC_DCKCFGR &= ~RCC_DCKCFGR_I2S1SRC;
    RCC_CR |= RCC_CR_PLLI2SON;
    return soc_wait_for(&RCC_CR, RCC_CR_PLLI2SRDY, RCC_CR_PLLI2SRDY);
}

bool microphone_start(void)
{
    RCC_AHB1ENR |= RCC_AHB1ENR_DMA1 | BIT(PORT_B);
    RCC_APB1ENR |= RCC_APB1ENR_SPI2;
    (void)RCC_APB1ENR; /* two cycles until it is clocked: RM0390 6.2 */
    start_pin(12u);
    start_pin(13u);
    start_pin(15u);
    if (!start_clock()) {
        return false;
    }
    DMA1_S3CR = 0; /* channel 0 is SPI2_RX */
    DMA1_LIFCR = DMA_S3_FLAGS;
    DMA1_S3PAR = SPI2_DR_ADDRESS;
    DMA1_S3M0AR = (uint32_t)frames;
    DMA1_S3NDTR = 2u * MICROPHONE_BLOCK * SLOTS;
    DMA1_S3CR = DMA_CR_HALF_WORDS | DMA_CR_MINC | DMA_CR_CIRC | DMA_CR_TCIE | DMA_CR_HTIE;
    DMA1_S3CR |= DMA_CR_EN;
    core_enable_interrupt(CHIP_MICROPHONE_INTERRUPT);
    SPI2_I2SCFGR = I2SCFGR_I2S_MASTER_RECEIVE | I2SCFGR_SLOTS_OF_32;
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
    const uint32_t half = (flags & DMA_S3_COMPLETE) != 0u ? 1u : 0u;

    for (size_t i = 0; i < MICROPHONE_BLOCK; i++) {
        block[i] = frames[half][i][0];
    }
    microphone_block(block, MICROPHONE_BLOCK);
}
