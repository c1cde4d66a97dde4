/* SPDX-License-Identifier: Apache-2.0 */
/* Included by model.c (MODEL_CYCLES_HEADER): where its per-layer profile takes the time from. */
#ifndef ASCMCU_MODEL_CYCLES_H
#define ASCMCU_MODEL_CYCLES_H

#include "hal.h"

#define MODEL_CYCLES() hal_cycles()

#endif
