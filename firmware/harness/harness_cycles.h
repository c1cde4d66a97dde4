/* SPDX-License-Identifier: Apache-2.0 */
/* Per-layer counts of the harness: DWT CYCCNT (PM0214 / ARMv7-M ARM C1.8.8), which runs from reset in the simulator. */
#ifndef HARNESS_CYCLES_H
#define HARNESS_CYCLES_H
#define MODEL_CYCLES() (*(volatile const uint32_t *)0xE0001004u)
#endif
