"""Unicorn with a running cycle count: the automaton of ``hook.py``, filled in as blocks are first seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.errors import InputError
from ascmcu.m4.instruction import LOADS, Instruction, Kind
from ascmcu.m4.timing import (
    EXCEPTION_ENTRY_CYCLES,
    EXCEPTION_EXIT_CYCLES,
    EXCEPTION_FP_CYCLES,
    REFILLED,
    TAIL_CHAIN_CYCLES,
    State,
)
from ascmcu.sim import hook
from ascmcu.sim.blocks import Access, Block, Form, analyse, stack_drop_bytes
from ascmcu.sim.cpu import CORE, Cpu, const, entry_point, reg
from ascmcu.sim.decode import decode
from ascmcu.sim.layout import FlashTiming

# Kind, base, index, shift, constant, weight, address of the instruction: see hook.RECORD_FIELDS.
_Record = tuple[int, int, int, int, int, int, int]
FLUSHED = 0xFFFFFFFF  # the "address" to which a block is left when an exception comes behind it
ROOT = 0  # the node that stands for "the pipeline was flushed", with no block of its own
NEVER = hook.NEVER


@dataclass(frozen=True)
class Mark:
    """A counted moment: the cycle and instruction counts at which an address was first about to execute."""

    cycles: int
    instructions: int


@dataclass(frozen=True)
class Edge:
    """How often a node was left for an address, and what that cost each time."""

    node: int
    target: int
    index: int
    cycles: int


@dataclass(frozen=True)
class Context:
    """A function as called along one path: its caller's context, its address, its own cycles and calls."""

    parent: int
    function: int
    cycles: int
    calls: int


class Engine:
    """Runs code on a Unicorn instance and counts.

    Args:
        cpu: memory mapped and loaded.
        constant: address ranges whose contents cannot change, as (start, end).
        mmio: address ranges that are not memory; accesses to them are made visible to ``position``.
        slow_bank: RAM whose first access of a back-to-back group waits a cycle, as (start, end).
        stack_limit: the lowest address that the stack may reach, 0 for no check.
        flash: its wait states and caches; None for zero wait states.
    """

    def __init__(
        self,
        cpu: Cpu,
        constant: tuple[tuple[int, int], ...],
        mmio: tuple[tuple[int, int], ...],
        slow_bank: tuple[int, int] = (0, 0),
        stack_limit: int = 0,
        flash: FlashTiming | None = None,
    ) -> None:
        self.cpu = cpu
        self.words = np.zeros(hook.TOTAL, np.int64)
        self.nodes: list[Block] = []
        self.edges: list[Edge] = []
        self._by_key: dict[tuple[int, int, State], int] = {}
        self._decoded: dict[tuple[int, int], tuple[Instruction, ...]] = {}
        self._constant = constant
        self._regions = cpu.regions()
        self._mmio = mmio
        self._access_used = 1
        self._sites = 0
        self._handlers: dict[int, int] = {}
        self._ahead: dict[tuple[Block, int], tuple[Access, ...]] = {}
        self._flash = flash
        self._prepare(slow_bank, stack_limit)

    def _prepare(self, slow_bank: tuple[int, int], stack_limit: int) -> None:
        m = self.words
        m[hook.REG_READ] = entry_point("uc_reg_read")
        m[hook.REG_WRITE] = entry_point("uc_reg_write")
        m[hook.MEM_READ] = entry_point("uc_mem_read")
        m[hook.MEM_WRITE] = entry_point("uc_mem_write")
        m[hook.EMU_STOP] = entry_point("uc_emu_stop")
        m[hook.ENTRY_CYCLES] = EXCEPTION_ENTRY_CYCLES
        m[hook.EXIT_CYCLES] = EXCEPTION_EXIT_CYCLES
        m[hook.CHAIN_CYCLES] = TAIL_CHAIN_CYCLES
        m[hook.FP_CYCLES] = EXCEPTION_FP_CYCLES
        m[hook.NATIVE_PORT] = -1
        m[hook.SCRATCH] = m.ctypes.data + 8 * hook.SCRATCH_WORD
        m[hook.BANK_START], m[hook.BANK_END] = slow_bank
        m[hook.STACK_LIMIT] = stack_limit
        m[hook.DEADLINE] = NEVER
        m[hook.COUNTING] = 1
        self._slow_bank = slow_bank[1] > slow_bank[0]
        if self._flash is not None:
            m[hook.WAIT_STATES] = self._flash.wait_states
            m[hook.FLASH_START], m[hook.FLASH_END] = self._constant[0]
            m[hook.LINE_CURRENT] = m[hook.LINE_NEXT] = -1
            m[hook.PREFETCH] = int(self._flash.prefetch)
            m[hook.PREFETCHED_ENTER] = int(self._flash.prefetched_enter)
            m[hook.CACHES + 1] = self._flash.instruction_lines
            m[hook.CACHES + hook.CACHE_FIELDS + 1] = self._flash.data_lines
        self._add_node(Block(0, 0, REFILLED, (), (), (), ()))
        self._native_hook(const.UC_HOOK_BLOCK, hook.block_hook.address, 1, 0)
        self._native_hook(const.UC_HOOK_INTR, hook.trap_hook.address, 1, 0)

    def _native_hook(self, kind: int, callback: int, begin: int, end: int) -> None:
        self.cpu.hook_native(kind, callback, self.words.ctypes.data, begin, end)

    # What the counters say.

    @property
    def cycles(self) -> int:
        """Cycles up to the start of the current block."""
        return int(self.words[hook.CYCLES])

    @property
    def instructions(self) -> int:
        """Instructions of all blocks entered so far."""
        return int(self.words[hook.INSTRUCTIONS])

    @property
    def block(self) -> Block:
        """The block being executed, or executed last."""
        return self.nodes[int(self.words[hook.NODE])]

    def position(self, address: int = 0, store: bool = False) -> tuple[int, int]:
        """Cycle and address of the access to ``address`` that is going on in the current block."""
        block = self.block
        site = int(self.words[hook.SITE])
        if not block.address <= site < block.end:
            site = self._likely_access(block, address, store)
        inside = block.sampled_at(site)
        early = self._charged_ahead(block, site, self.register)
        if self._flash is not None:
            early += int(hook.stalls_behind(self.words, int(self.words[hook.NODE]), site))
        return self.cycles + inside - early, site

    def register(self, number: int) -> int:
        """R0 to R15."""
        return self.cpu.read(CORE[number])

    def _charged_ahead(self, block: Block, address: int, register: Callable[[int], int]) -> int:
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
            if _record_kind(instruction, form) is not None or (self._slow_bank and access.leads_group):
                found.append(access)
        return tuple(found)

    def _entry_extra(self, access: Access, target: int) -> int:
        """What ``hook._accesses`` charged for one access."""
        kind = _record_kind(access.instruction, access.form)
        extra = 0
        if kind == hook.RECORD_HALF:
            extra = target & 1
        elif kind == hook.RECORD_WORD:
            extra = (0, 2, 1, 2)[target & 3]
        start, end = (int(self.words[w]) for w in (hook.BANK_START, hook.BANK_END))
        return extra + (self._slow_bank and access.leads_group and start <= target < end)

    def _likely_access(self, block: Block, address: int, store: bool) -> int:
        """The first load or store of the block that the registers do not rule out; its address from now on known."""
        for access in block.accesses:
            if (access.instruction.kind.name.find("STORE") >= 0) == store and self._value(
                access.form
            ) == address:
                return access.instruction.address
        for instruction in block.opaque:
            if (instruction.kind.name.find("STORE") >= 0) == store:
                return instruction.address
        return block.address

    # Running.

    def run(self, address: int) -> int:
        """Run from ``address`` until something stops it; the reason, one of ``hook.REASON_*``.

        Raises:
            EmulatorError: the guest did what it must not: unmapped memory, undefined instruction.
        """
        m = self.words
        while True:
            m[hook.REASON] = hook.REASON_NONE
            self.cpu.start(address)
            if m[hook.REASON] != hook.REASON_UNKNOWN:
                return int(m[hook.REASON])
            self._resolve()
            address = self.cpu.read(reg.UC_ARM_REG_PC)

    def flush_pipeline(self, cycles: int = 0) -> None:
        """Continue with an empty pipeline (exception entry and return, reset), ``cycles`` later."""
        m = self.words
        node = int(m[hook.NODE])
        if m[hook.RESUME]:  # entered but not executed: it will be entered anew
            m[hook.INSTRUCTIONS] -= m[hook.NODE_INSTRUCTIONS + node]
        elif node != ROOT:  # executed, and no successor will charge it
            edge = self._edge(node, FLUSHED)
            m[hook.CYCLES] += edge.cycles
            m[hook.EDGE_COUNT + edge.index] += m[hook.COUNTING]
        m[hook.RESUME] = 0
        m[hook.SITE] = 0
        m[hook.NODE] = ROOT
        m[hook.CYCLES] += cycles

    def map_registers(self, start: int, end: int, read: int, write: int) -> None:
        """Make an address range one of registers; ``read`` and ``write`` are C functions of ``uc_mmio_map``'s kind."""
        m = self.words
        index = hook.REGION + 3 * self._register_regions
        self._register_regions += 1
        m[index], m[index + 1], m[index + 2] = start, index, read
        user = m.ctypes.data + 8 * index
        self.cpu.map_registers(start, end, hook.register_read.address, write, user)

    _register_regions = 0

    def set_shadows(self, registers: Sequence[tuple[int, int]]) -> None:
        """Registers, as (address, value), that read the same until the next event and may be read without Python."""
        m = self.words
        for position, (address, value) in enumerate(registers[: hook.SHADOW_SIZE]):
            m[hook.SHADOW + 2 * position] = address
            m[hook.SHADOW + 2 * position + 1] = value
        m[hook.SHADOW_COUNT] = min(len(registers), hook.SHADOW_SIZE)
        m[hook.SHADOW_HITS] = 0

    def wait_until(self, cycle: int) -> None:
        """Let time pass without executing, as in WFI."""
        self.words[hook.CYCLES] = max(int(self.words[hook.CYCLES]), cycle)

    # Filling the automaton.

    def _resolve(self) -> None:
        """Add the edges that the hook missed; walk those beyond the first, which were executed already."""
        m = self.words
        count = int(m[hook.LOG_COUNT])
        m[hook.LOG_COUNT] = 0
        for position in range(count):
            address, size = (int(v) for v in m[hook.LOG + 2 * position : hook.LOG + 2 * position + 2])
            node = int(m[hook.NODE])
            edge = self._edge(node, address, size)
            if position < count - 1:
                following = int(m[hook.EDGE_NEXT + edge.index])
                m[hook.CYCLES] += edge.cycles
                m[hook.EDGE_COUNT + edge.index] += m[hook.COUNTING]
                m[hook.INSTRUCTIONS] += m[hook.NODE_INSTRUCTIONS + following]
                m[hook.NODE] = following

    def _edge(self, node: int, target: int, size: int = 0) -> Edge:
        """The edge from a node to an address, made if it is not there or led to a block of another size."""
        m = self.words
        key = (node + 1) << 32 | target
        slot = hook.table_slot(m, key)
        if m[hook.TABLE_KEY + slot] == key and target == FLUSHED:
            return self.edges[int(m[hook.TABLE_EDGE + slot])]
        if target == FLUSHED:
            cycles, following = sum(s.cycles for s in self.nodes[node].steps), ROOT
        else:
            cycles, state = self.nodes[node].leave(target)
            following = self._node(target, size, state)
        index = len(self.edges)
        if index >= hook.EDGES or index >= hook.TABLE // 2:
            raise InputError(
                "the program has more control flow than the simulator's tables hold", found=index
            )
        edge = Edge(node, target, index, cycles)
        self.edges.append(edge)
        m[hook.EDGE_COST + index] = cycles
        m[hook.EDGE_NEXT + index] = following
        m[hook.EDGE_KIND + index] = self._edge_kind(self.nodes[node], target)
        m[hook.TABLE_KEY + slot] = key
        m[hook.TABLE_EDGE + slot] = index
        return edge

    def _edge_kind(self, block: Block, target: int) -> int:
        """Whether the edge is a call, a return or a jump, for profiles."""
        if not block.instructions or target == block.end:
            return hook.KIND_JUMP
        last = block.instructions[-1]
        if not last.branches:
            return hook.KIND_JUMP
        if last.writes >> 14 & 1 and last.kind in (Kind.BRANCH, Kind.BRANCH_REGISTER):
            return hook.KIND_CALL
        if last.kind in (Kind.LOAD, Kind.LOAD_MULTIPLE) or last.text.split()[-1] == "lr":
            return hook.KIND_RETURN
        if self._is_function(target) and not block.address <= target < block.end:
            return hook.KIND_TAIL_CALL
        return hook.KIND_JUMP

    def _is_function(self, address: int) -> bool:
        return address in self._functions

    def profile(self, functions: Iterable[int], *, windowed: bool = False) -> None:
        """Follow calls from now on; ``functions`` are the addresses at which functions start.

        ``windowed``: what is counted for profiles is what lies between the two marks.
        """
        m = self.words
        m[hook.WINDOWED] = int(windowed)
        m[hook.COUNTING] = int(not windowed)
        self._functions = frozenset(functions)
        m[hook.PROFILE] = 1
        m[hook.CONTEXT_COUNT] = max(1, int(m[hook.CONTEXT_COUNT]))
        m[hook.COUNTED] = m[hook.CYCLES]

    _functions: frozenset[int] = frozenset()

    def enter_context(self, function: int) -> tuple[int, int]:
        """An exception handler starts; what ``leave_context`` needs to go back."""
        m = self.words
        self._charge_context()
        back = int(m[hook.CONTEXT]), int(m[hook.DEPTH])
        if m[hook.PROFILE]:
            # A handler is nobody's callee: its context hangs on the root.
            known = self._handlers.get(function)
            if known is None:
                known = self._handlers[function] = int(m[hook.CONTEXT_COUNT])
                m[hook.CONTEXT_COUNT] += 1
                m[hook.CONTEXT_FUNCTION + known] = function
            m[hook.CONTEXT] = known
            m[hook.CONTEXT_CALLS + known] += m[hook.COUNTING]
        return back

    def leave_context(self, back: tuple[int, int]) -> None:
        """The handler has ended."""
        self._charge_context()
        self.words[hook.CONTEXT], self.words[hook.DEPTH] = back

    def _charge_context(self) -> None:
        m = self.words
        if m[hook.PROFILE]:
            spent = m[hook.CYCLES] - m[hook.COUNTED]
            m[hook.CONTEXT_CYCLES + int(m[hook.CONTEXT])] += m[hook.COUNTING] * spent
            m[hook.COUNTED] = m[hook.CYCLES]

    def contexts(self) -> list[Context]:
        """The calling contexts seen so far; the first is the root."""
        m = self.words
        self._charge_context()
        count = int(m[hook.CONTEXT_COUNT])
        return [
            Context(
                *(
                    int(m[base + n])
                    for base in (
                        hook.CONTEXT_PARENT,
                        hook.CONTEXT_FUNCTION,
                        hook.CONTEXT_CYCLES,
                        hook.CONTEXT_CALLS,
                    )
                )
            )
            for n in range(count)
        ]

    def _node(self, address: int, size: int, entry: State) -> int:
        key = (address, size, entry)
        if key not in self._by_key:
            code = self._code(address, size)
            block = analyse(address, size, code, entry, self._constant_word)
            opaque = self._evaluate_opaque(block) if block.opaque else ()
            self._by_key[key] = self._add_node(block, self._opaque_leaders(block, opaque))
            self._watch(block, opaque)
        return self._by_key[key]

    def _code(self, address: int, size: int) -> tuple[Instruction, ...]:
        if (address, size) not in self._decoded:
            self._decoded[address, size] = decode(self.cpu.load(address, size), address)
        return self._decoded[address, size]

    def _opaque_leaders(self, block: Block, opaque: Sequence[tuple[Instruction, int]]) -> int:
        """How many accesses through pointers loaded in the block start a group in the slow bank."""
        if not self._slow_bank:
            return 0
        start, end = (int(self.words[w]) for w in (hook.BANK_START, hook.BANK_END))
        leaders = {i.address for i, s in zip(block.instructions, block.steps, strict=True) if s.leads_group}
        return sum(i.address in leaders and start <= target < end for i, target in opaque)

    def _add_node(self, block: Block, waits: int = 0) -> int:
        m = self.words
        node = len(self.nodes)
        if node >= hook.NODES:
            raise InputError("the program has more basic blocks than the simulator's tables hold", found=node)
        self.nodes.append(block)
        m[hook.NODE_ADDRESS + node] = block.address
        m[hook.NODE_SIZE + node] = block.size_bytes
        m[hook.NODE_INSTRUCTIONS + node] = len(block.instructions)
        m[hook.NODE_COST + node] = sum(s.cycles for s in block.steps)
        m[hook.NODE_ACCESS + node] = self._access_program(block, waits)
        return node

    def _access_program(self, block: Block, waits: int) -> int:
        """Write the block's records for ``hook._accesses``; 0 when nothing depends on registers."""
        records = self._records(block)
        if waits:
            records.append((hook.RECORD_ALWAYS, 0, -1, 0, 0, waits, 0))
        if not records:
            return 0
        registers = sorted({r for _, a, b, *_ in records for r in (a, b) if r >= 0})
        slots = {register: slot for slot, register in enumerate(registers)}
        program = [len(registers), len(records)]
        for register in registers:
            program += [register, 0]
        for kind, a, b, shift, constant, weight, address in records:
            program += [kind, slots[a], slots[b] if b >= 0 else -1, shift, constant, weight, address, 0]
        start = self._access_used
        if start + len(program) > hook.WORDS:
            raise InputError(
                "the program has more loads and stores than the simulator's tables hold", found=start
            )
        self.words[hook.ACCESS + start : hook.ACCESS + start + len(program)] = program
        self._access_used += len(program)
        return start

    def _records(self, block: Block) -> list[_Record]:
        counts: dict[tuple[int, int, int, int, int], int] = {}
        for access in block.accesses:
            form, instruction = access.form, access.instruction
            if form.a < 0 or instruction.conditional:
                continue
            kind = _record_kind(instruction, form)
            if kind is not None:
                key = (kind, form.a, form.b, form.shift, form.constant & 3)
                counts[key] = counts.get(key, 0) + 1
            if self._slow_bank and access.leads_group:
                key = (hook.RECORD_BANK, form.a, form.b, form.shift, form.constant)
                counts[key] = counts.get(key, 0) + 1
        if any(i.fp_reads or i.fp_writes for i in block.instructions):
            counts[hook.RECORD_FP, 0, -1, 0, 0] = 1
        if _idles(block):
            counts[hook.RECORD_IDLE, 0, -1, 0, 0] = 1
        drop = stack_drop_bytes(block)
        if drop and self.words[hook.STACK_LIMIT]:
            counts[hook.RECORD_STACK, 13, -1, 0, -drop & 0xFFFFFFFF] = 1
        records = [(*key, weight, 0) for key, weight in counts.items()]
        return self._flash_records(block) + records if self._flash is not None else records

    def _flash_records(self, block: Block) -> list[_Record]:
        """The block's code lines, each once and in order, with the loads that may be from flash between them."""
        start, end = self._constant[0]
        forms = {a.instruction.address: a.form for a in block.accesses if a.instruction.kind in LOADS}
        records: list[_Record] = []
        seen = -1
        inside = 0
        for instruction, step in zip(block.instructions, block.steps, strict=True):
            for line in (instruction.address >> 4, (instruction.address + instruction.size_bytes - 1) >> 4):
                if line != seen and start <= line << 4 < end:
                    records.append((hook.RECORD_LINE, 0, -1, 0, line, inside, instruction.address))
                    seen = line
            form = forms.get(instruction.address)
            if form is not None and form.a < 0:
                records.append((hook.RECORD_LITERAL, 0, -1, 0, form.constant, 1, instruction.address))
            elif form is not None and form.a != 13 and not instruction.conditional:
                records.append(
                    (hook.RECORD_DATA, form.a, form.b, form.shift, form.constant, 1, instruction.address)
                )
            inside += step.cycles
        return records

    def _constant_word(self, address: int) -> int | None:
        for start, end in self._constant:
            if start <= address and address + 4 <= end:
                return self.cpu.word(address)
        return None

    # Instructions that are looked at one by one.

    def _watch(self, block: Block, opaque: Sequence[tuple[Instruction, int]]) -> None:
        """Put sites on divides, on conditional accesses, and on accesses that reach beyond memory."""
        for address, cycles in block.conditional_cycles().items():
            self._site_at(address, hook.SITE_CONDITIONAL, {6: cycles})
        for instruction in block.instructions:
            if instruction.kind is Kind.DIVIDE:
                self._divide_site(instruction)
            elif instruction.text.startswith("wfi"):
                self._site_at(instruction.address, hook.SITE_WAIT, {})
        for access in block.accesses:
            if self._beyond_memory(self._value(access.form)):
                self._site_at(access.instruction.address, 0, {})
            elif access.instruction.conditional and access.form.a >= 0:
                self._align_site(access.instruction)
        for instruction, target in opaque:
            memory = instruction.memory
            if self._beyond_memory(target):
                self._site_at(instruction.address, 0, {})
            elif memory is not None and target % min(memory.access_bytes, 4):
                self._align_site(instruction)

    def _evaluate_opaque(self, block: Block) -> list[tuple[Instruction, int]]:
        """Where accesses through pointers that the block itself loads go, with the memory as it is now.

        This is the one place where the first execution speaks for all: those that are aligned now are taken
        to stay aligned.
        """
        found: list[tuple[Instruction, int]] = []
        values: dict[int, int | None] = {n: self.cpu.read(CORE[n]) for n in range(15)}
        for instruction in block.instructions:
            target = None
            if instruction.memory is not None and instruction.kind is not Kind.TABLE_BRANCH:
                target = _concrete(instruction, values)
            if target is not None and instruction in block.opaque:
                found.append((instruction, target))
            self._advance(instruction, target, values)
        return found

    def _advance(self, instruction: Instruction, target: int | None, values: dict[int, int | None]) -> None:
        written = instruction.writes | instruction.base_writeback
        moved = _concrete_move(instruction, values)
        for register in range(15):
            if written >> register & 1:
                values[register] = None
        if moved is not None and instruction.moves is not None:
            values[instruction.moves[1]] = moved
        loads_word = (
            instruction.kind is Kind.LOAD and instruction.memory and instruction.memory.access_bytes == 4
        )
        if loads_word and target is not None and not self._beyond_memory(target):
            loaded = instruction.writes & ~instruction.base_writeback
            if loaded:
                values[loaded.bit_length() - 1] = self.cpu.word(target)

    def _value(self, form: Form) -> int:
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
        fields = {1: dividend, 2: divisor, 3: int(instruction.text.startswith("s"))}
        self._site_at(instruction.address, hook.SITE_DIVIDE, fields)

    def _align_site(self, instruction: Instruction) -> None:
        memory = instruction.memory
        if memory is None or memory.access_bytes == 1 or memory.base == 15:
            return
        fields = {1: memory.base, 2: memory.index, 3: memory.shift, 4: memory.offset, 5: memory.access_bytes}
        self._site_at(instruction.address, hook.SITE_ALIGN, fields)

    def site_cycles(self, address: int) -> int:
        """The data-dependent cycles of the instruction at an address, summed over the run."""
        slot = hook.site_slot(self.words, address)
        return int(self.words[hook.SITE_WORDS + slot * hook.SITE_FIELDS + 8])

    def mark(self, which: int, address: int) -> None:
        """Record when the instruction at ``address`` is first about to execute; mark 1 only counts after mark 0."""
        self._site_at(address, hook.SITE_MARK, {7: which})

    def mark_return(self) -> None:
        """Let mark 1 be where the function that starts at mark 0 returns to, on its first call."""
        self.words[hook.TO_RETURN] = 1

    def mark_twice(self) -> None:
        """Let mark 1 be where mark 0 is, the second time that it is reached."""
        self.words[hook.TWICE] = 1

    @property
    def both_marked(self) -> bool:
        """Whether both marks have been reached."""
        return int(self.words[hook.MARKS_SEEN]) & 3 == 3

    def marked(self, which: int) -> Mark | None:
        """What a mark recorded, None when its address was not reached."""
        m = self.words
        if not m[hook.MARKS_SEEN] >> which & 1:
            return None
        base = hook.MARK + hook.MARK_FIELDS * which
        cycles, instructions, node, address = (int(v) for v in m[base : base + 4])
        block = self.nodes[node]
        behind = len(block.instructions) - block.instructions_before(address)
        early = self._charged_ahead(block, address, lambda n: int(m[base + 4 + n])) + int(m[base + 19])
        return Mark(cycles + block.cycles_before(address) - early, instructions - behind)

    def _site_at(self, address: int, kinds: int, fields: dict[int, int]) -> None:
        m = self.words
        slot = hook.site_slot(m, address)
        new = m[hook.SITE_KEY + slot] == 0
        base = hook.SITE_WORDS + slot * hook.SITE_FIELDS
        m[base] |= kinds
        for field, value in fields.items():
            m[base + field] = value
        if new:
            if self._sites >= hook.SITES // 2:
                raise InputError(
                    "the program has more data-dependent instructions than the simulator's tables hold"
                )
            self._sites += 1
            m[hook.SITE_KEY + slot] = address
            self._native_hook(const.UC_HOOK_CODE, hook.site_hook.address, address, address)
            self.cpu.forget_translation(address & ~0x3FF, (address | 0x3FF) + 1)


def _idles(block: Block) -> bool:
    """Whether the block is a branch to itself and nothing else."""
    if len(block.instructions) != 1 or block.instructions[0].kind is not Kind.BRANCH:
        return False
    words = block.instructions[0].text.split()
    return words[0] in ("b", "b.n", "b.w") and words[-1] == f"#{block.address:#x}"


def _record_kind(instruction: Instruction, form: Form) -> int | None:
    """Which alignment the access needs watched; the stack pointer is always a multiple of four."""
    memory = instruction.memory
    if memory is None or instruction.kind.name.endswith("MULTIPLE"):
        return None
    if form.a == 13 and form.b < 0 and form.constant % 4 == 0:
        return None
    return {4: hook.RECORD_WORD, 2: hook.RECORD_HALF}.get(memory.access_bytes)


def _divide_operands(instruction: Instruction) -> tuple[int, int]:
    """Dividend's and divisor's register numbers of ``sdiv rd, rn, rm``."""
    names = [name.strip() for name in instruction.text.split(" ", 1)[1].split(",")]
    special = {"sb": 9, "sl": 10, "fp": 11, "ip": 12, "sp": 13, "lr": 14}
    numbers = [special[n] if n in special else int(n[1:]) for n in names]
    return (numbers[-2], numbers[-1])


def _concrete(instruction: Instruction, values: dict[int, int | None]) -> int | None:
    memory = instruction.memory
    if memory is None:
        return None
    base = (instruction.address + 4) & ~3 if memory.base == 15 else values[memory.base]
    if base is None:
        return None
    if memory.index >= 0:
        index = values[memory.index]
        if index is None:
            return None
        base += index << memory.shift
    return (base + memory.offset) & 0xFFFFFFFF


def _concrete_move(instruction: Instruction, values: dict[int, int | None]) -> int | None:
    if instruction.moves is None or instruction.conditional:
        return None
    operation, dest, source, amount, shift = instruction.moves
    if operation == "constant":
        return amount & 0xFFFFFFFF
    value = values.get(dest if operation == "top" else source)
    if value is None:
        return None
    if operation == "top":
        return (value & 0xFFFF) | amount << 16
    if operation == "add":
        return (value + amount) & 0xFFFFFFFF
    if operation == "shift":
        return (value << amount) & 0xFFFFFFFF
    other = values.get(amount)
    return None if other is None else (value + (other << shift)) & 0xFFFFFFFF
