/* SPDX-License-Identifier: Apache-2.0 */
/* STM32G4: RM0440. */
#ifndef ASCMCU_CHIP_H
#define ASCMCU_CHIP_H

#include "board_config.h"

#define CHIP_VECTORS 102 /* RM0440 14.3, table 97 */
#define CHIP_LPUART_INTERRUPT 91
#include "rcc.h"

static inline void chip_prepare_pins(void) {}

#endif
