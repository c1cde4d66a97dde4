/* SPDX-License-Identifier: Apache-2.0 */
/* Building blocks of the micro front end (ascmcu/features/micro.py): complex numbers of two int16, and integer roots.
 * The assembly and the portable form give the same bits. */
#ifndef ASCMCU_MICRO_H
#define ASCMCU_MICRO_H

#include <stdint.h>

#if defined(__ARM_FEATURE_DSP) && defined(__thumb2__) && defined(__GNUC__)
#define MICRO_DSP 1
#else
#define MICRO_DSP 0
#endif

enum { MICRO_HALF = 1 << 14 }; /* one half, with 15 fractional bits */

/* The real part is the lower half of the word. Both parts wrap around at 16 bits. */
typedef uint32_t micro_complex;

static inline int32_t micro_real(micro_complex x)
{
    return (int16_t)(uint16_t)x;
}

static inline int32_t micro_imaginary(micro_complex x)
{
    return (int16_t)(uint16_t)(x >> 16);
}

static inline micro_complex micro_pair(int32_t real, int32_t imaginary)
{
    return ((uint32_t)real & 0xFFFFu) | ((uint32_t)imaginary << 16);
}

/* Products with 15 fractional bits, to which one half was added, without these bits. */
static inline micro_complex micro_rounded(int32_t real, int32_t imaginary)
{
#if MICRO_DSP
    micro_complex pair;
    __asm__("pkhbt %0, %1, %2, lsl #1" : "=r"(pair) : "r"(real >> 15), "r"(imaginary));
    return pair;
#else
    return micro_pair(real >> 15, imaginary >> 15);
#endif
}

static inline micro_complex micro_add(micro_complex a, micro_complex b)
{
#if MICRO_DSP
    micro_complex sum;
    __asm__("sadd16 %0, %1, %2" : "=r"(sum) : "r"(a), "r"(b) : "cc");
    return sum;
#else
    return ((a + b) & 0xFFFFu) | ((a >> 16) + (b >> 16)) << 16;
#endif
}

static inline micro_complex micro_subtract(micro_complex a, micro_complex b)
{
#if MICRO_DSP
    micro_complex difference;
    __asm__("ssub16 %0, %1, %2" : "=r"(difference) : "r"(a), "r"(b) : "cc");
    return difference;
#else
    return ((a - b) & 0xFFFFu) | ((a >> 16) - (b >> 16)) << 16;
#endif
}

/* a + i b. */
static inline micro_complex micro_add_turned(micro_complex a, micro_complex b)
{
#if MICRO_DSP
    micro_complex sum;
    __asm__("sasx %0, %1, %2" : "=r"(sum) : "r"(a), "r"(b) : "cc");
    return sum;
#else
    return ((a - (b >> 16)) & 0xFFFFu) | ((a >> 16) + b) << 16;
#endif
}

/* a - i b. */
static inline micro_complex micro_subtract_turned(micro_complex a, micro_complex b)
{
#if MICRO_DSP
    micro_complex difference;
    __asm__("ssax %0, %1, %2" : "=r"(difference) : "r"(a), "r"(b) : "cc");
    return difference;
#else
    return ((a + (b >> 16)) & 0xFFFFu) | ((a >> 16) - b) << 16;
#endif
}

/* Both parts by a factor of 15 fractional bits, given in the lower half. */
static inline micro_complex micro_scale(micro_complex x, int32_t factor)
{
#if MICRO_DSP
    int32_t real;
    int32_t imaginary;
    __asm__("smlabb %0, %1, %2, %3" : "=r"(real) : "r"(x), "r"(factor), "r"(MICRO_HALF));
    __asm__("smlatb %0, %1, %2, %3" : "=r"(imaginary) : "r"(x), "r"(factor), "r"(MICRO_HALF));
    return micro_rounded(real, imaginary);
#else
    return micro_rounded(micro_real(x) * factor + MICRO_HALF, micro_imaginary(x) * factor + MICRO_HALF);
#endif
}

static inline micro_complex micro_multiply(micro_complex a, micro_complex b)
{
#if MICRO_DSP
    int32_t real;
    int32_t imaginary;
    __asm__("smlsd %0, %1, %2, %3" : "=r"(real) : "r"(a), "r"(b), "r"(MICRO_HALF) : "cc");
    __asm__("smladx %0, %1, %2, %3" : "=r"(imaginary) : "r"(a), "r"(b), "r"(MICRO_HALF) : "cc");
    return micro_rounded(real, imaginary);
#else
    const int32_t real = micro_real(a) * micro_real(b) - micro_imaginary(a) * micro_imaginary(b);
    const int32_t imaginary = micro_real(a) * micro_imaginary(b) + micro_imaginary(a) * micro_real(b);
    return micro_rounded(real + MICRO_HALF, imaginary + MICRO_HALF);
#endif
}

static inline micro_complex micro_conjugate(micro_complex x)
{
    return (x & 0xFFFFu) | (micro_subtract(0, x) & 0xFFFF0000u);
}

/* (a + b) / 2 and (a - b) / 2, rounded down; neither wraps around. */
static inline micro_complex micro_half_sum(micro_complex a, micro_complex b)
{
#if MICRO_DSP
    micro_complex sum;
    __asm__("shadd16 %0, %1, %2" : "=r"(sum) : "r"(a), "r"(b));
    return sum;
#else
    const int32_t imaginary = micro_imaginary(a) + micro_imaginary(b);
    return micro_pair((micro_real(a) + micro_real(b)) >> 1, imaginary >> 1);
#endif
}

static inline micro_complex micro_half_difference(micro_complex a, micro_complex b)
{
#if MICRO_DSP
    micro_complex difference;
    __asm__("shsub16 %0, %1, %2" : "=r"(difference) : "r"(a), "r"(b));
    return difference;
#else
    const int32_t imaginary = micro_imaginary(a) - micro_imaginary(b);
    return micro_pair((micro_real(a) - micro_real(b)) >> 1, imaginary >> 1);
#endif
}

/* |x|², which reaches 2³¹ and is meant modulo 2³². */
static inline uint32_t micro_energy(micro_complex x)
{
#if MICRO_DSP
    uint32_t energy;
    __asm__("smuad %0, %1, %1" : "=r"(energy) : "r"(x) : "cc");
    return energy;
#else
    const int32_t real = micro_real(x);
    const int32_t imaginary = micro_imaginary(x);
    return (uint32_t)(real * real) + (uint32_t)(imaginary * imaginary);
#endif
}

/* How many bits a number has; 0 has none. */
static inline uint32_t micro_bits(uint32_t x)
{
#if defined(__GNUC__)
    return x == 0u ? 0u : 32u - (uint32_t)__builtin_clz(x);
#else
    uint32_t count = 0;
    for (; x != 0u; x >>= 1) {
        count++;
    }
    return count;
#endif
}

/* The root of x below 2⁶⁰, rounded to the nearest integer; 65535 is not rounded up.
 *
 * The root of the upper 32 bits digit by digit, then one division for the lower ones: with x = a 4ʲ + b 2ʲ + c and
 * s² + r = a, the root is s 2ʲ + q or one less, where q = (r 2ʲ + b) / 2s (P. Zimmermann, Karatsuba Square Root). */
static inline uint32_t micro_root(uint64_t x)
{
    const uint32_t low_bits = (micro_bits((uint32_t)(x >> 32)) + 1u) / 2u;
    uint32_t rest = (uint32_t)(x >> (2u * low_bits));
    uint32_t root = 0;
    for (uint32_t bit = 1u << 30; bit != 0u; bit >>= 2) {
        const uint32_t tried = root + bit;
        root >>= 1;
        if (rest >= tried) {
            rest -= tried;
            root += bit;
        }
    }
    if (low_bits > 0u) {
        const uint32_t mask = (1u << low_bits) - 1u;
        const uint32_t dividend = (rest << low_bits) | ((uint32_t)(x >> low_bits) & mask);
        const uint32_t quotient = dividend / (2u * root);
        rest = ((dividend - quotient * 2u * root) << low_bits) | ((uint32_t)x & mask);
        root = (root << low_bits) + quotient;
        if (rest < quotient * quotient) {
            root--;
            rest += 2u * root + 1u;
        }
        rest -= quotient * quotient;
    }
    return rest > root && root != 0xFFFFu ? root + 1u : root;
}

#endif
