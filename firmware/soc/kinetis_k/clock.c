/* SPDX-License-Identifier: Apache-2.0 */
/* The clock tree: the FLL's 21 MHz after reset, then an external clock through the PLL (25.4.1: FEI, FBE, PBE, PEE).
 *
 * The modes in between run on the external clock; should it be missing, the core stands still there, and nothing that
 * it executes could notice. Boards of this family have that clock from an oscillator or a network chip. */
#include "chip.h"
#include "soc.h"

/* 29.3.1: read by the chip at reset. Flash stays open to the debug probe (FSEC), everything else as erased. */
struct flash_configuration {
    uint8_t backdoor_key[8];
    uint8_t protection[4];
    uint8_t security, option, eeprom_protection, data_protection;
};

__attribute__((used, section(".flash_config"))) static const struct flash_configuration flash_configuration = {
    .backdoor_key = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF},
    .protection = {0xFF, 0xFF, 0xFF, 0xFF},
    .security = 0xFE,
    .option = 0xFF,
    .eeprom_protection = 0xFF,
    .data_protection = 0xFF,
};

/* The watchdog runs from reset on and wants both keys within 20 cycles of each other, and within 256 of reset: 24.4.1 */
void soc_first(void)
{
    WDOG_UNLOCK = 0xC520;
    WDOG_UNLOCK = 0xD928;
    __asm volatile("nop \n nop");
    WDOG_STCTRLH = WDOG_STCTRLH_OFF;
}

static bool wait_for_byte(volatile uint8_t *at, uint8_t mask, uint8_t value)
{
    for (uint32_t i = 0; i < 60000u; i++) {
        if ((*at & mask) == value) {
            return true;
        }
    }
    return false;
}

static void set_dividers(void)
{
    /* OUTDIV1 core, OUTDIV2 bus, OUTDIV3 external bus, OUTDIV4 flash: 12.2.16. A flash clock that is 1/(n+1) of the core's
     * is what n wait states are elsewhere. */
    SIM_CLKDIV1 = ((BOARD_APB1_DIVIDER - 1u) << 24) | (BOARD_WAIT_STATES << 20) | (BOARD_WAIT_STATES << 16);
}

static bool start_pll(void)
{
    MCG_C2 = MCG_C2_RANGE_HIGH;
    MCG_C1 = MCG_C1_CLKS_EXTERNAL | MCG_C1_FRDIV_1536;
    if (!wait_for_byte(&MCG_S, MCG_S_IREFST | MCG_S_CLKST, MCG_S_CLKST_EXTERNAL)) {
        return false;
    }
    MCG_C5 = (uint8_t)(BOARD_PLL_M - 1u);
    MCG_C6 = (uint8_t)(MCG_C6_PLLS | (BOARD_PLL_N - 24u));
    if (!wait_for_byte(&MCG_S, MCG_S_PLLST | MCG_S_LOCK0, MCG_S_PLLST | MCG_S_LOCK0)) {
        return false;
    }
    set_dividers();
    MCG_C1 = MCG_C1_FRDIV_1536;
    return wait_for_byte(&MCG_S, MCG_S_CLKST, MCG_S_CLKST_PLL);
}

struct soc_clock soc_start_clock(void)
{
    if (!BOARD_CLOCK_HSE || !start_pll()) {
        MCG_C1 = BIT(2); /* FEI, the mode after reset */
        MCG_C6 = 0;
        return (struct soc_clock){
            .core_hz = BOARD_HSI_HZ,
            .port_hz = BOARD_HSI_HZ,
            .wait_states = 1, /* the dividers are as after reset: flash at half the core's clock */
            .how = HAL_CLOCK_HSI_ALONE,
        };
    }
    return (struct soc_clock){
        .core_hz = BOARD_SYSCLK_HZ,
        .port_hz = BOARD_PORT_HZ,
        .wait_states = BOARD_WAIT_STATES,
        .how = HAL_CLOCK_AS_CONFIGURED,
    };
}

enum hal_reset soc_reset_cause(void)
{
    const uint8_t first = RCM_SRS0, second = RCM_SRS1; /* of the last reset alone */

    return soc_cause((first & RCM_SRS0_WDOG) != 0u, (second & (RCM_SRS1_SW | RCM_SRS1_LOCKUP)) != 0u,
                     (first & (RCM_SRS0_POR | RCM_SRS0_LVD)) != 0u, (first & RCM_SRS0_PIN) != 0u);
}

/* All within 256 cycles of the bus behind the keys: 24.4.2 */
void soc_start_watchdog(void)
{
    __asm volatile("cpsid i" ::: "memory");
    WDOG_UNLOCK = 0xC520;
    WDOG_UNLOCK = 0xD928;
    __asm volatile("nop \n nop");
    WDOG_TOVALH = (uint16_t)(SOC_WATCHDOG_S * 1000u >> 16);
    WDOG_TOVALL = (uint16_t)(SOC_WATCHDOG_S * 1000u);
    WDOG_PRESC = 0; /* a fifth of the rate after reset */
    WDOG_STCTRLH = WDOG_STCTRLH_ON;
    __asm volatile("cpsie i" ::: "memory");
}

/* Both words within 20 cycles of the bus: 24.4.4. Interrupts are left as they were. */
void soc_feed_watchdog(void)
{
    uint32_t masked;

    __asm volatile("mrs %0, primask \n cpsid i" : "=r"(masked)::"memory");
    WDOG_REFRESH = 0xA602;
    WDOG_REFRESH = 0xB480;
    __asm volatile("msr primask, %0" ::"r"(masked) : "memory");
}

const volatile uint32_t *soc_start_timer(void) { return NULL; }
