# SPDX-License-Identifier: Apache-2.0
"""The assembly of an elementwise product of int8, four elements a turn."""

from __future__ import annotations

import functools

from ascmcu.kernels._saturating import Constants, Saturating, outputs
from ascmcu.m4.asm import Assembly
from ascmcu.m4.listing import Listing
from ascmcu.m4.registers import LR, PC, Core

_A = Core(0, "a", "four elements that come next")
_B = Core(1, "b", "four elements that come next")
_OUT = Core(2, "out", "of the elements that come next")
_COUNT = Core(3, "count", "elements, a multiple of four")
_SAVED = tuple(Core(n, f"r{n}") for n in range(4, 12))


@functools.cache
def code(finish: Saturating) -> Listing:
    """``mul_fours_…(a, b, out, count, constants)``: 30 cycles a turn. ``constants`` are the negatives of both operands'
    zero points in both halves of a word, M and C."""
    a = Assembly(f"mul_fours_s{finish.shift}{_bounds(finish)}", enters=(_A, _B, _OUT, _COUNT))
    a.push((*_SAVED, LR))
    constants, end = Core(12, "constants"), Core(3, "end", "of a")
    minus_a, minus_b = Core(4, "- zero point of a", "twice"), Core(5, "- zero point of b", "twice")
    m, c = Core(6, "M"), Core(7, "C")
    a.ldr(constants, a.stack_argument(4))
    a.add(end, _A, _COUNT)
    a.ldm(constants, (minus_a, minus_b, m, c), advance=False)
    top = a.loop("fours")
    words = Core(8, "a0-3", "bytes"), Core(10, "b0-3", "bytes")
    a.ldr(words[0], _A.post(4))
    a.ldr(words[1], _B.post(4))
    halves = []
    for name, word, minus in (("a", words[0], minus_a), ("b", words[1], minus_b)):
        odd, even = Core(word.number + 1, f"{name}1 {name}3"), Core(word.number, f"{name}0 {name}2")
        a.sxtab16(odd, minus, word, 8)
        a.sxtab16(even, minus, word)
        halves.append((even, odd))
    (even_a, odd_a), (even_b, odd_b) = halves
    products = [Core(n, f"a{i} * b{i}") for i, n in enumerate((12, 14, 8, 9))]
    for product, half, x, y in zip(
        products, ("bb", "bb", "tt", "tt"), (even_a, odd_a) * 2, (even_b, odd_b) * 2, strict=True
    ):
        a.smulxy(half, product, x, y)
    sums = [Core(p.number, f"sum{i}", f"256 times {p.name}") for i, p in enumerate(products)]
    for product, total in zip(products, sums, strict=True):
        a.lsl(total, product, 8)
    ys = outputs(a, finish, sums, Constants(m, c, c, c))
    for i, y in enumerate(ys[1:], 1):
        a.strb(y, _OUT.at(i))
    a.strb(ys[0], _OUT.post(4))
    a.cmp(_A, end)
    a.b(top, "ne")
    a.pop((*_SAVED, PC))
    return a.finish()


def _bounds(finish: Saturating) -> str:
    return f"_from{finish.low}_to{finish.high}".replace("-", "m") if finish.clamps else ""
