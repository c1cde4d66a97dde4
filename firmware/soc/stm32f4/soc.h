/* Between the parts of the family's firmware. */
#ifndef ASCMCU_STM32F4_SOC_H
#define ASCMCU_STM32F4_SOC_H

#include <stdint.h>

#include "hal.h"

struct soc_clock {
    uint32_t core_hz;
    uint32_t apb1_hz;
    uint32_t apb2_hz;
    uint8_t wait_states;
    enum hal_clock how;
};

/* Brings up the clock of board_config.h, or the best that answers in time. */
struct soc_clock soc_start_clock(void);

/* Fills the unused stack with a pattern; soc_stack_peak() finds how far it was overwritten since. */
void soc_paint_stack(void);
uint32_t soc_stack_peak(void);
uint32_t soc_stack_bytes(void);

_Noreturn void soc_reset(void);

void soc_usart_handler(void);
void soc_tick_handler(void);

#endif
