# SPDX-License-Identifier: Apache-2.0
"""What comes behind a sum of 256 times an accumulator: times M plus C, D off a negative one, shift, saturation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ascmcu.m4.asm import Assembly
from ascmcu.m4.registers import Core


@dataclass(frozen=True)
class Saturating:
    """How a sum of 256 times the accumulator becomes an output once M and C are applied: D taken off a negative one
    where ``signed``, shifted right by ``shift``, saturated to ``low`` … ``high``."""

    shift: int
    signed: bool
    low: int
    high: int

    @property
    def clamps(self) -> bool:
        """Whether saturation to int8 is not all that the activation asks for."""
        return (self.low, self.high) != (-128, 127)

    @property
    def scale_words(self) -> int:
        """Words of M, C and perhaps D."""
        return 3 if self.signed else 2


@dataclass(frozen=True)
class Constants:
    """The registers of M, C and D, and one that is overwritten where there is a D."""

    m: Core
    c: Core
    d: Core
    spare: Core


def outputs(a: Assembly, s: Saturating, sums: Sequence[Core], constants: Constants) -> list[Core]:
    """Each sum's output, in the sum's register."""
    scaled = [Core(r.number, f"{r.name} * M + C") for r in sums]
    m, c, d, spare = constants.m, constants.c, constants.d, Core(constants.spare.number, "D if negative")
    for total, product in zip(sums, scaled, strict=True):
        if s.signed:
            a.and_(spare, d, total.asr(31))
        a.smmla(product, total, m, c)
        if s.signed:
            a.sub(product, product, spare)
    found = [Core(r.number, r.name.replace("sum", "y")) for r in sums]
    for product, y in zip(scaled, found, strict=True):
        saturate(a, s, y, product)
    return found


def saturate(a: Assembly, s: Saturating, y: Core, product: Core) -> None:
    """Shift, and the activation's bounds: those that the saturation to int8 leaves open take three cycles each, two
    where the comparison has a narrow form; zero as the lower one takes one or, with a power of two above, none."""
    most = s.high + 1
    if s.low == 0 and most & s.high == 0:
        a.usat(y, s.high.bit_length(), product, s.shift)
        return
    a.ssat(y, 8, product, s.shift)
    if s.low == 0:
        a.bic(y, y, y.asr(31))
    elif s.low > -128:
        a.cmp(y, s.low, narrow=True)
        a.mov_if("lt", y, s.low)
    if s.high < 127:
        a.cmp(y, s.high, narrow=True)
        a.mov_if("gt", y, s.high)
