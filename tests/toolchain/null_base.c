/* SPDX-License-Identifier: Apache-2.0 */
/* A strictly conforming program that GCC 12.2 for x86-64 compiles wrongly at -O1, and at -O2 with
 * -fno-tree-vectorize; see ascmcu/toolchain/flags.py. One induction variable serves both arrays, sums[] then has a null
 * pointer as its formal base, narrow() is taken for a function without effect, and its call goes. */
static struct {
    int sums[16];
    signed char out[16];
} s;

static __attribute__((noinline)) void narrow(void)
{
    for (int i = 0; i < 16; ++i) {
        s.out[i] = (signed char)(s.sums[i] >> 2);
    }
}

int main(void)
{
    for (int i = 0; i < 16; ++i) {
        s.sums[i] = 4 * i + 4;
    }
    __asm__ volatile("" ::: "memory");
    narrow();
    int wrong = 0;
    for (int i = 0; i < 16; ++i) {
        wrong += s.out[i] != i + 1;
    }
    return wrong;
}
