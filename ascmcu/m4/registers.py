# SPDX-License-Identifier: Apache-2.0
"""Registers under the name of what they hold, addresses and shifted operands.

``Core(10, "x0", "two taps of the first pixel")`` is r10 as long as it holds x0; another name may have the same register
before and behind. The text of a kernel names both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

_NAMES = {13: "sp", 14: "lr", 15: "pc"}
_FLAGS = 64


@dataclass(frozen=True)
class Register:
    """A register and the name of its content.

    Attributes:
        number: of the register in its file.
        name: of what it holds; short, it stands beside each instruction.
        holds: what that is, for the table of registers above the kernel.
    """

    number: int
    name: str
    holds: str = field(default="", compare=False)

    @property
    def slot(self) -> int:
        """One number for each register of both files."""
        raise NotImplementedError

    @property
    def text(self) -> str:
        """The assembler's name of the register."""
        raise NotImplementedError


class Core(Register):
    """r0 to r12, sp (13), lr (14) or pc (15)."""

    @property
    def slot(self) -> int:
        """r0 … pc are slots 0 to 15."""
        return self.number

    @property
    def text(self) -> str:
        """r0 … r12, sp, lr, pc."""
        return _NAMES.get(self.number, f"r{self.number}")

    def at(self, offset: int | Core = 0, *, lsl: int = 0) -> Address:
        """``[base, #offset]``, or ``[base, register, lsl #n]``."""
        return Address(self, offset, lsl=lsl)

    def post(self, step: int) -> Address:
        """``[base], #step``: the access is at the base, which then advances."""
        return Address(self, step, post=True)

    def pre(self, step: int) -> Address:
        """``[base, #step]!``: the base advances first."""
        return Address(self, step, pre=True)

    def lsl(self, bits: int) -> Shifted:
        """The register shifted left, as a last operand."""
        return Shifted(self, "lsl", bits)

    def lsr(self, bits: int) -> Shifted:
        """Shifted right, zeros from above."""
        return Shifted(self, "lsr", bits)

    def asr(self, bits: int) -> Shifted:
        """Shifted right, the sign from above."""
        return Shifted(self, "asr", bits)

    def ror(self, bits: int) -> Shifted:
        """Rotated right."""
        return Shifted(self, "ror", bits)


class Fpu(Register):
    """s0 to s31: scratch that is one cycle away from the core's registers."""

    @property
    def slot(self) -> int:
        """s0 … s31 are slots 32 to 63."""
        return 32 + self.number

    @property
    def text(self) -> str:
        """s0 … s31."""
        return f"s{self.number}"


class Flags(Register):
    """The condition flags."""

    @property
    def slot(self) -> int:
        """Behind the registers."""
        return _FLAGS

    @property
    def text(self) -> str:
        """Not an operand of any instruction."""
        return "flags"


SP = Core(13, "sp")
LR = Core(14, "return address")
PC = Core(15, "pc")
FLAGS = Flags(0, "flags")


@dataclass(frozen=True)
class Address:
    """What a load or store reaches: a base and an offset in bytes, or an index register shifted left by ``lsl``."""

    base: Core
    offset: int | Core
    lsl: int = 0
    post: bool = False
    pre: bool = False

    @property
    def writes_back(self) -> bool:
        """Whether the base advances."""
        return self.post or self.pre

    @property
    def text(self) -> str:
        """As the assembler wants it."""
        return self._written(self.base.text, self.offset.text if isinstance(self.offset, Core) else "")

    @property
    def names(self) -> str:
        """The same with the names of what the registers hold."""
        return self._written(self.base.name, self.offset.name if isinstance(self.offset, Core) else "")

    def _written(self, base: str, index: str) -> str:
        if index:
            return f"[{base}, {index}{f', lsl #{self.lsl}' if self.lsl else ''}]"
        if self.post:
            return f"[{base}], #{self.offset}"
        if self.pre:
            return f"[{base}, #{self.offset}]!"
        return f"[{base}, #{self.offset}]" if self.offset else f"[{base}]"


@dataclass(frozen=True)
class Shifted:
    """A register that is shifted or rotated on its way into an instruction."""

    register: Core
    by: str
    bits: int

    @property
    def suffix(self) -> str:
        """``, asr #31``."""
        return f", {self.by} #{self.bits}"


Operand = Core | Shifted | int


def listed(registers: Sequence[Register]) -> str:
    """``{r4-r7, lr}``: a list of registers as the assembler takes it, in ascending order."""
    runs: list[list[Register]] = []
    for register in sorted(registers, key=lambda r: r.number):
        joins = runs and register.number == runs[-1][-1].number + 1 and register.number < 13
        if joins or (runs and isinstance(register, Fpu) and register.number == runs[-1][-1].number + 1):
            runs[-1].append(register)
        else:
            runs.append([register])
    parts = [run[0].text if len(run) == 1 else f"{run[0].text}-{run[-1].text}" for run in runs]
    return "{" + ", ".join(parts) + "}"


def encodable(value: int) -> bool:
    """Whether 32 bits are an immediate of a wide data instruction: a byte, a byte repeated, or a byte with its upper
    bit set rotated to anywhere (Armv7-M manual, A5.3.2)."""
    value &= 0xFFFFFFFF
    low, second = value & 0xFF, value >> 8 & 0xFF
    if value in (low, low * 0x00010001, second * 0x01000100, low * 0x01010101):
        return True
    top = value.bit_length() - 8
    return top >= 0 and value & ((1 << top) - 1) == 0
