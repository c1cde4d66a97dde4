/* SPDX-License-Identifier: Apache-2.0 */
/* What CMSIS-DSP's headers expect of a compiler, for GCC and Clang on any target.
 *
 * CMSIS-DSP includes this name from CMSIS-Core, which nothing else here needs. Its headers hold inline fixed-point
 * functions that the floating-point FFT never calls; what they name is given in plain C, so that host and target
 * see the same text.
 */
#ifndef ASCMCU_CMSIS_COMPILER_H
#define ASCMCU_CMSIS_COMPILER_H

#include <stdint.h>

#define __ASM __asm
#define __STATIC_INLINE static inline
#define __STATIC_FORCEINLINE static inline __attribute__((always_inline))
#define __WEAK __attribute__((weak))
#define __ALIGNED(bytes) __attribute__((aligned(bytes)))

static inline uint8_t __CLZ(uint32_t value)
{
    return (uint8_t)(value == 0u ? 32 : __builtin_clz(value));
}

static inline int32_t __SSAT(int32_t value, uint32_t bits)
{
    const int32_t limit = (int32_t)((1u << (bits - 1u)) - 1u);
    return value > limit ? limit : value < -limit - 1 ? -limit - 1 : value;
}

static inline uint32_t __USAT(int32_t value, uint32_t bits)
{
    const int32_t limit = (int32_t)((1u << bits) - 1u);
    return (uint32_t)(value > limit ? limit : value < 0 ? 0 : value);
}

#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP
/* Elsewhere CMSIS-DSP brings its own. */
static inline int32_t __QADD(int32_t a, int32_t b)
{
    const int64_t sum = (int64_t)a + b;
    return sum > INT32_MAX ? INT32_MAX : sum < INT32_MIN ? INT32_MIN : (int32_t)sum;
}

static inline int32_t __QSUB(int32_t a, int32_t b)
{
    const int64_t difference = (int64_t)a - b;
    return difference > INT32_MAX ? INT32_MAX : difference < INT32_MIN ? INT32_MIN : (int32_t)difference;
}
#endif

#endif
