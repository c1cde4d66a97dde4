/* SPDX-License-Identifier: Apache-2.0 */
/* DFSDM1 of an STM32L475: it clocks a microphone with PDM and adds up its bits (sinc of fourth order); DMA1 channel 4 fills
 * two halves of a buffer with its values and interrupts after each. RM0351: 24 (DFSDM), 11 (DMA), 6.4. Not tried on a
 * board. */
#include "microphone.h"

#include "board_config.h"
#include "chip.h"
#include "core.h"
#include "filter.h"
#include "microphone_config.h"
#include "soc.h"

#define RCC_AHB1ENR REGISTER(CHIP_RCC + 0x48u)
#define RCC_AHB1ENR_DMA1 BIT(0)
#define RCC_APB2ENR_DFSDM1 BIT(24)
#define RCC_CCIPR REGISTER(CHIP_RCC + 0x88u)
#define RCC_CCIPR_DFSDM1_SYSCLK BIT(31)

/* 24.7: the clock is in the registers of channel 0. Data comes in on channel 2, at the rising edge of the clock: the left
 * of a board's two microphones. */
#define DFSDM_CH0CFGR1 REGISTER(0x40016000u)
#define DFSDM_CH0CFGR1_DFSDMEN BIT(31)
#define DFSDM_CH0CFGR1_CKOUTDIV(divider) (((divider) - 1u) << 16)
#define DFSDM_CH2CFGR1 REGISTER(0x40016040u)
#define DFSDM_CH2CFGR2 REGISTER(0x40016044u)
#define DFSDM_CFGR1_CHEN BIT(7)
#define DFSDM_CFGR1_BY_CKOUT (1u << 2)

/* 24.8: filter 0 */
#define DFSDM_FLT0CR1 REGISTER(0x40016100u)
#define DFSDM_CR1_DFEN BIT(0)
#define DFSDM_CR1_RSWSTART BIT(17)
#define DFSDM_CR1_RCONT BIT(18)
#define DFSDM_CR1_RDMAEN BIT(21)
#define DFSDM_CR1_CHANNEL_2 (2u << 24)
#define DFSDM_CR1_FAST BIT(29)
#define DFSDM_FLT0FCR REGISTER(0x40016114u)
#define DFSDM_FCR_SINC4 (4u << 29)
#define DFSDM_FCR_BITS(bits) (((bits) - 1u) << 16)
#define DFSDM_FLT0RDATAR_ADDRESS 0x4001611Cu /* the value is in the upper 24 bits */

#define DMA1_ISR REGISTER(0x40020000u)
#define DMA1_IFCR REGISTER(0x40020004u)
#define DMA1_CCR4 REGISTER(0x40020044u)
#define DMA1_CNDTR4 REGISTER(0x40020048u)
#define DMA1_CPAR4 REGISTER(0x4002004Cu)
#define DMA1_CMAR4 REGISTER(0x40020050u)
#define DMA1_CSELR REGISTER(0x400200A8u)
#define DMA_CSELR_C4 (0xFu << 12) /* 0: DFSDM1_FLT0 */
#define DMA_FLAG_COMPLETE BIT(13)
#define DMA_FLAG_HALF BIT(14)
#define DMA_FLAGS_4 (0xFu << 12)
#define DMA_CCR_WORDS ((2u << 10) | (2u << 8))
#define DMA_CCR_MINC BIT(7)
#define DMA_CCR_CIRC BIT(5)
#define DMA_CCR_HTIE BIT(2)
#define DMA_CCR_TCIE BIT(1)
#define DMA_CCR_EN BIT(0)

#define ALTERNATE 6u
#define VALUES (2u * MICROPHONE_BLOCK)

static volatile uint32_t words[2][VALUES];
static volatile uint32_t overruns;

static void start_pin(uint32_t port, uint32_t pin)
{
    const uint32_t base = CHIP_GPIO(port);

    RCC_AHB2ENR |= BIT(port);
    (void)RCC_AHB2ENR; /* two cycles until it is clocked: RM0351 6.2.17 */
    GPIO_AFR(base, pin / 8u) = (GPIO_AFR(base, pin / 8u) & ~(0xFu << (4u * (pin % 8u)))) | (ALTERNATE << (4u * (pin % 8u)));
    GPIO_MODER(base) = (GPIO_MODER(base) & ~(3u << (2u * pin))) | (2u << (2u * pin));
}

static void start_dma(void)
{
    DMA1_CCR4 = 0;
    DMA1_IFCR = DMA_FLAGS_4;
    DMA1_CSELR &= ~DMA_CSELR_C4;
    DMA1_CPAR4 = DFSDM_FLT0RDATAR_ADDRESS;
    DMA1_CMAR4 = (uint32_t)words;
    DMA1_CNDTR4 = 2u * VALUES;
    DMA1_CCR4 = DMA_CCR_WORDS | DMA_CCR_MINC | DMA_CCR_CIRC | DMA_CCR_TCIE | DMA_CCR_HTIE;
    DMA1_CCR4 |= DMA_CCR_EN;
}

bool microphone_start(void)
{
    RCC_AHB1ENR |= RCC_AHB1ENR_DMA1;
    RCC_APB2ENR |= RCC_APB2ENR_DFSDM1;
    RCC_CCIPR |= RCC_CCIPR_DFSDM1_SYSCLK;
    (void)RCC_CCIPR;
    start_pin(MICROPHONE_CLOCK_PORT, MICROPHONE_CLOCK_PIN);
    start_pin(MICROPHONE_DATA_PORT, MICROPHONE_DATA_PIN);
    filter_reset();
    start_dma();
    core_enable_interrupt(CHIP_MICROPHONE_INTERRUPT);
    DFSDM_CH0CFGR1 = DFSDM_CH0CFGR1_CKOUTDIV(MICROPHONE_DIVIDER);
    DFSDM_CH0CFGR1 |= DFSDM_CH0CFGR1_DFSDMEN;
    DFSDM_CH2CFGR2 = 0;
    DFSDM_CH2CFGR1 = DFSDM_CFGR1_BY_CKOUT;
    DFSDM_CH2CFGR1 |= DFSDM_CFGR1_CHEN;
    DFSDM_FLT0FCR = DFSDM_FCR_SINC4 | DFSDM_FCR_BITS(MICROPHONE_VALUE_BITS);
    DFSDM_FLT0CR1 = DFSDM_CR1_FAST | DFSDM_CR1_CHANNEL_2 | DFSDM_CR1_RDMAEN | DFSDM_CR1_RCONT;
    DFSDM_FLT0CR1 |= DFSDM_CR1_DFEN;
    DFSDM_FLT0CR1 |= DFSDM_CR1_RSWSTART;
    return true;
}

uint32_t microphone_overruns(void) { return overruns; }

/* 16 bits of 24: multiplied, and limited, since all ones are one more than fits. */
static int16_t scaled(uint32_t word)
{
    const int32_t value = (int32_t)word >> 8;
    const int32_t found = (int32_t)(((int64_t)value * (int32_t)MICROPHONE_VALUE_SCALE) >> 32);

    return (int16_t)(found > INT16_MAX ? INT16_MAX : found);
}

void soc_microphone_handler(void)
{
    static int16_t block[MICROPHONE_BLOCK];
    const uint32_t flags = DMA1_ISR & (DMA_FLAG_HALF | DMA_FLAG_COMPLETE);
    int16_t *const values = filter_values();

    DMA1_IFCR = flags;
    if (flags == (DMA_FLAG_HALF | DMA_FLAG_COMPLETE)) {
        overruns++; /* both halves have filled: the older one is being written over */
    }
    const volatile uint32_t *const half = words[(flags & DMA_FLAG_COMPLETE) != 0u ? 1 : 0];

    for (size_t i = 0; i < VALUES; i++) {
        values[i] = scaled(half[i]);
    }
    filter_block(block);
    microphone_block(block, MICROPHONE_BLOCK);
}
