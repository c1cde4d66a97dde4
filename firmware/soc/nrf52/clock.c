/* SPDX-License-Identifier: Apache-2.0 */
/* The core always runs at 64 MHz; the crystal only makes that exact, which the serial port needs. */
#include "chip.h"
#include "soc.h"

/* The watchdog is off until it is started. The debug port stays open: where UICR.APPROTECT allows it, which erasing the
 * whole chip and writing it through a probe sees to, each start has to ask for it anew. */
void soc_first(void)
{
    APPROTECT_DISABLE = APPROTECT_DISABLE_SW_DISABLE;
}

struct soc_clock soc_start_clock(void)
{
    CLOCK_HFCLKSTARTED = 0;
    CLOCK_HFCLKSTART = 1;
    const bool external = soc_wait_for(&CLOCK_HFCLKSTARTED, 1u, 1u);

    NVMC_ICACHECNF = 1;
    return (struct soc_clock){
        .core_hz = BOARD_SYSCLK_HZ,
        .port_hz = BOARD_PORT_HZ,
        .wait_states = BOARD_WAIT_STATES,
        .how = external ? HAL_CLOCK_AS_CONFIGURED : HAL_CLOCK_PLL_FROM_HSI,
    };
}

/* Power on leaves no flag. */
enum hal_reset soc_reset_cause(void)
{
    const uint32_t causes = POWER_RESETREAS;

    POWER_RESETREAS = causes;
    return soc_cause((causes & POWER_RESETREAS_DOG) != 0u,
                     (causes & (POWER_RESETREAS_SREQ | POWER_RESETREAS_LOCKUP)) != 0u, causes == 0u,
                     (causes & POWER_RESETREAS_PIN) != 0u);
}

void soc_start_watchdog(void)
{
    WDT_CRV = SOC_WATCHDOG_S * 32768u - 1u;
    WDT_START = 1;
}

void soc_feed_watchdog(void) { WDT_RR0 = WDT_RR_FEED; }

const volatile uint32_t *soc_start_timer(void) { return NULL; }

void soc_start_ticks(uint32_t core_hz)
{
    (void)core_hz;
    TIMER_BITMODE = TIMER_BITMODE_32;
    TIMER_PRESCALER = 4; /* 16 MHz / 2⁴ = 1 MHz */
    TIMER_CC0 = 1000u * SOC_TICK_MS;
    TIMER_COMPARE0 = 0;
    TIMER_INTENSET = TIMER_INTEN_COMPARE0;
    core_enable_interrupt(CHIP_TICK_INTERRUPT);
    TIMER_CLEAR = 1;
    TIMER_START = 1;
}

void soc_stop_ticks(void) { TIMER_STOP = 1; }

void soc_tick_handler(void)
{
    TIMER_CLEAR = 1; /* not by the shortcut, which emulators lack */
    TIMER_COMPARE0 = 0;
    (void)TIMER_COMPARE0; /* the event must be gone before the handler returns: 6.30, EVENTS */
    soc_ticked();
}
