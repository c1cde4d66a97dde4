/* SPDX-License-Identifier: Apache-2.0 */
/* A fault in RAM that no start-up code touches: a reset leaves it, power off does not. Another build's fault is none of
 * ours: its addresses would be given wrong names. */
#include "soc.h"

#ifndef ASCMCU_BUILD_SHA256
#define ASCMCU_BUILD_SHA256 ""
#endif
#define KEPT 0x4661756Cu

static struct {
    uint32_t mark;
    struct hal_fault fault;
    uint32_t check; /* what is there after power on is no fault */
} kept __attribute__((section(".kept")));

static uint32_t build_of(void)
{
    static const char build[] = ASCMCU_BUILD_SHA256;
    uint32_t sum = 0;

    for (size_t i = 0; i + 1u < sizeof build; i++) {
        sum = sum * 31u + (uint8_t)build[i];
    }
    return sum;
}

static uint32_t check_of(const struct hal_fault *fault)
{
    return build_of() ^ fault->exception ^ (fault->pc << 1) ^ (fault->lr << 2) ^ (fault->cfsr << 3) ^ (fault->hfsr << 4);
}

void soc_keep_fault(const struct hal_fault *fault)
{
    kept.mark = KEPT;
    kept.fault = *fault;
    kept.check = check_of(fault);
}

struct hal_fault soc_kept_fault(void)
{
    if (kept.mark == KEPT && kept.check == check_of(&kept.fault)) {
        return kept.fault;
    }
    return (struct hal_fault){0};
}
