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

    @property
    def of(self) -> Saturating:
        """This alone, of parameters that hold more."""
        return Saturating(self.shift, self.signed, self.low, self.high)


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
        a.ssat(y, 8, product, s.shift)
        if s.clamps:
            clamp(a, s, y)
    return found


def clamp(a: Assembly, s: Saturating, y: Core, *, narrow: bool = False) -> None:
    """The bounds of an activation that saturation leaves open."""
    for condition, bound in (("lt", s.low), ("gt", s.high)):
        a.cmp(y, bound, narrow=narrow)
        a.mov_if(condition, y, bound)
