/* Building blocks of the dot-product kernels (ascmcu/ops/_dot.py): widening rows to int16, and the portable form of
 * the inner products, which gives the same bits as the Cortex-M4 assembly that the generated code holds. */
#ifndef ASCMCU_DOT_H
#define ASCMCU_DOT_H

#include "quant.h"

#if defined(__ARM_FEATURE_DSP) && defined(__thumb2__) && defined(__GNUC__)
#define ASCMCU_DSP 1
#else
#define ASCMCU_DSP 0
#endif

/* Words of an int16 buffer are read and written through a type that may alias it. */
#if defined(__GNUC__)
typedef uint32_t __attribute__((may_alias)) dot_word;
#else
typedef uint32_t dot_word;
#endif

/* Bytes 0 and 2 of a word, sign-extended into its halves; and bytes 1 and 3. */
static inline uint32_t dot_even(uint32_t word)
{
#if ASCMCU_DSP
    uint32_t halves;
    __asm__("sxtb16 %0, %1" : "=r"(halves) : "r"(word));
    return halves;
#else
    return ((uint32_t)(int32_t)(int8_t)word & 0xFFFFu) | ((uint32_t)(int32_t)(int8_t)(word >> 16) << 16);
#endif
}

static inline uint32_t dot_odd(uint32_t word)
{
#if ASCMCU_DSP
    uint32_t halves;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(halves) : "r"(word));
    return halves;
#else
    return dot_even((word >> 8) | (word << 24));
#endif
}

/* The differences of two pairs of halves. */
static inline uint32_t dot_sub2(uint32_t a, uint32_t b)
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
static inline uint32_t dot_sum2(uint32_t sums, uint32_t word)
{
#if ASCMCU_DSP
    __asm__("sxtab16 %0, %0, %1" : "+r"(sums) : "r"(word));
    return sums;
#else
    const uint32_t low = sums + (uint32_t)(int32_t)(int8_t)word;
    const uint32_t high = (sums >> 16) + (uint32_t)(int32_t)(int8_t)(word >> 16);
    return (low & 0xFFFFu) | high << 16;
#endif
}

static inline uint32_t dot_sum2_odd(uint32_t sums, uint32_t word)
{
#if ASCMCU_DSP
    __asm__("sxtab16 %0, %0, %1, ror #8" : "+r"(sums) : "r"(word));
    return sums;
#else
    return dot_sum2(sums, (word >> 8) | (word << 24));
#endif
}

/* The larger of each pair of int8. */
static inline uint32_t dot_max4(uint32_t a, uint32_t b)
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
static inline int32_t dot_smlawb(int32_t factor, uint32_t x, int32_t acc)
{
#if ASCMCU_DSP
    int32_t sum;
    __asm__("smlawb %0, %1, %2, %3" : "=r"(sum) : "r"(factor), "r"(x), "r"(acc));
    return sum;
#else
    return acc + (int32_t)(((int64_t)factor * (int16_t)x) >> 16);
#endif
}

static inline int32_t dot_smlawt(int32_t factor, uint32_t x, int32_t acc)
{
#if ASCMCU_DSP
    int32_t sum;
    __asm__("smlawt %0, %1, %2, %3" : "=r"(sum) : "r"(factor), "r"(x), "r"(acc));
    return sum;
#else
    return dot_smlawb(factor, x >> 16, acc);
#endif
}

/* Saturate value >> shift to int8; shift is a constant. */
#if ASCMCU_DSP
#define dot_ssat8(value, shift) \
    (__extension__({ int32_t saturated_; __asm__("ssat %0, #8, %1, asr %2" : "=r"(saturated_) : "r"(value), "I"(shift)); (int8_t)saturated_; }))
#else
#define dot_ssat8(value, shift) ((int8_t)clamp_i32((value) >> (shift), -128, 127))
#endif

/* Widens `words` groups of four int8 to int16 in the order 0, 2, 1, 3. */
static inline void dot_widen4(const int8_t *from, int16_t *to, int32_t words)
{
#if ASCMCU_DSP
    /* Four groups a turn, 24 cycles. */
    for (; words >= 4; words -= 4) {
        uint32_t a;
        uint32_t b;
        uint32_t c;
        uint32_t d;
        uint32_t odd;
        __asm__ volatile("ldr %3, [%0, #4]\n\t"
                         "ldr %4, [%0, #8]\n\t"
                         "ldr %5, [%0, #12]\n\t"
                         "ldr %2, [%0], #16\n\t"
                         "sxtb16 %6, %2, ror #8\n\t"
                         "sxtb16 %2, %2\n\t"
                         "str %6, [%1, #4]\n\t"
                         "sxtb16 %6, %3, ror #8\n\t"
                         "sxtb16 %3, %3\n\t"
                         "str %6, [%1, #12]\n\t"
                         "sxtb16 %6, %4, ror #8\n\t"
                         "sxtb16 %4, %4\n\t"
                         "str %6, [%1, #20]\n\t"
                         "sxtb16 %6, %5, ror #8\n\t"
                         "sxtb16 %5, %5\n\t"
                         "str %6, [%1, #28]\n\t"
                         "str %3, [%1, #8]\n\t"
                         "str %4, [%1, #16]\n\t"
                         "str %5, [%1, #24]\n\t"
                         "str %2, [%1], #32"
                         : "+r"(from), "+r"(to), "=&r"(a), "=&r"(b), "=&r"(c), "=&r"(d), "=&r"(odd)
                         :
                         : "memory");
    }
#endif
    dot_word *out = (dot_word *)(void *)to;
    for (; words > 0; --words, from += 4) {
        uint32_t word;
        memcpy(&word, from, sizeof word);
        *out++ = dot_even(word);
        *out++ = dot_odd(word);
    }
}

/* The same, for many groups: its code stands once. */
#if defined(__GNUC__)
__attribute__((noinline, unused))
#endif
static void dot_widen4_row(const int8_t *from, int16_t *to, int32_t words)
{
    dot_widen4(from, to, words);
}

/* Widens `count` int8 to int16 in their order. */
static inline void dot_widen(const int8_t *from, int16_t *to, int32_t count)
{
#if ASCMCU_DSP
#pragma GCC unroll 8
#endif
    for (int32_t i = 0; i < count; ++i) {
        to[i] = from[i];
    }
}

/* Transposes `columns` pixels of `channels` int8, `pixel_step` apart, into int16 lines `line_step` apart, one per channel. */
static inline void dot_planes(const int8_t *from, int32_t pixel_step, int16_t *to, int32_t line_step, int32_t columns,
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
static inline void dot_fill4(int8_t *to, uint32_t four, int32_t words)
{
    dot_word *out = (dot_word *)(void *)to;
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

static inline void dot_fill(int16_t *to, int16_t value, int32_t count)
{
    for (; count > 0; --count) {
        *to++ = value;
    }
}

typedef struct {
    int32_t pairs;
    int32_t shift;
    int32_t is_signed;
    int32_t low;
    int32_t high;
    int32_t channel_step;
} dot_shape;

/* One pixel, `groups` groups of four output channels: the definition of what the assembly computes. */
static inline void dot_portable(const int16_t *x, const int32_t *weights, const int32_t *constants, int8_t *out,
    int32_t groups, const dot_shape *shape)
{
    for (; groups > 0; --groups, out += 4 * shape->channel_step) {
        uint32_t sum[4] = { (uint32_t)constants[0], (uint32_t)constants[1], (uint32_t)constants[2],
            (uint32_t)constants[3] };
        constants += 4;
        for (int32_t pair = 0; pair < shape->pairs; ++pair) {
            for (int32_t half = 0; half < 2; ++half) {
                const int32_t value = x[2 * pair + half];
                for (int32_t i = 0; i < 2; ++i) {
                    const int32_t packed = (int16_t)((uint32_t)weights[i] >> (16 * half));
                    sum[2 * i] += (uint32_t)(value * (int8_t)packed);
                    sum[2 * i + 1] += (uint32_t)(value * packed);
                }
            }
            weights += 2;
        }
        for (int32_t channel = 0; channel < 4; ++channel) {
            const uint32_t twofold = channel % 2 ? sum[channel] - sum[channel - 1] : sum[channel] << 8;
            const int32_t acc = (int32_t)twofold; /* 256 times the sum */
            int32_t y = (int32_t)(((int64_t)acc * constants[0]) >> 32) + constants[1];
            if (shape->is_signed) {
                y -= acc < 0 ? constants[2] : 0;
            }
            constants += shape->is_signed ? 3 : 2;
            out[channel * shape->channel_step] = (int8_t)clamp_i32(y >> shape->shift, shape->low, shape->high);
        }
    }
}

#endif
