# SPDX-License-Identifier: Apache-2.0
"""The facts about an instruction that a Cortex-M4's timing depends on, whether decoded (``sim.decode``) or written
(``m4.asm``)."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Kind(enum.IntEnum):
    """What an instruction occupies; the timing rules are written in these terms."""

    ALU = enum.auto()
    MULTIPLY = enum.auto()
    DIVIDE = enum.auto()
    LOAD = enum.auto()
    STORE = enum.auto()
    STORE_REGISTER_OFFSET = enum.auto()
    LOAD_MULTIPLE = enum.auto()
    STORE_MULTIPLE = enum.auto()
    BRANCH = enum.auto()
    BRANCH_REGISTER = enum.auto()
    TABLE_BRANCH = enum.auto()
    IT = enum.auto()
    SYSTEM = enum.auto()
    FP = enum.auto()
    FP_ACCUMULATE = enum.auto()
    FP_DIVIDE = enum.auto()
    FP_MOVE = enum.auto()
    FP_LOAD = enum.auto()
    FP_STORE = enum.auto()


LOADS = frozenset({Kind.LOAD, Kind.LOAD_MULTIPLE, Kind.FP_LOAD})
STORES = frozenset({Kind.STORE, Kind.STORE_REGISTER_OFFSET, Kind.STORE_MULTIPLE, Kind.FP_STORE})
MEMORY = LOADS | STORES
PC = 15
SP = 13
ALWAYS = 14


@dataclass(frozen=True)
class Address:
    """How a load or store forms its address: ``base + (index << shift) + offset``; index -1 is none."""

    base: int
    index: int
    shift: int
    offset: int
    access_bytes: int


@dataclass(frozen=True)
class Instruction:
    """One decoded instruction.

    Register sets are bit masks: bit n is Rn in ``writes`` and ``address_registers``, bit n is Sn in the
    ``fp_`` masks. ``registers`` counts what a multiple load or store moves. ``condition`` is the condition
    under which it executes (14: always). ``branches`` says that it may leave the straight line.
    """

    address: int
    size_bytes: int
    text: str
    kind: Kind
    registers: int
    writes: int
    base_writeback: int
    address_registers: int
    memory: Address | None
    fp_reads: int
    fp_writes: int
    fp_addend: int
    condition: int
    branches: bool
    moves: tuple[str, int, int, int, int] | None

    @property
    def wide(self) -> bool:
        """Whether it is a 32-bit instruction."""
        return self.size_bytes == 4

    @property
    def conditional(self) -> bool:
        """Whether it executes under a condition."""
        return self.condition != ALWAYS
