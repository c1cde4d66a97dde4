/* SPDX-License-Identifier: Apache-2.0 */
/* The Cortex-M4's instructions on two halfwords or four bytes, and what the kernels make of them: bytes widened
 * and filled. Each has a portable form with the same bits. */
#ifndef ASCMCU_SIMD_H
#define ASCMCU_SIMD_H

#include "quant.h"

#if defined(__ARM_FEATURE_DSP) && defined(__thumb2__) && defined(__GNUC__)
#define ASCMCU_DSP 1
#else
#define ASCMCU_DSP 0
#endif

/* With them a floating-point unit, in whose registers most of the assembly keeps integers. A build for soft floating point
 * has none, whatever the core has. */
#if ASCMCU_DSP && defined(__ARM_FP)
#define ASCMCU_DSP_FPU 1
#else
#define ASCMCU_DSP_FPU 0
#endif

/* A function that is assembly and nothing else: no prologue, no inlining, no guesses about what it leaves alone. What a build
 * adds to every function (a canary of the stack, calls of a profiler) would be code without a frame. It begins a word: 32-bit
 * instructions at odd halfwords can be fetched too late. */
#if defined(__clang__)
#define ASCMCU_NAKED __attribute__((naked, aligned(4), noinline, no_instrument_function, no_stack_protector))
#elif defined(__GNUC__) && __GNUC__ >= 11
#define ASCMCU_NAKED __attribute__((naked, aligned(4), noipa, no_instrument_function, no_stack_protector))
#else
#define ASCMCU_NAKED __attribute__((naked, aligned(4), noipa, no_instrument_function, optimize("no-stack-protector")))
#endif

/* A function that is worth a call: its loop stays in the cache of the flash. */
#if defined(__clang__)
#define ASCMCU_NOINLINE __attribute__((noinline))
#elif defined(__GNUC__)
#define ASCMCU_NOINLINE __attribute__((noipa))
#else
#define ASCMCU_NOINLINE
#endif

/* Words of an int16 buffer are read and written through a type that may alias it. */
#if defined(__GNUC__)
typedef uint32_t __attribute__((may_alias)) simd_word;
#else
typedef uint32_t simd_word;
#endif

/* Bytes 0 and 2 of a word, sign-extended into its halves; and bytes 1 and 3. */
static inline uint32_t simd_even(uint32_t word)
{
#if ASCMCU_DSP
    uint32_t halves;
    __asm__("sxtb16 %0, %1" : "=r"(halves) : "r"(word));
    return halves;
#else
    return ((uint32_t)(int32_t)(int8_t)word & 0xFFFFu) | ((uint32_t)(int32_t)(int8_t)(word >> 16) << 16);
#endif
}

static inline uint32_t simd_odd(uint32_t word)
{
#if ASCMCU_DSP
    uint32_t halves;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(halves) : "r"(word));
    return halves;
#else
    return simd_even((word >> 8) | (word << 24));
#endif
}

/* acc plus both products of two pairs of halves, modulo 2^32. */
static inline int32_t simd_smlad(uint32_t a, uint32_t b, int32_t acc)
{
#if ASCMCU_DSP
    int32_t sum;
    __asm__("smlad %0, %1, %2, %3" : "=r"(sum) : "r"(a), "r"(b), "r"(acc) : "cc");
    return sum;
#else
    const int32_t low = (int16_t)a * (int16_t)b;
    const int32_t high = (int16_t)(a >> 16) * (int16_t)(b >> 16);
    return (int32_t)((uint32_t)acc + (uint32_t)low + (uint32_t)high);
#endif
}

/* Two halfwords that need not begin a word. */
static inline uint32_t simd_pair(const int16_t *at)
{
    uint32_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

/* acc plus both products of two pairs of halves, modulo 2^64. */
static inline int64_t simd_smlald(uint32_t a, uint32_t b, int64_t acc)
{
#if ASCMCU_DSP
    __asm__("smlald %Q0, %R0, %1, %2" : "+r"(acc) : "r"(a), "r"(b));
    return acc;
#else
    const int32_t low = (int16_t)a * (int16_t)b;
    const int32_t high = (int16_t)(a >> 16) * (int16_t)(b >> 16);
    return acc + low + high;
#endif
}

/* acc plus the upper half of a product, rounded, modulo 2^32. */
static inline int32_t simd_smmlar(int32_t a, int32_t b, int32_t acc)
{
#if ASCMCU_DSP
    int32_t sum;
    __asm__("smmlar %0, %1, %2, %3" : "=r"(sum) : "r"(a), "r"(b), "r"(acc));
    return sum;
#else
    return (int32_t)((uint32_t)acc + (uint32_t)(((int64_t)a * b + ((int64_t)1 << 31)) >> 32));
#endif
}

/* Sums of `quads` times four products: int16 x with int8 weights, whose words hold taps 0, 2, 1, 3. */
static inline int32_t simd_dot4(const simd_word *x, const int32_t *weights, int32_t quads, int32_t sum)
{
#if ASCMCU_DSP
#pragma GCC unroll 4
#endif
    for (int32_t quad = 0; quad < quads; ++quad, x += 2) {
        const uint32_t word = (uint32_t)*weights++;
        sum = simd_smlad(simd_even(word), x[0], sum);
        sum = simd_smlad(simd_odd(word), x[1], sum);
    }
    return sum;
}

/* The differences of two pairs of halves. */
static inline uint32_t simd_sub2(uint32_t a, uint32_t b)
{
#if ASCMCU_DSP
    uint32_t halves;
    __asm__("ssub16 %0, %1, %2" : "=r"(halves) : "r"(a), "r"(b) : "cc");
    return halves;
#else
    return ((a - b) & 0xFFFFu) | ((a >> 16) - (b >> 16)) << 16;
#endif
}

/* Adds bytes 0 and 2 of a word, sign-extended, to the halves of `sums`; and bytes 1 and 3. */
static inline uint32_t simd_sum2(uint32_t sums, uint32_t word)
{
#if ASCMCU_DSP
    __asm__("sxtab16 %0, %0, %1" : "+r"(sums) : "r"(word));
    return sums;
#else
    const int32_t low = (int8_t)word;
    const int32_t high = (int8_t)(word >> 16);
    return ((sums + (uint32_t)low) & 0xFFFFu) | ((sums >> 16) + (uint32_t)high) << 16;
#endif
}

static inline uint32_t simd_sum2_odd(uint32_t sums, uint32_t word)
{
#if ASCMCU_DSP
    __asm__("sxtab16 %0, %0, %1, ror #8" : "+r"(sums) : "r"(word));
    return sums;
#else
    return simd_sum2(sums, (word >> 8) | (word << 24));
#endif
}

/* The larger of each pair of int8. */
static inline uint32_t simd_max4(uint32_t a, uint32_t b)
{
#if ASCMCU_DSP
    uint32_t larger;
    __asm__("ssub8 %0, %1, %2\n\tsel %0, %1, %2" : "=&r"(larger) : "r"(a), "r"(b) : "cc");
    return larger;
#else
    uint32_t larger = 0;
    for (int32_t shift = 0; shift < 32; shift += 8) {
        const int8_t x = (int8_t)(a >> shift);
        const int8_t y = (int8_t)(b >> shift);
        larger |= (uint32_t)(uint8_t)(x > y ? x : y) << shift;
    }
    return larger;
#endif
}

/* acc + (factor * lower half of x) >> 16; and the upper half. */
static inline int32_t simd_smlawb(int32_t factor, uint32_t x, int32_t acc)
{
#if ASCMCU_DSP
    int32_t sum;
    __asm__("smlawb %0, %1, %2, %3" : "=r"(sum) : "r"(factor), "r"(x), "r"(acc));
    return sum;
#else
    return acc + (int32_t)(((int64_t)factor * (int16_t)x) >> 16);
#endif
}

static inline int32_t simd_smlawt(int32_t factor, uint32_t x, int32_t acc)
{
#if ASCMCU_DSP
    int32_t sum;
    __asm__("smlawt %0, %1, %2, %3" : "=r"(sum) : "r"(factor), "r"(x), "r"(acc));
    return sum;
#else
    return simd_smlawb(factor, x >> 16, acc);
#endif
}

/* Saturate value >> shift to int8; shift is a constant. */
#if ASCMCU_DSP
#define simd_ssat8(value, shift) \
    (__extension__({ int32_t saturated_; __asm__("ssat %0, #8, %1, asr %2" : "=r"(saturated_) : "r"(value), "I"(shift)); (int8_t)saturated_; }))
#else
#define simd_ssat8(value, shift) ((int8_t)clamp_i32((value) >> (shift), -128, 127))
#endif

/* Widens `count` int8 to int16 in their order. */
static inline void simd_widen(const int8_t *restrict from, int16_t *restrict to, int32_t count)
{
#if ASCMCU_DSP
#pragma GCC unroll 8
#endif
    for (int32_t i = 0; i < count; ++i) {
        to[i] = from[i];
    }
}

/* Transposes `columns` pixels of `channels` int8, `pixel_step` apart, into int16 lines `line_step` apart, one per channel. */
static inline void simd_widen_planar(const int8_t *from, int32_t pixel_step, int16_t *to, int32_t line_step, int32_t columns,
    int32_t channels)
{
    for (int32_t fours = channels >> 2; fours > 0; --fours) {
        for (int32_t x = 0; x < columns; ++x) {
            uint32_t word;
            memcpy(&word, from + x * pixel_step, sizeof word);
            to[x] = (int8_t)word;
            to[x + line_step] = (int8_t)(word >> 8);
            to[x + 2 * line_step] = (int8_t)(word >> 16);
            to[x + 3 * line_step] = (int8_t)(word >> 24);
        }
        from += 4;
        to += 4 * line_step;
    }
    for (int32_t rest = channels & 3; rest > 0; --rest) {
        for (int32_t x = 0; x < columns; ++x) {
            to[x] = from[x * pixel_step];
        }
        from += 1;
        to += line_step;
    }
}

/* Fills `words` groups of four bytes. */
static inline void simd_fill4(int8_t *to, uint32_t four, int32_t words)
{
    simd_word *out = (simd_word *)(void *)to;
    for (; words >= 8; words -= 8, out += 8) {
        out[0] = four;
        out[1] = four;
        out[2] = four;
        out[3] = four;
        out[4] = four;
        out[5] = four;
        out[6] = four;
        out[7] = four;
    }
    for (; words > 0; --words) {
        *out++ = four;
    }
}

static inline void simd_fill(int16_t *to, int16_t value, int32_t count)
{
    for (; count > 0; --count) {
        *to++ = value;
    }
}

#endif
