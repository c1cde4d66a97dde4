/* SPDX-License-Identifier: Apache-2.0 */
/* STM32L4: RM0351 (L47x), RM0432 (L4R5). */
#ifndef ASCMCU_CHIP_H
#define ASCMCU_CHIP_H

#include "board_config.h"

#define CHIP_VECTORS 95 /* RM0432 16.3, table 86; RM0351 13.3 has fewer */
#define CHIP_LPUART_INTERRUPT 70
#define CHIP_MICROPHONE_INTERRUPT 14 /* DMA1 channel 4: RM0351 13.3 */
#include "rcc.h"

/* Port G is fed by VDDIO2, which is isolated until software says that it is there: RM0351 5.1.3 */
static inline void chip_prepare_pins(void)
{
    PWR_CR2 |= PWR_CR2_IOSV;
    (void)PWR_CR2;
}

#endif
