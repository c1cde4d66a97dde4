/* SPDX-License-Identifier: Apache-2.0 */
/* What counts in the harness: DWT CYCCNT (PM0214 / ARMv7-M ARM C1.8.8), which runs from reset in the simulator. The
 * network's cycles are always counted, those of its layers where the C of the model includes this file. */
#ifndef HARNESS_CYCLES_H
#define HARNESS_CYCLES_H
#define HARNESS_CYCLES() (*(volatile const uint32_t *)0xE0001004u)
#ifdef MODEL_CYCLES_HEADER
#define MODEL_CYCLES() HARNESS_CYCLES()
#endif
#endif
