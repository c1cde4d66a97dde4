# SPDX-License-Identifier: Apache-2.0
"""ADD and SUB by two multiply-accumulates and one saturating shift per element.

    y = SSAT(C + (A1 · (256·a) >> 16) + (A2 · (256·b) >> 16), asr S)

SMLAWB multiplies a whole word by a halfword and keeps the upper bits; a byte masked in the upper half of a halfword is
256 times its value. All 65,536 pairs of inputs are tried at export: each bounds C from both sides, so a C that is left
makes the form exact.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.types import Array
from ascmcu.m4.asm import Assembly
from ascmcu.m4.listing import Listing
from ascmcu.m4.registers import LR, PC, Core

_SEARCH = 3
_MOST_BITS = 30
_COMMON_SHIFT = 20


@dataclass(frozen=True)
class TwoMacAdd:
    """Compile-time constants of the form."""

    a_factor: int
    b_factor: int
    offset: int
    shift: int

    @property
    def code(self) -> Listing:
        """The assembly, which layers with the same shift share."""
        return code(self.shift)


_A = Core(0, "a", "four elements that come next")
_B = Core(1, "b", "four elements that come next")
_OUT = Core(2, "out", "of the elements that come next")
_COUNT, _END = Core(3, "count"), Core(3, "end", "of a")
_A1, _A2, _C = Core(4, "A1"), Core(5, "A2"), Core(6, "C")
_SAVED = tuple(Core(n, f"r{n}") for n in range(4, 12))
_HIGH_BYTES = 0x00FF00FF  # what BIC clears to leave the upper byte of each halfword


@functools.lru_cache(maxsize=32)
def code(shift: int) -> Listing:
    """y = SSAT(C + (A1 * 256 a >> 16) + (A2 * 256 b >> 16), asr ``shift``) of a multiple of four elements."""
    a = Assembly(f"two_mac_add_s{shift}", enters=(_A, _B, _OUT, _COUNT))
    factors = Core(7, "factors")
    a.push((*_SAVED, LR))
    a.ldr(factors, a.stack_argument(4))
    a.ldm(factors, (_A1, _A2, _C), advance=False)
    a.add(_END, _COUNT, _A)
    top = a.loop("fours")
    words = Core(7, "a0-3", "bytes"), Core(8, "b0-3", "bytes")
    a.ldr(words[0], _A.post(4))
    a.ldr(words[1], _B.post(4))
    for at, y in enumerate(_four(a, *words)):
        a.ssat(y, 8, y, shift)
        a.strb(y, _OUT.at(at))
    a.add(_OUT, _OUT, 4)
    a.cmp(_A, _END)
    a.b(top, "ne")
    a.pop((*_SAVED, PC))
    return a.finish()


def _four(a: Assembly, word_a: Core, word_b: Core) -> tuple[Core, ...]:
    """Four sums of a word each. A byte in the upper half of a halfword is 256 times its value."""
    odd_a, odd_b = Core(9, "a1 a3", "times 256"), Core(10, "b1 b3", "times 256")
    even_a, even_b = Core(7, "a0 a2", "times 256"), Core(8, "b0 b2", "times 256")
    a.bic(odd_a, word_a, _HIGH_BYTES)
    a.bic(odd_b, word_b, _HIGH_BYTES)
    a.lsl(word_a, word_a, 8)
    a.lsl(word_b, word_b, 8)
    a.bic(even_a, word_a, _HIGH_BYTES)
    a.bic(even_b, word_b, _HIGH_BYTES)
    y0, y1, y2, y3 = (Core(n, f"y{i}", "sum, then output") for i, n in enumerate((11, 12, 8, 10)))
    for half, y, b in (("b", y0, even_b), ("b", y1, odd_b), ("t", y2, even_b), ("t", y3, odd_b)):
        a.smlaw(half, y, _A2, b, _C)
    for half, y, x in (("b", y0, even_a), ("b", y1, odd_a), ("t", y2, even_a), ("t", y3, odd_a)):
        a.smlaw(half, y, _A1, x, y)
    return y0, y1, y2, y3


def two_mac_add(table: Array, a_scale: float, b_scale: float, low: int, high: int) -> TwoMacAdd | None:
    """The form that gives ``table[a + 128, b + 128]``, or ``None``.

    Args:
        table: the reference's outputs for all int8 pairs.
        a_scale: output units per unit of a; negative where it is subtracted.
        b_scale: likewise for b.
        low: the activation's lowest output; values at it only bound from above, as the clamp hides the rest.
        high: the activation's highest output.
    """
    if (low, high) != (-128, 127):
        return None
    largest = max(abs(a_scale), abs(b_scale))
    finest = int(np.floor(_MOST_BITS - 8 - np.log2(max(largest, 2.0**-8))))
    # A coarser shift that most layers can have first: they share their code.
    found = (
        _at_shift(table, a_scale, b_scale, low, high, shift) for shift in (min(_COMMON_SHIFT, finest), finest)
    )
    return next((form for form in found if form is not None), None)


def _at_shift(
    table: Array, a_scale: float, b_scale: float, low: int, high: int, shift: int
) -> TwoMacAdd | None:
    nominal = [round(scale * 2.0 ** (shift + 8)) for scale in (a_scale, b_scale)]
    if shift < 8 or shift > 28 or max(map(abs, nominal)) >= (1 << 31) - _SEARCH:
        return None
    deltas = sorted(
        itertools.product(range(-_SEARCH, _SEARCH + 1), repeat=2), key=lambda d: abs(d[0]) + abs(d[1])
    )
    target = table.astype(np.int64)
    floor = np.where(target > low, target << shift, -(1 << 62))
    ceiling = np.where(target < high, (target + 1) << shift, 1 << 62)
    x = np.arange(-128, 128, dtype=np.int64) * 256
    for a_delta, b_delta in deltas:
        a_factor, b_factor = nominal[0] + a_delta, nominal[1] + b_delta
        total = ((a_factor * x) >> 16)[:, np.newaxis] + ((b_factor * x) >> 16)[np.newaxis, :]
        least, most = int((floor - total).max()), int((ceiling - total).min()) - 1
        if least <= most and _fits(total, least, most):
            return TwoMacAdd(a_factor, b_factor, (least + most) // 2, shift)
    return None


def _fits(total: Array, least: int, most: int) -> bool:
    offset = (least + most) // 2
    return bool(
        abs(offset) < 1 << 31 and total.max() + offset < 1 << 31 and total.min() + offset >= -(1 << 31)
    )
