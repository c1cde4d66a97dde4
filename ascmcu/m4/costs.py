# SPDX-License-Identifier: Apache-2.0
"""The rules that need operands: cycles that only the values tell. Plain arithmetic on integers.

Each stands here once. Python calls them as they are; ``hook.py`` compiles the same functions for the moments at which
the operands are known.
"""

from __future__ import annotations

DIVIDE_MIN_CYCLES = 2


def divide_cycles(dividend: int, divisor: int, signed: int) -> int:
    """SDIV's and UDIV's cycles, 2 to 12 by operands (TRM); the formula is CM's, measured.

    Zero operands end at once; else four quotient bits per cycle. A divisor that is a negative power of two
    costs a quotient bit more.

    Args:
        dividend: 32 bits, unsigned.
        divisor: 32 bits, unsigned.
        signed: SDIV.
    """
    if dividend == 0 or divisor == 0:
        return DIVIDE_MIN_CYCLES
    bits = 0
    if signed:
        if divisor >> 31:
            divisor = -divisor & 0xFFFFFFFF
            power = divisor & (divisor - 1) == 0
            if power and dividend != 0x80000000:
                bits = 1
            elif not power and dividend == 0x80000000:
                bits = -1
        if dividend >> 31:
            dividend = -dividend & 0xFFFFFFFF
    while dividend:
        dividend >>= 1
        bits += 1
    while divisor:
        divisor >>= 1
        bits -= 1
    return 3 if bits < 0 else 5 + bits // 4


def unaligned_cycles(address: int, access_bytes: int) -> int:
    """What a load or store takes longer for its address: one cycle per further bus access (TRM).

    A halfword at an odd address is two accesses; a word is two at a halfword, three at an odd address.
    """
    if access_bytes == 2:
        return address & 1
    if access_bytes != 4 or address & 3 == 0:
        return 0
    return 2 if address & 1 else 1
