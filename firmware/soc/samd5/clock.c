/* SPDX-License-Identifier: Apache-2.0 */
/* The PLL from the 32 kHz crystal; from the internal oscillator of 48 MHz if that stays silent, or that oscillator alone. */
#include "chip.h"
#include "soc.h"

#define CRYSTAL_POLLS 4000000u /* about a second at 48 MHz; such crystals take some hundred milliseconds */
#define GENERATOR_CORE 0u
#define GENERATOR_PORT 2u
#define GENERATOR_REFERENCE 3u
#define REFERENCE_DIVIDER 24u /* 48 MHz / 24: the PLL takes 3.2 MHz at most: DS60001507 54.13.5 */

void soc_first(void) {} /* the watchdog is off unless a fuse starts it */

static bool wait_for_crystal(void)
{
    for (uint32_t i = 0; i < CRYSTAL_POLLS; i++) {
        if ((OSC32KCTRL_STATUS & OSC32KCTRL_STATUS_XOSC32KRDY) != 0u) {
            return true;
        }
    }
    return false;
}

static bool set_generator(uint32_t number, uint32_t source, uint32_t divider)
{
    GCLK_GENCTRL(number) = source | GCLK_GENCTRL_GENEN | GCLK_GENCTRL_DIV(divider);
    return soc_wait_for(&GCLK_SYNCBUSY, GCLK_SYNCBUSY_GENCTRL(number), 0);
}

static bool start_pll(uint32_t reference, uint32_t multiplier)
{
    OSCCTRL_DPLLCTRLA = 0;
    if (!soc_wait_for(&OSCCTRL_DPLLSYNCBUSY, OSCCTRL_DPLLSYNCBUSY_ENABLE, 0)) {
        return false;
    }
    OSCCTRL_DPLLRATIO = multiplier - 1u;
    if (!soc_wait_for(&OSCCTRL_DPLLSYNCBUSY, OSCCTRL_DPLLSYNCBUSY_DPLLRATIO, 0)) {
        return false;
    }
    /* Without the bypass a lost lock stops the core in silicon A: Adafruit's ArduinoCore-samd, startup.c. */
    OSCCTRL_DPLLCTRLB = reference | OSCCTRL_DPLLCTRLB_LBYPASS;
    OSCCTRL_DPLLCTRLA = OSCCTRL_DPLLCTRLA_ENABLE;
    return soc_wait_for(&OSCCTRL_DPLLSTATUS, OSCCTRL_DPLLSTATUS_READY, OSCCTRL_DPLLSTATUS_READY);
}

static void set_flash(uint32_t wait_states)
{
    NVMCTRL_CTRLA =
        (uint16_t)((NVMCTRL_CTRLA & ~(NVMCTRL_CTRLA_RWS(15u) | NVMCTRL_CTRLA_AUTOWS)) | NVMCTRL_CTRLA_RWS(wait_states));
    CMCC_CTRL = 1;
}

/* The port's clock is the core's by BOARD_APB1_DIVIDER: a SERCOM takes 100 MHz at most. */
static bool switch_to_pll(void)
{
    MCLK_CPUDIV = 1;
    return set_generator(GENERATOR_PORT, GCLK_GENCTRL_DPLL0, BOARD_APB1_DIVIDER) &&
           set_generator(GENERATOR_CORE, GCLK_GENCTRL_DPLL0, 1u);
}

static bool start_from_crystal(void)
{
#if BOARD_CLOCK_HSE
    OSC32KCTRL_XOSC32K = (uint16_t)OSC32KCTRL_XOSC32K_ON;
    if (wait_for_crystal() && start_pll(OSCCTRL_DPLLCTRLB_REF_XOSC32K, BOARD_PLL_N)) {
        return switch_to_pll();
    }
#else
    (void)wait_for_crystal;
#endif
    return false;
}

static bool start_from_internal(void)
{
    const uint32_t multiplier = (BOARD_SYSCLK_HZ + BOARD_HSI_HZ / REFERENCE_DIVIDER / 2u) / (BOARD_HSI_HZ / REFERENCE_DIVIDER);

    if (!set_generator(GENERATOR_REFERENCE, GCLK_GENCTRL_DFLL, REFERENCE_DIVIDER)) {
        return false;
    }
    GCLK_PCHCTRL(GCLK_CHANNEL_DPLL0) = GENERATOR_REFERENCE | GCLK_PCHCTRL_CHEN;
    return start_pll(OSCCTRL_DPLLCTRLB_REF_GCLK, multiplier) && switch_to_pll();
}

static struct soc_clock of_pll(enum hal_clock how)
{
    return (struct soc_clock){
        .core_hz = BOARD_SYSCLK_HZ, .port_hz = BOARD_PORT_HZ, .wait_states = BOARD_WAIT_STATES, .how = how};
}

struct soc_clock soc_start_clock(void)
{
    GCLK_CTRLA = GCLK_CTRLA_SWRST; /* a boot loader may have set the generators: the core runs on the 48 MHz again */
    (void)soc_wait_for(&GCLK_SYNCBUSY, GCLK_SYNCBUSY_SWRST, 0);
    set_flash(BOARD_WAIT_STATES); /* enough for any clock that follows; what is reported is then true of all */
    if (start_from_crystal()) {
        return of_pll(HAL_CLOCK_AS_CONFIGURED);
    }
    if (start_from_internal()) {
        return of_pll(HAL_CLOCK_PLL_FROM_HSI);
    }
    (void)set_generator(GENERATOR_CORE, GCLK_GENCTRL_DFLL, 1u);
    (void)set_generator(GENERATOR_PORT, GCLK_GENCTRL_DFLL, 1u);
    return (struct soc_clock){
        .core_hz = BOARD_HSI_HZ, .port_hz = BOARD_HSI_HZ, .wait_states = BOARD_WAIT_STATES, .how = HAL_CLOCK_HSI_ALONE};
}

enum hal_reset soc_reset_cause(void)
{
    const uint8_t causes = RSTC_RCAUSE; /* of the last reset alone */

    return soc_cause((causes & RSTC_RCAUSE_WDT) != 0u, (causes & RSTC_RCAUSE_SYST) != 0u,
                     (causes & RSTC_RCAUSE_POWER) != 0u, (causes & RSTC_RCAUSE_EXT) != 0u);
}

_Static_assert(SOC_WATCHDOG_S == 16u, "the watchdog's longest period is 16384 cycles of 1024 Hz");

void soc_start_watchdog(void)
{
    WDT_CONFIG = WDT_CONFIG_16384;
    WDT_CTRLA = WDT_CTRLA_ENABLE;
}

/* A key may be written when the last one has arrived, which takes cycles of the watchdog's slow clock: CLEAR is
 * write-synchronized. */
void soc_feed_watchdog(void)
{
    if ((WDT_SYNCBUSY & WDT_SYNCBUSY_CLEAR) == 0u) {
        WDT_CLEAR = WDT_CLEAR_KEY;
    }
}

const volatile uint32_t *soc_start_timer(void) { return NULL; }
