# SPDX-License-Identifier: Apache-2.0
"""Log: the natural logarithm in fixed point, or the values as they are."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.codegen.frontend.parts import Constant, Stage, Table, integers
from ascmcu.features import micro_tables
from ascmcu.features.microspec import MicroSpec


@dataclass(frozen=True)
class MicroLog(Stage):
    """``table`` is empty where there is no logarithm."""

    TEMPLATE = "micro/log"

    shift: int
    correction_bits: int
    table: tuple[int, ...]

    @staticmethod
    def of(spec: MicroSpec) -> MicroLog:
        """The stage as ``spec`` wants it."""
        table = tuple(micro_tables.logarithms().tolist()) if spec.log else ()
        return MicroLog(spec.log_shift, spec.correction_bits, table)

    @property
    def active(self) -> bool:
        """Whether there is a logarithm."""
        return bool(self.table)

    @property
    def log_of_two(self) -> int:
        """log 2 with 16 fractional bits."""
        return micro_tables.LOG_OF_TWO

    @property
    def summary(self) -> str:
        """See ``Stage``."""
        return f"ln × {1 << self.shift}" if self.active else ""

    @property
    def constants(self) -> tuple[Constant, ...]:
        """See ``Stage``."""
        if not self.active:
            return ()
        return (Constant("LOG_SHIFT", self.shift), Constant("CORRECTION_BITS", self.correction_bits))

    @property
    def tables(self) -> tuple[Table, ...]:
        """See ``Stage``."""
        if not self.active:
            return ()
        comment = "log2(1 + x) - x at multiples of 1 / 128, 16 fractional bits"
        return (integers("logarithms", "uint16_t", comment, self.table),)
