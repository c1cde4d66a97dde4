# SPDX-License-Identifier: Apache-2.0
"""Basic blocks: their instructions, what they cost from an entry state, and what only the registers can tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ascmcu.m4 import timing
from ascmcu.m4.instruction import MEMORY, SP, Instruction, Kind
from ascmcu.m4.timing import State, Step

WORD_MASK = 0xFFFFFFFF


@dataclass(frozen=True)
class Form:
    """An address or value as ``register a + (register b << shift) + constant`` at the block's entry; -1: absent."""

    a: int
    b: int
    shift: int
    constant: int

    def plus(self, value: int) -> Form:
        """The form with a constant added."""
        return Form(self.a, self.b, self.shift, (self.constant + value) & WORD_MASK)


@dataclass(frozen=True)
class Access:
    """A load or store whose address follows from the registers at the block's entry."""

    instruction: Instruction
    form: Form
    leads_group: bool


@dataclass(frozen=True, eq=False)
class Block:
    """A straight line of code, entered in one pipeline state.

    ``steps`` holds one ``Step`` per instruction, all executed and the last one not branching away.
    ``accesses`` are the loads and stores that ``Form`` describes, ``opaque`` those whose address the block itself
    loads, takes from the FPU or computes otherwise (``targets.py``). ``conditional_cycles`` are, by address, what
    instructions under a condition add when they execute.
    """

    address: int
    size_bytes: int
    entry: State
    instructions: tuple[Instruction, ...]
    steps: tuple[Step, ...]
    accesses: tuple[Access, ...]
    opaque: tuple[Instruction, ...]
    conditional_cycles: tuple[tuple[int, int], ...] = ()

    @property
    def end(self) -> int:
        """The address behind the block."""
        return self.address + self.size_bytes

    def leave(self, target: int) -> tuple[int, State]:
        """The block's cycles and the state at ``target``, the address that was executed next."""
        if not self.instructions:
            return 0, timing.REFILLED
        last, final = self.instructions[-1], self.steps[-1]
        before = sum(s.cycles for s in self.steps[:-1])
        if target == self.end and (not last.branches or _may_fall_through(last)):
            if last.branches and last.kind is not Kind.BRANCH:
                entry = self.steps[-2].state if len(self.steps) > 1 else self.entry
                final = timing.skipped(entry, last)
            return before + final.cycles, final.state
        if not last.branches:
            return before + final.cycles, timing.REFILLED
        entry = self.steps[-2].state if len(self.steps) > 1 else self.entry
        cycles, state = timing.leave(entry, last, target)
        return before + cycles, state

    def cycles_before(self, address: int) -> int:
        """Static cycles between the block's entry and the start of the instruction at ``address``."""
        pairs = zip(self.instructions, self.steps, strict=True)
        return sum(s.cycles for i, s in pairs if i.address < address)

    def sampled_at(self, address: int) -> int:
        """Static cycles from the block's entry to the moment at which the access at ``address`` takes effect.

        That is its last cycle: two loads in a row then see a counter one apart, as in the hardware.
        """
        inside = 0
        for instruction, one in zip(self.instructions, self.steps, strict=True):
            if instruction.address >= address:
                return inside + max(one.cycles, 1) - 1
            inside += one.cycles
        return inside

    def instructions_before(self, address: int) -> int:
        """Instructions of the block that stand before ``address``."""
        return sum(i.address < address for i in self.instructions)


def _may_fall_through(last: Instruction) -> bool:
    return last.conditional or last.text.startswith(("cbz", "cbnz"))


def analyse(
    address: int,
    size_bytes: int,
    instructions: tuple[Instruction, ...],
    entry: State,
    constant_at: Callable[[int], int | None],
) -> Block:
    """Cost a block from an entry state.

    Args:
        address: where it starts.
        size_bytes: its length as translated; the decoded instructions may fall short of it at an undefined one.
        instructions: its code.
        entry: the pipeline state in which it is entered.
        constant_at: the word at an address that cannot change (flash), else None; follows literal loads.
    """
    steps: list[Step] = []
    conditional: list[tuple[int, int]] = []
    state = entry
    for instruction in instructions:
        one = timing.step(state, instruction)
        state = one.state
        if pays_when_executed(instruction, one):
            conditional.append((instruction.address, one.cycles - 1))
            one = replace(one, cycles=1)
        steps.append(one)
    accesses, opaque = _follow(instructions, steps, constant_at)
    return Block(address, size_bytes, entry, instructions, tuple(steps), accesses, opaque, tuple(conditional))


def pays_when_executed(instruction: Instruction, one: Step) -> bool:
    """Whether the cycles beyond the first depend on the condition: conditional loads, divides and the like.

    A block counts one cycle for them; the rest is added when they are seen to execute.
    """
    return instruction.conditional and not instruction.branches and one.cycles > 1


def _follow(
    instructions: tuple[Instruction, ...], steps: list[Step], constant_at: Callable[[int], int | None]
) -> tuple[tuple[Access, ...], tuple[Instruction, ...]]:
    """Follow register arithmetic through the block, as far as it is sums of entry values and constants."""
    values: dict[int, Form | None] = {n: Form(n, -1, 0, 0) for n in range(15)}
    accesses: list[Access] = []
    opaque: list[Instruction] = []
    for instruction, one in zip(instructions, steps, strict=True):
        form = None
        if instruction.kind in MEMORY:
            form = _address_form(instruction, values)
            if form is None:
                opaque.append(instruction)
            else:
                accesses.append(Access(instruction, form, one.leads_group))
        _update(instruction, form, values, constant_at)
    return tuple(accesses), tuple(opaque)


def _address_form(instruction: Instruction, values: dict[int, Form | None]) -> Form | None:
    memory = instruction.memory
    if memory is None:
        return None
    if memory.base == 15:
        return Form(-1, -1, 0, ((instruction.address + 4) & ~3) + memory.offset) if memory.index < 0 else None
    base = values[memory.base]
    if base is None or memory.index < 0:
        return None if base is None else base.plus(memory.offset)
    return _sum(base, values[memory.index], memory.shift)


def _sum(first: Form, second: Form | None, shift: int) -> Form | None:
    """``first + (second << shift)`` when it still is a form."""
    if second is None:
        return None
    if second.a < 0:
        return first.plus(second.constant << shift)
    if second.b >= 0 or first.b >= 0:
        return None
    return Form(first.a, second.a, shift, (first.constant + (second.constant << shift)) & WORD_MASK)


def _update(
    instruction: Instruction,
    form: Form | None,
    values: dict[int, Form | None],
    constant_at: Callable[[int], int | None],
) -> None:
    """What the registers hold behind the instruction."""
    new = None if instruction.conditional else _moved(instruction, values)
    written = instruction.writes | instruction.base_writeback
    for register in range(15):
        if written >> register & 1:
            values[register] = None
    if instruction.conditional:
        return
    if new is not None and instruction.moves is not None:
        values[instruction.moves[1]] = new
    if instruction.kind is Kind.LOAD and form is not None and form.a < 0 and not instruction.base_writeback:
        constant = constant_at(form.constant)
        loaded = instruction.writes.bit_length() - 1
        if constant is not None and instruction.memory is not None and instruction.memory.access_bytes == 4:
            values[loaded] = Form(-1, -1, 0, constant)


def _moved(instruction: Instruction, values: dict[int, Form | None]) -> Form | None:
    if instruction.moves is None:
        return None
    operation, dest, source, amount, shift = instruction.moves
    if operation == "constant":
        return Form(-1, -1, 0, amount & WORD_MASK)
    if operation == "top":
        low = values.get(dest)
        if low is None or low.a >= 0:
            return None
        return Form(-1, -1, 0, (low.constant & 0xFFFF) | amount << 16)
    first = values.get(source)
    if first is None:
        return None
    if operation == "add":
        return first.plus(amount)
    if operation == "sum":
        return _sum(first, values.get(amount), shift)
    if operation == "shift" and first.a < 0:
        return Form(-1, -1, 0, (first.constant << amount) & WORD_MASK)
    return None


def stack_drop_bytes(block: Block) -> int:
    """How far below its entry value the block takes the stack pointer; 0 when it does not."""
    depth = lowest = 0
    for instruction in block.instructions:
        moves = instruction.moves
        if (
            moves is not None
            and moves[0] == "add"
            and moves[1] == moves[2] == SP
            and not instruction.conditional
        ):
            depth += moves[3]
            lowest = min(lowest, depth)
    return -lowest
