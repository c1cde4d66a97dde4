/* SPDX-License-Identifier: Apache-2.0 */
/* PDM of an nRF52840: it clocks a microphone, makes samples of its bits and puts them into memory, block after block in
 * two places in turn. nRF52840 PS v1.7: 6.15 (PDM), 6.16 (PPI), 6.30 (TIMER). TIMER1 counts the blocks by itself, so that
 * one that was written over is known. Not tried on a board. */
#include "microphone.h"

#include "board_config.h"
#include "chip.h"
#include "core.h"
#include "microphone_config.h"
#include "soc.h"

#define PDM_START REGISTER(0x4001D000u)
#define PDM_STARTED REGISTER(0x4001D100u)
#define PDM_END REGISTER(0x4001D108u)
#define PDM_INTENSET REGISTER(0x4001D304u)
#define PDM_INTEN_STARTED BIT(0)
#define PDM_INTEN_END BIT(2)
#define PDM_ENABLE REGISTER(0x4001D500u)
#define PDM_PDMCLKCTRL REGISTER(0x4001D504u)
#define PDM_MODE REGISTER(0x4001D508u)
#define PDM_MODE_MONO BIT(0) /* the left channel, which is read at the falling edge */
#define PDM_RATIO REGISTER(0x4001D520u)
#define PDM_PSEL_CLK REGISTER(0x4001D540u)
#define PDM_PSEL_DIN REGISTER(0x4001D544u)
#define PDM_SAMPLE_PTR REGISTER(0x4001D560u)
#define PDM_SAMPLE_MAXCNT REGISTER(0x4001D564u)

#define TIMER1_START REGISTER(0x40009000u)
#define TIMER1_COUNT_ADDRESS 0x40009008u
#define TIMER1_CLEAR REGISTER(0x4000900Cu)
#define TIMER1_CAPTURE0 REGISTER(0x40009040u)
#define TIMER1_MODE REGISTER(0x40009504u)
#define TIMER1_MODE_COUNTER 1u
#define TIMER1_BITMODE REGISTER(0x40009508u)
#define TIMER1_CC0 REGISTER(0x40009540u)

#define PPI_CHENSET REGISTER(0x4001F504u)
#define PPI_CH0_EEP REGISTER(0x4001F510u)
#define PPI_CH0_TEP REGISTER(0x4001F514u)
#define PDM_END_ADDRESS 0x4001D108u

#define GPIO_OUTCLR(port) REGISTER(GPIO(port) + 0x50Cu)
#define GPIO_PIN_CNF_INPUT 0u /* connected, no pull */

static int16_t places[2][MICROPHONE_BLOCK];
static uint32_t filling; /* which place PDM fills */
static uint32_t taken;   /* blocks that were handed on or counted as lost */
static volatile uint32_t overruns;

static void start_pins(void)
{
#if MICROPHONE_POWERED
    GPIO_OUTSET(MICROPHONE_POWER_PORT) = BIT(MICROPHONE_POWER_PIN);
    GPIO_DIRSET(MICROPHONE_POWER_PORT) = BIT(MICROPHONE_POWER_PIN);
#endif
    GPIO_OUTCLR(MICROPHONE_CLOCK_PORT) = BIT(MICROPHONE_CLOCK_PIN);
    GPIO_DIRSET(MICROPHONE_CLOCK_PORT) = BIT(MICROPHONE_CLOCK_PIN);
    GPIO_PIN_CNF(MICROPHONE_DATA_PORT, MICROPHONE_DATA_PIN) = GPIO_PIN_CNF_INPUT;
    PDM_PSEL_CLK = MICROPHONE_CLOCK_PORT << 5 | MICROPHONE_CLOCK_PIN;
    PDM_PSEL_DIN = MICROPHONE_DATA_PORT << 5 | MICROPHONE_DATA_PIN;
}

static void count_blocks(void)
{
    TIMER1_MODE = TIMER1_MODE_COUNTER;
    TIMER1_BITMODE = TIMER_BITMODE_32;
    TIMER1_CLEAR = 1;
    TIMER1_START = 1;
    PPI_CH0_EEP = PDM_END_ADDRESS;
    PPI_CH0_TEP = TIMER1_COUNT_ADDRESS;
    PPI_CHENSET = BIT(0);
}

bool microphone_start(void)
{
    start_pins();
    count_blocks();
    PDM_PDMCLKCTRL = MICROPHONE_CLOCK_CODE;
    PDM_RATIO = MICROPHONE_RATIO_80;
    PDM_MODE = PDM_MODE_MONO;
    PDM_SAMPLE_PTR = (uint32_t)(uintptr_t)places[0];
    PDM_SAMPLE_MAXCNT = MICROPHONE_BLOCK;
    PDM_INTENSET = PDM_INTEN_STARTED | PDM_INTEN_END;
    core_enable_interrupt(CHIP_MICROPHONE_INTERRUPT);
    PDM_ENABLE = 1;
    PDM_START = 1;
    return true;
}

uint32_t microphone_overruns(void) { return overruns; }

/* PDM keeps the place of a block from its start on, so the next place may be told then. If nobody told it one in time,
 * it fills the same place again: the block before that is still whole, the others are lost. */
void soc_microphone_handler(void)
{
    PDM_STARTED = 0;
    PDM_END = 0;
    (void)PDM_END; /* the writes arrive before the handler returns */
    TIMER1_CAPTURE0 = 1;
    const uint32_t ended = TIMER1_CC0 - taken;

    if (ended == 0u) {
        PDM_SAMPLE_PTR = (uint32_t)(uintptr_t)places[filling ^ 1u];
        return;
    }
    const int16_t *const whole = places[filling];

    taken += ended;
    overruns += ended - 1u;
    filling ^= 1u;
    microphone_block(whole, MICROPHONE_BLOCK);
    PDM_SAMPLE_PTR = (uint32_t)(uintptr_t)whole;
}
