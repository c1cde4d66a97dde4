/* SPDX-License-Identifier: Apache-2.0 */
/* The cycle counter of the core, for the front end's stages. */
#ifndef TARGET_H
#define TARGET_H

#include <stdint.h>

#define MODEL_CYCLES() (*(volatile uint32_t *)0xe0001004u)

#endif
