# SPDX-License-Identifier: Apache-2.0
"""The automaton of ``hook.py``, filled in as blocks are first seen: nodes, edges, and instructions that are watched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.errors import InputError
from ascmcu.m4.costs import unaligned_cycles
from ascmcu.m4.fetch import at_target
from ascmcu.m4.instruction import LOADS, MEMORY, PC, SP, Address, Instruction, Kind
from ascmcu.m4.timing import BUFFERED, REFILLED, State, is_literal
from ascmcu.sim import hook
from ascmcu.sim import words as w
from ascmcu.sim.blocks import Access, Block, Form, analyse, stack_drop_bytes
from ascmcu.sim.cpu import CORE, Cpu, const
from ascmcu.sim.decode import decode
from ascmcu.sim.layout import FlashTiming
from ascmcu.sim.targets import Targets

# Kind, base, index, shift, constant, weight, address of the instruction: the fields of a record.
_Record = tuple[int, int, int, int, int, int, int]
_Seen = tuple[Instruction, int]  # an access and where it went when it was first executed
FLUSHED = 0xFFFFFFFF  # the "address" to which a block is left when an exception comes behind it
ROOT = 0  # the node that stands for "the pipeline was flushed", with no block of its own
# Fibonacci hashing, as in the native half.
_GOLDEN, _WORD = 0x9E3779B97F4A7C15, 0xFFFFFFFFFFFFFFFF


@dataclass(frozen=True)
class Edge:
    """How often a node was left for an address, and what that cost each time."""

    node: int
    target: int
    index: int
    cycles: int


class Automaton:
    """What the hook follows, in the array that it shares.

    Args:
        cpu: memory mapped and loaded.
        words: the array.
        constant: address ranges whose contents cannot change, as (start, end).
        mmio: address ranges that are not memory; accesses to them are made visible.
        slow_bank: RAM whose first access of a back-to-back group waits a cycle, as (start, end).
        flash: its wait states and caches; None for zero wait states.
    """

    def __init__(
        self,
        cpu: Cpu,
        words: np.ndarray,
        constant: tuple[tuple[int, int], ...],
        mmio: tuple[tuple[int, int], ...],
        slow_bank: tuple[int, int],
        flash: FlashTiming | None,
    ) -> None:
        self.cpu = cpu
        self.words = words
        self.nodes: list[Block] = []
        self.edges: list[Edge] = []
        self.functions: frozenset[int] = frozenset()  # where functions start, if calls are followed
        self.kept: dict[
            tuple[int, int, State], Block
        ] = {}  # of code that cannot change, this run's or an earlier one's
        self.found_new = False  # whether this run has added to them
        self._by_key: dict[tuple[int, int, State], int] = {}
        self._decoded: dict[tuple[int, int], tuple[Instruction, ...]] = {}
        self._constant = constant
        self._regions = cpu.regions()
        self._mmio = mmio
        self._access_used = 1
        self._sites = 0
        self._ahead: dict[tuple[Block, int], tuple[Access, ...]] = {}
        self._slow_start, self._slow_end = slow_bank
        self._flash = flash
        spans = words[w.BANK_SPANS : w.BANK_SPANS + 2 * int(words[w.BANK_COUNT]) : 2]
        self._switches = sum(start >= w.SYSTEM_START for start in spans) > 1
        self.add_node(Block(0, 0, REFILLED, (), (), (), ()))

    def edge(self, node: int, target: int, size: int = 0) -> Edge:
        """The edge from a node to an address, made if it is not there or led to a block of another size."""
        m = self.words
        key = (node + 1) << 32 | target
        slot = _edge_slot(m, key)
        if m[w.TABLE_KEY + slot] == key and target == FLUSHED:
            return self.edges[int(m[w.TABLE_EDGE + slot])]
        if target == FLUSHED:
            cycles, following = sum(s.cycles for s in self.nodes[node].steps), ROOT
        else:
            cycles, state = self.nodes[node].leave(target)
            following = self._node(target, size, state)
        index = len(self.edges)
        if index >= w.EDGES or index >= w.TABLE // 2:
            raise InputError(
                "the program has more control flow than the simulator's tables hold", found=index
            )
        edge = Edge(node, target, index, cycles)
        self.edges.append(edge)
        m[w.EDGE_COST + index] = cycles
        m[w.EDGE_NEXT + index] = following
        m[w.EDGE_KIND + index] = self._edge_kind(self.nodes[node], target)
        m[w.TABLE_KEY + slot] = key
        m[w.TABLE_EDGE + slot] = index
        return edge

    def _edge_kind(self, block: Block, target: int) -> int:
        """Whether the edge is a call, a return or a jump, for profiles."""
        if not block.instructions or target == block.end:
            return w.KIND_JUMP
        last = block.instructions[-1]
        if not last.branches:
            return w.KIND_JUMP
        if last.writes >> 14 & 1 and last.kind in (Kind.BRANCH, Kind.BRANCH_REGISTER):
            return w.KIND_CALL
        if last.kind in (Kind.LOAD, Kind.LOAD_MULTIPLE) or last.text.split()[-1] == "lr":
            return w.KIND_RETURN
        if target in self.functions and not block.address <= target < block.end:
            return w.KIND_TAIL_CALL
        return w.KIND_JUMP

    def _node(self, address: int, size: int, entry: State) -> int:
        key = (address, size, entry)
        if key not in self._by_key:
            block = self._block(key)
            opaque = self._evaluate_opaque(block) if block.opaque else []
            self._by_key[key] = self.add_node(block, opaque)
            self._watch(block, opaque)
        return self._by_key[key]

    def _block(self, key: tuple[int, int, State]) -> Block:
        address, size, entry = key
        if key in self.kept:
            return self.kept[key]
        block = analyse(address, size, self._code(address, size), entry, self._constant_word)
        if any(start <= address and address + size <= end for start, end in self._constant):
            self.kept[key] = block
            self.found_new = True
        return block

    def _code(self, address: int, size: int) -> tuple[Instruction, ...]:
        if (address, size) not in self._decoded:
            self._decoded[address, size] = decode(self.cpu.load(address, size), address)
        return self._decoded[address, size]

    def _opaque_leaders(self, block: Block, opaque: Sequence[_Seen]) -> int:
        """How many accesses through pointers loaded in the block start a group in the slow bank."""
        leaders = {i.address for i, s in zip(block.instructions, block.steps, strict=True) if s.leads_group}
        return sum(i.address in leaders and self._is_slow(target) for i, target in opaque)

    def add_node(self, block: Block, opaque: Sequence[_Seen] = ()) -> int:
        """A node for a block; ``opaque``: where accesses through pointers that it loads itself went the first time."""
        m = self.words
        node = len(self.nodes)
        if node >= w.NODES:
            raise InputError("the program has more basic blocks than the simulator's tables hold", found=node)
        self.nodes.append(block)
        m[w.NODE_ADDRESS + node] = block.address
        m[w.NODE_SIZE + node] = block.size_bytes
        m[w.NODE_INSTRUCTIONS + node] = len(block.instructions)
        m[w.NODE_COST + node] = sum(s.cycles for s in block.steps)
        m[w.NODE_ACCESS + node] = self._access_program(block, opaque)
        return node

    def _access_program(self, block: Block, opaque: Sequence[_Seen]) -> int:
        """Write the block's records for ``hook._accesses``; 0 when nothing depends on registers."""
        records = self._records(block, opaque)
        waits = self._opaque_leaders(block, opaque)
        if waits:
            records.append((w.RECORD_ALWAYS, -1, -1, 0, 0, waits, 0))
        if not records:
            return 0
        registers = sorted({r for _, a, b, *_ in records for r in (a, b) if r >= 0})
        slots = {register: slot for slot, register in enumerate(registers)}
        program = [len(registers), len(records)]
        for register in registers:
            program += [register, 0]
        for kind, a, b, shift, constant, weight, address in records:
            program += [kind, slots.get(a, -1), slots.get(b, -1), shift, constant, weight, address, 0]
        start = self._access_used
        if start + len(program) > w.WORDS:
            raise InputError(
                "the program has more loads and stores than the simulator's tables hold", found=start
            )
        self.words[w.ACCESS + start : w.ACCESS + start + len(program)] = program
        self._access_used += len(program)
        return start

    def _records(self, block: Block, opaque: Sequence[_Seen]) -> list[_Record]:
        counts: dict[tuple[int, int, int, int, int], int] = {}
        for access in block.accesses:
            form, instruction = access.form, access.instruction
            if form.a < 0 or instruction.conditional:
                continue
            kind = _record_kind(instruction, form)
            if kind is not None:
                key = (kind, form.a, form.b, form.shift, form.constant & 3)
                counts[key] = counts.get(key, 0) + 1
            if self._has_slow and access.leads_group:
                key = (w.RECORD_BANK, form.a, form.b, form.shift, form.constant)
                counts[key] = counts.get(key, 0) + 1
        if any(i.fp_reads or i.fp_writes for i in block.instructions):
            counts[w.RECORD_FP, -1, -1, 0, 0] = 1
        if _idles(block):
            counts[w.RECORD_IDLE, -1, -1, 0, 0] = 1
        drop = stack_drop_bytes(block)
        if drop and self.words[w.STACK_LIMIT]:
            counts[w.RECORD_STACK, 13, -1, 0, -drop & 0xFFFFFFFF] = 1
        records = [(*key, weight, 0) for key, weight in counts.items()]
        if self._flash is not None:
            records += self._flash_records(block)
        return records + _chain(block, opaque, switches=self._switches)[0]

    def _flash_records(self, block: Block) -> list[_Record]:
        """What the block wants from the flash, by time: its own code, and loads that may be from there."""
        start, end = self._constant[0]
        bits = int(self.words[w.READ_BITS])
        forms = {a.instruction.address: a.form for a in block.accesses if a.instruction.kind in LOADS}
        asked = _asked(block, bits)
        timed: list[tuple[int, _Record]] = []
        seen = -1
        for instruction, begins in zip(block.instructions, _begins(block), strict=True):
            last = instruction.address + instruction.size_bytes - 2
            for read in (instruction.address >> bits, last >> bits):
                if read != seen and start <= read << bits < end:
                    seen = read
                    when = asked.get(read, begins)
                    words = ((read + 1 << bits) - max(read << bits, block.address & ~3)) // 4
                    timed.append((when, (w.RECORD_ASK, -1, -1, words, read, when, instruction.address)))
                    timed.append((begins, (w.RECORD_AWAIT, -1, -1, 0, read, begins, instruction.address)))
            form = forms.get(instruction.address)
            if form is None or form.a == SP or instruction.conditional:
                continue
            for word in range(instruction.registers if instruction.kind is Kind.LOAD_MULTIPLE else 1):
                load = _access(w.RECORD_DATA, instruction, form.plus(4 * word), begins + word)
                timed.append((begins + word, load))
        return [record for _, record in sorted(timed, key=lambda entry: entry[0])]

    def _constant_word(self, address: int) -> int | None:
        for start, end in self._constant:
            if start <= address and address + 4 <= end:
                return self.cpu.word(address)
        return None

    def _watch(self, block: Block, opaque: Sequence[_Seen]) -> None:
        """Put sites on divides, on conditional accesses, and on accesses that reach beyond memory."""
        for address, cycles in block.conditional_cycles:
            self.site_at(address, w.SITE_CONDITIONAL, {w.SITE_MORE: cycles})
        for instruction in block.instructions:
            if instruction.kind is Kind.DIVIDE:
                self._divide_site(instruction)
            elif instruction.text.startswith("wfi"):
                self.site_at(instruction.address, w.SITE_WAIT, {})
        for access in block.accesses:
            if self._beyond_memory(self.value(access.form)):
                self.site_at(access.instruction.address, 0, {})
            elif access.instruction.conditional and access.form.a >= 0:
                self._align_site(access.instruction)
                self._flash_site(access.instruction, self.value(access.form))
        for instruction, target in opaque:
            memory = instruction.memory
            if self._beyond_memory(target):
                self.site_at(instruction.address, 0, {})
                continue
            if memory is not None and target % min(memory.access_bytes, 4):
                self._align_site(instruction)
            self._flash_site(instruction, target)
        watched = _chain(block, opaque, switches=self._switches)[1]
        if self._switches or any(fields[w.SITE_OVERLAPS] for _, fields in watched):
            for instruction, fields in watched:
                self.site_at(instruction.address, w.SITE_MEMORY, fields)

    def _evaluate_opaque(self, block: Block) -> list[_Seen]:
        """Where accesses through pointers that the block makes itself go the first time.

        This is the one place where the first execution speaks for all: those that are aligned now are taken
        to stay aligned, and to stay in the same memory.
        """
        followed = Targets(self.cpu, lambda address: not self._beyond_memory(address))
        found: list[_Seen] = []
        for instruction in block.instructions:
            target = followed.step(instruction)
            if target is not None and instruction in block.opaque:
                found.append((instruction, target))
        return found

    def value(self, form: Form) -> int:
        value = form.constant
        if form.a >= 0:
            value += self.cpu.read(CORE[form.a])
        if form.b >= 0:
            value += self.cpu.read(CORE[form.b]) << form.shift
        return value & 0xFFFFFFFF

    def _beyond_memory(self, address: int) -> bool:
        return any(start <= address < end for start, end in self._mmio) or not self._mapped(address)

    def _mapped(self, address: int) -> bool:
        return any(begin <= address and address + 3 <= end for begin, end in self._regions)

    def _divide_site(self, instruction: Instruction) -> None:
        dividend, divisor = _divide_operands(instruction)
        signed = int(instruction.text.startswith("s"))
        fields = {w.SITE_DIVIDEND: dividend, w.SITE_DIVISOR: divisor, w.SITE_SIGNED: signed}
        self.site_at(instruction.address, w.SITE_DIVIDE, fields)

    def _align_site(self, instruction: Instruction) -> None:
        memory = instruction.memory
        if memory is not None and memory.access_bytes != 1 and memory.base != PC:
            self.site_at(instruction.address, w.SITE_ALIGN, _site_fields(memory))

    def _flash_site(self, instruction: Instruction, target: int) -> None:
        """Watch a load that reads the flash now: that it is under a condition, or its pointer came from memory."""
        memory = instruction.memory
        if self._flash is None or memory is None or memory.base == PC or instruction.kind not in LOADS:
            return
        if self._constant[0][0] <= target < self._constant[0][1]:
            self.site_at(instruction.address, w.SITE_FLASH, _site_fields(memory))

    def site_at(self, address: int, kinds: int, fields: dict[int, int]) -> None:
        m = self.words
        slot = _site_slot(m, address)
        new = m[w.SITE_KEY + slot] == 0
        base = w.SITE_WORDS + slot * w.SITE_FIELDS
        m[base + w.SITE_KINDS] |= kinds
        for field, value in fields.items():
            m[base + field] = value
        if new:
            if self._sites >= w.SITES // 2:
                raise InputError(
                    "the program has more data-dependent instructions than the simulator's tables hold"
                )
            self._sites += 1
            m[w.SITE_KEY + slot] = address
            self.cpu.hook_native(const.UC_HOOK_CODE, hook.site_hook.address, m.ctypes.data, address, address)
            self.cpu.forget_translation(address & ~0x3FF, (address | 0x3FF) + 1)

    def site_cycles(self, address: int) -> int:
        """The data-dependent cycles of the instruction at an address, summed over the run."""
        slot = _site_slot(self.words, address)
        return int(self.words[w.SITE_WORDS + slot * w.SITE_FIELDS + w.SITE_EXTRA])

    def charged_ahead(self, block: Block, address: int, register: Callable[[int], int]) -> int:
        """Cycles charged at the block's entry for unaligned and waiting accesses that come at or behind ``address``.

        ``register`` gives a register's value as at ``address``; accesses through registers that the block
        changed up to there are taken as aligned.
        """
        key = (block, address)
        if key not in self._ahead:
            self._ahead[key] = self._accesses_behind(block, address)
        total = 0
        for access in self._ahead[key]:
            form = access.form
            target = form.constant + register(form.a)
            target += register(form.b) << form.shift if form.b >= 0 else 0
            total += self._entry_extra(access, target & 0xFFFFFFFF)
        return total

    def _accesses_behind(self, block: Block, address: int) -> tuple[Access, ...]:
        changed = 0
        for instruction in block.instructions:
            if instruction.address < address:
                changed |= instruction.writes | instruction.base_writeback
        found = []
        for access in block.accesses:
            form, instruction = access.form, access.instruction
            used = (1 << form.a if form.a >= 0 else 0) | (1 << form.b if form.b >= 0 else 0)
            if instruction.address < address or form.a < 0 or used & changed or instruction.conditional:
                continue
            if _record_kind(instruction, form) is not None or (self._has_slow and access.leads_group):
                found.append(access)
        return tuple(found)

    def _entry_extra(self, access: Access, target: int) -> int:
        """What ``hook._accesses`` charged for one access."""
        memory = access.instruction.memory
        watched = memory is not None and _record_kind(access.instruction, access.form) is not None
        extra = unaligned_cycles(target, memory.access_bytes) if memory is not None and watched else 0
        return extra + (access.leads_group and self._is_slow(target))

    @property
    def _has_slow(self) -> bool:
        return self._slow_start < self._slow_end

    def _is_slow(self, address: int) -> bool:
        return self._slow_start <= address < self._slow_end


def _access(kind: int, instruction: Instruction, form: Form, weight: int = 1) -> _Record:
    return kind, form.a, form.b, form.shift, form.constant, weight, instruction.address


def _chain(
    block: Block, opaque: Sequence[_Seen], *, switches: bool
) -> tuple[list[_Record], list[tuple[Instruction, dict[int, int]]]]:
    """The accesses that overlap the one before, if both are to one memory; those through one pointer are.

    From the first access under a condition on, which memory was used last shows only as they execute: these are watched
    one by one, each with its site's fields.

    ``switches``: several memories lie behind the system bus, and an access by itself may go from one to another. A
    store passes its wait in the write buffer.
    """
    forms = {a.instruction.address: a.form for a in block.accesses}
    forms |= {i.address: Form(-1, -1, 0, target) for i, target in opaque}
    records: list[_Record] = []
    watched: list[tuple[Instruction, dict[int, int]]] = []
    previous: tuple[Instruction, Form] | None = None
    last: tuple[int, int] | None = None  # the pointer of the last access
    behind = -1  # where the last access under a condition is
    for instruction, step in zip(block.instructions, block.steps, strict=True):
        form = forms.get(instruction.address)
        memory = instruction.memory if instruction.kind in MEMORY else None
        waits = int(instruction.kind not in BUFFERED)
        if memory is not None and memory.base != PC and (instruction.conditional or behind >= 0):
            if behind < 0 and step.chained and previous is not None:
                records.append(_access(w.RECORD_FIRST, *previous))
            behind = instruction.address if instruction.conditional else behind
            leads = int(step.leads_group and instruction.conditional)
            fields = {w.SITE_OVERLAPS: int(step.chained), w.SITE_WAITS: waits, w.SITE_LEADS: leads}
            watched.append((instruction, {**_site_fields(memory), w.SITE_BEHIND: behind, **fields}))
            continue
        if form is None or is_literal(instruction):
            previous = None
            continue
        moved = (form.a, form.b) != last or form.a < 0
        if step.chained and previous is not None:
            if moved:
                if not records or records[-1][-1] != previous[0].address:
                    records.append(_access(w.RECORD_FIRST, *previous))
                records.append(_access(w.RECORD_CHAINED, instruction, form))
        elif moved and switches:
            records.append(_access(w.RECORD_SWITCH, instruction, form, waits))
        previous, last = (instruction, form), (form.a, form.b)
    return records, watched


def _site_fields(memory: Address) -> dict[int, int]:
    return {
        w.SITE_BASE: memory.base,
        w.SITE_INDEX: memory.index,
        w.SITE_SHIFT: memory.shift,
        w.SITE_OFFSET: memory.offset,
        w.SITE_BYTES: memory.access_bytes,
    }


def _begins(block: Block) -> list[int]:
    """When each instruction starts to execute, in cycles from the block's entry, in a flash without wait states."""
    entry = block.entry.fetch or at_target(block.address)
    now = -entry.busy
    begins = []
    for step in block.steps:
        now += step.arrival.cycle if step.arrival is not None else 0
        begins.append(now)
    return begins


def _asked(block: Block, bits: int) -> dict[int, int]:
    """When the first word of each read of ``1 << bits`` bytes is asked for, in cycles from the block's entry.

    Of the words that were on their way before, the last was asked for in the cycle before the entry's instruction
    started if it has not come yet, else one before that; the others in the cycles before it.
    """
    entry = block.entry.fetch or at_target(block.address)
    before = -entry.busy
    ends = block.address + 2 * entry.held
    cycle = before - (1 if entry.coming else 2)
    asked: dict[int, int] = {}
    for word in range((ends - 1) & ~3, (block.address & ~3) - 1, -4):
        asked[word >> bits] = cycle
        cycle -= 1
    for instruction, begins, step in zip(block.instructions, _begins(block), block.steps, strict=True):
        if step.arrival is None:
            continue
        word = instruction.address + 2 * step.arrival.ahead_halfwords
        for inside in step.arrival.asked:
            asked.setdefault(word >> bits, begins - step.arrival.cycle + inside)
            word += 4
    return asked


def _idles(block: Block) -> bool:
    """Whether the block is a branch to itself and nothing else."""
    if len(block.instructions) != 1 or block.instructions[0].kind is not Kind.BRANCH:
        return False
    parts = block.instructions[0].text.split()
    return parts[0] in ("b", "b.n", "b.w") and parts[-1] == f"#{block.address:#x}"


def _record_kind(instruction: Instruction, form: Form) -> int | None:
    """Which alignment the access needs watched; the stack pointer is always a multiple of four."""
    memory = instruction.memory
    if memory is None or instruction.kind.name.endswith("MULTIPLE"):
        return None
    if form.a == 13 and form.b < 0 and form.constant % 4 == 0:
        return None
    return {4: w.RECORD_WORD, 2: w.RECORD_HALF}.get(memory.access_bytes)


def _divide_operands(instruction: Instruction) -> tuple[int, int]:
    """Dividend's and divisor's register numbers of ``sdiv rd, rn, rm``."""
    names = [name.strip() for name in instruction.text.split(" ", 1)[1].split(",")]
    special = {"sb": 9, "sl": 10, "fp": 11, "ip": 12, "sp": 13, "lr": 14}
    numbers = [special[n] if n in special else int(n[1:]) for n in names]
    return (numbers[-2], numbers[-1])


def _edge_slot(m: np.ndarray, key: int) -> int:
    """Where an edge's key is or belongs in the table."""
    slot = ((key * _GOLDEN) & _WORD) >> (64 - w.TABLE_BITS)
    while m[w.TABLE_KEY + slot] not in (0, key):
        slot = (slot + 1) & (w.TABLE - 1)
    return slot


def _site_slot(m: np.ndarray, address: int) -> int:
    """Where a site is or belongs in the table."""
    slot = ((address * _GOLDEN) & _WORD) >> (64 - w.SITE_BITS)
    while m[w.SITE_KEY + slot] not in (0, address):
        slot = (slot + 1) & ((1 << w.SITE_BITS) - 1)
    return slot
