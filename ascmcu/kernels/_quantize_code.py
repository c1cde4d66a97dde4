# SPDX-License-Identifier: Apache-2.0
"""The assembly of ``quantize``: float32 to int8, four elements a turn, as far as none of them is near a half."""

from __future__ import annotations

import functools

from ascmcu.m4.asm import Assembly
from ascmcu.m4.listing import Listing
from ascmcu.m4.registers import PC, Core, Fpu

_X = Core(0, "x", "four elements that come next")
_OUT = Core(1, "out", "of the elements that come next")
_END = Core(2, "end", "of x")
_CONSTANTS = Core(3, "constants", "1 / scale, what is added, and the bits that tell")
_FOUR = 4


@functools.cache
def code(*, below: bool) -> Listing:
    """``quantize_fours(x, out, end, constants)``: 44 cycles a turn, 48 where what is added is ``below`` zero; where it
    stopped, at the end or at four elements of which one is near a half.

    What is out of range is the least int32, or the largest. A sum below that would be the least again, which looks near
    a half; so with a negative number to add, quotients are saturated to less.
    """
    a = Assembly("quantize_fours_below" if below else "quantize_fours", enters=(_X, _OUT, _END, _CONSTANTS))
    factor, added, mask = Fpu(15, "1 / scale"), Core(3, "added"), Core(12, "mask")
    saved = tuple(Core(n, f"r{n}") for n in range(4, 8))
    a.push((*saved, Core(14, "return address")))
    a.align()
    a.vldr(factor, _CONSTANTS.at())
    a.ldr(mask, _CONSTANTS.at(8))
    a.ldr(added, _CONSTANTS.at(4))
    top, near = a.loop("fours"), a.label("near a half")
    values = [Fpu(i, f"x{i}") for i in range(_FOUR)]
    a.vldm(_X, values, advance=True)
    quotients = [Fpu(i, f"x{i} / scale") for i in range(_FOUR)]
    for value, quotient in zip(values, quotients, strict=True):
        a.vmul(quotient, value, factor)
    fixed = [Fpu(i, f"q{i}", "x / scale in 2^-16") for i in range(_FOUR)]
    for quotient, number in zip(quotients, fixed, strict=True):
        a.vcvt_fixed(number, quotient, 16)
    moved = [
        Core(4 + i, f"moved {i}", "the quotient, a half and the zero point, in 2^-16") for i in range(_FOUR)
    ]
    for i, number in enumerate(fixed):
        q = Core(4 + i, f"q{i}")
        a.vmov(q, number)
    for i, to in enumerate(moved):
        q = Core(4 + i, f"q{i}")
        if below:
            a.ssat(q, 30, q)
            a.add(to, q, added)
        else:
            a.qadd(to, q, added)
    for each in moved:
        a.tst(each, mask)
        a.b(near, "eq")
    ys = [Core(r.number, f"y{i}") for i, r in enumerate(moved)]
    for y, each in zip(ys, moved, strict=True):
        a.ssat(y, 8, each, 16)
    for i, y in enumerate(ys[1:], 1):
        a.strb(y, _OUT.at(i))
    a.strb(ys[0], _OUT.post(_FOUR))
    a.cmp(_X, _END)
    a.b(top, "ne")
    a.pop((*saved, PC))
    a.align()
    a.place(near)
    a.sub(_X, _X, 4 * _FOUR)
    a.pop((*saved, PC))
    return a.finish()
