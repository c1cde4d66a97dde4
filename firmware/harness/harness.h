/* SPDX-License-Identifier: Apache-2.0 */
/* What the programs of this folder share: a console through semihosting, the peak of the stack, an end. */
#ifndef HARNESS_H
#define HARNESS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What runs behind reset: a name that a free-standing C++ compiler leaves alone, as it does not main(). */
int program(void);

void print_number(const char *name, uint32_t value);

/* Bytes of the stack that were in use at once since reset, or since paint_stack(). */
uint32_t stack_peak_bytes(void);
void paint_stack(void);

/* The emulator ends with status 0, or 1. */
void end_program(uint32_t status);

#ifdef __cplusplus
}
#endif

#endif
