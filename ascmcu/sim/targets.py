# SPDX-License-Identifier: Apache-2.0
"""Where a block's accesses go when it first runs: its instructions followed with the registers' values.

A sum of which one term is not known lies *near* the other if that is an address: arrays do not reach from one memory
into another. So the memory of an access is known more often than its address.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ascmcu.m4.instruction import PC, Instruction, Kind
from ascmcu.sim.cpu import CORE, SINGLES, Cpu

_WORD_MASK = 0xFFFFFFFF
_LEAST_ADDRESS = 0x1000  # smaller numbers count something; below lie vector tables and start-up code


@dataclass(frozen=True)
class _Value:
    """A register's content; not ``exact``: an address in the same memory."""

    number: int
    exact: bool = True

    def plus(self, other: int) -> _Value:
        return _Value((self.number + other) & _WORD_MASK, self.exact)


_Known = _Value | None


class Targets:
    """The registers while a block is followed.

    Args:
        cpu: stands at the block's entry.
        is_memory: whether an address is memory.
    """

    def __init__(self, cpu: Cpu, is_memory: Callable[[int], bool]) -> None:
        self._cpu = cpu
        self._is_memory = is_memory
        self._core: dict[int, _Known] = {n: _Value(cpu.read(CORE[n])) for n in range(15)}
        self._singles: dict[int, _Known] = {}  # those that the block has written

    def step(self, instruction: Instruction) -> int | None:
        """Where the instruction's access goes, None if it has none or nobody knows; and go on behind it."""
        target = self._target(instruction)
        moved = None if instruction.conditional else self._moved(instruction)
        for register in _bits(instruction.writes | instruction.base_writeback):
            self._core[register] = None
        self._singles.update(dict.fromkeys(_bits(instruction.fp_writes)))
        if moved is not None and instruction.moves is not None:
            into = self._singles if instruction.moves[0] == "to_fp" else self._core
            into[instruction.moves[1]] = moved
        self._load(instruction, target)
        return None if target is None else target.number

    def _target(self, instruction: Instruction) -> _Known:
        memory = instruction.memory
        if memory is None or instruction.kind is Kind.TABLE_BRANCH:
            return None
        base = _Value((instruction.address + 4) & ~3) if memory.base == PC else self._core[memory.base]
        if memory.index >= 0:
            base = self._sum(base, self._core[memory.index], memory.shift)
        return None if base is None else base.plus(memory.offset)

    def _sum(self, first: _Known, second: _Known, shift: int) -> _Known:
        if second is not None:
            second = _Value(second.number << shift & _WORD_MASK, second.exact)
        if first is not None and second is not None and first.exact and second.exact:
            return first.plus(second.number)
        terms = [t for t in (first, second) if t is not None and self._is_address(t.number)]
        return _Value(terms[0].number, exact=False) if len(terms) == 1 else None

    def _is_address(self, number: int) -> bool:
        return number >= _LEAST_ADDRESS and self._is_memory(number)

    def _moved(self, instruction: Instruction) -> _Known:
        if instruction.moves is None:
            return None
        operation, dest, source, amount, shift = instruction.moves
        if operation == "constant":
            return _Value(amount & _WORD_MASK)
        if operation == "from_fp":
            return self._singles.get(source, _Value(self._cpu.read(SINGLES[source])))
        value = self._core.get(dest if operation == "top" else source)
        if operation in ("sum", "near"):
            return self._sum(value, self._core.get(amount) if operation == "sum" else None, shift)
        if value is None or operation == "to_fp":
            return value
        if operation == "add":
            return value.plus(amount)
        if not value.exact:
            return None
        if operation == "top":
            return _Value((value.number & 0xFFFF) | amount << 16)
        return _Value(value.number << amount & _WORD_MASK)

    def _load(self, instruction: Instruction, target: _Known) -> None:
        """A word that the block loads from a known address."""
        memory = instruction.memory
        loaded = _bits(instruction.writes & ~instruction.base_writeback)
        word = instruction.kind is Kind.LOAD and memory is not None and memory.access_bytes == 4
        if not word or not loaded or instruction.conditional:
            return
        if target is not None and target.exact and self._is_memory(target.number):
            self._core[loaded[-1]] = _Value(self._cpu.word(target.number))


def _bits(mask: int) -> list[int]:
    return [n for n in range(mask.bit_length()) if mask >> n & 1]
