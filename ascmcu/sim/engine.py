# SPDX-License-Identifier: Apache-2.0
"""Unicorn with a running cycle count: the native half follows the automaton, and stops here for what it lacks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.m4.timing import (
    EXCEPTION_ENTRY_CYCLES,
    EXCEPTION_EXIT_CYCLES,
    EXCEPTION_FP_CYCLES,
    TAIL_CHAIN_CYCLES,
)
from ascmcu.sim import hook
from ascmcu.sim import words as w
from ascmcu.sim.automaton import FLUSHED, ROOT, Automaton
from ascmcu.sim.blocks import Block
from ascmcu.sim.cpu import CORE, Cpu, const, entry_point, reg
from ascmcu.sim.flash import stalls_behind
from ascmcu.sim.layout import FlashTiming
from ascmcu.sim.native import raise_kept

NEVER = w.NEVER


@dataclass(frozen=True)
class Mark:
    """A counted moment: the cycle and instruction counts at which an address was first about to execute."""

    cycles: int
    instructions: int


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
        banks: memories, as (start, end), between which loads do not overlap.
    """

    def __init__(
        self,
        cpu: Cpu,
        constant: tuple[tuple[int, int], ...],
        mmio: tuple[tuple[int, int], ...],
        slow_bank: tuple[int, int] = (0, 0),
        stack_limit: int = 0,
        flash: FlashTiming | None = None,
        banks: tuple[tuple[int, int], ...] = (),
    ) -> None:
        self.cpu = cpu
        self.words = np.zeros(w.TOTAL, np.int64)
        self._handlers: dict[int, int] = {}
        self._register_regions = 0
        self._prepare(slow_bank, stack_limit)
        self.words[w.BANK_COUNT] = len(banks)
        spans = [word for span in banks for word in span]
        self.words[w.BANK_SPANS : w.BANK_SPANS + len(spans)] = spans
        flash = flash if constant else None  # a program that writes what should be its flash runs from RAM
        if flash is not None:
            self._prepare_flash(flash, constant[0])
        self.automaton = Automaton(cpu, self.words, constant, mmio, slow_bank, flash)
        for kind, callback in (
            (const.UC_HOOK_BLOCK, hook.block_hook),
            (const.UC_HOOK_INTR, hook.trap_hook),
        ):
            cpu.hook_native(kind, callback.address, self.words.ctypes.data, 1, 0)

    def _prepare(self, slow_bank: tuple[int, int], stack_limit: int) -> None:
        m = self.words
        m[w.REG_READ] = entry_point("uc_reg_read")
        m[w.REG_WRITE] = entry_point("uc_reg_write")
        m[w.MEM_READ] = entry_point("uc_mem_read")
        m[w.MEM_WRITE] = entry_point("uc_mem_write")
        m[w.EMU_STOP] = entry_point("uc_emu_stop")
        m[w.ENTRY_CYCLES] = EXCEPTION_ENTRY_CYCLES
        m[w.EXIT_CYCLES] = EXCEPTION_EXIT_CYCLES
        m[w.CHAIN_CYCLES] = TAIL_CHAIN_CYCLES
        m[w.FP_CYCLES] = EXCEPTION_FP_CYCLES
        m[w.NATIVE_PORT] = -1
        m[w.SYSTEM_LAST] = -1
        m[w.SCRATCH] = m.ctypes.data + 8 * w.SCRATCH_WORD
        m[w.BANK_START], m[w.BANK_END] = slow_bank
        m[w.STACK_LIMIT] = stack_limit
        m[w.DEADLINE] = NEVER
        m[w.COUNTING] = 1

    def _prepare_flash(self, flash: FlashTiming, span: tuple[int, int]) -> None:
        m, cache = self.words, flash.cache
        m[w.WAIT_STATES] = flash.wait_states
        m[w.FLASH_START], m[w.FLASH_END] = span
        m[w.READ_BITS] = cache.read_bytes.bit_length() - 1
        m[w.READ_CURRENT] = m[w.READ_NEXT] = -1
        m[w.PREFETCH] = int(cache.prefetch)
        m[w.CACHE_OF_DATA] = int(not cache.unified)
        for number, lines in enumerate((cache.instruction_lines, cache.data_lines)):
            ways = min(lines, cache.ways) if cache.ways else lines
            fields = w.CACHES + w.CACHE_FIELDS * number
            m[fields + w.CACHE_WAYS] = ways
            m[fields + w.CACHE_SETS] = lines // ways if ways else 1
            m[fields + w.CACHE_LINE_BITS] = (cache.line_bytes // cache.read_bytes).bit_length() - 1
            m[fields + w.CACHE_ROUND_ROBIN] = int(cache.round_robin)

    # What the counters say.

    @property
    def cycles(self) -> int:
        """Cycles up to the start of the current block."""
        return int(self.words[w.CYCLES])

    @property
    def instructions(self) -> int:
        """Instructions of all blocks entered so far."""
        return int(self.words[w.INSTRUCTIONS])

    @property
    def block(self) -> Block:
        """The block being executed, or executed last."""
        return self.automaton.nodes[int(self.words[w.NODE])]

    def position(self, address: int = 0, store: bool = False) -> tuple[int, int]:
        """Cycle and address of the access to ``address`` that is going on in the current block."""
        block = self.block
        site = int(self.words[w.SITE])
        if not block.address <= site < block.end:
            site = self._likely_access(block, address, store)
        inside = block.sampled_at(site)
        early = self.automaton.charged_ahead(block, site, self.register)
        early += int(stalls_behind(self.words, int(self.words[w.NODE]), site))
        return self.cycles + inside - early, site

    def register(self, number: int) -> int:
        """R0 to R15."""
        return self.cpu.read(CORE[number])

    def _likely_access(self, block: Block, address: int, store: bool) -> int:
        """The first load or store of the block that the registers do not rule out; its address from now on known."""
        for access in block.accesses:
            if (access.instruction.kind.name.find("STORE") >= 0) == store and self.automaton.value(
                access.form
            ) == address:
                return access.instruction.address
        for instruction in block.opaque:
            if (instruction.kind.name.find("STORE") >= 0) == store:
                return instruction.address
        return block.address

    # Running.

    def run(self, address: int) -> int:
        """Run from ``address`` until something stops it; the reason, one of ``w.REASON_*``.

        Raises:
            EmulatorError: the guest did what it must not: unmapped memory, undefined instruction.
        """
        m = self.words
        while True:
            m[w.REASON] = w.REASON_NONE
            self.cpu.start(address)
            raise_kept()
            if m[w.REASON] != w.REASON_UNKNOWN:
                return int(m[w.REASON])
            self._resolve()
            address = self.cpu.read(reg.UC_ARM_REG_PC)

    def flush_pipeline(self, cycles: int = 0) -> None:
        """Continue with an empty pipeline (exception entry and return, reset), ``cycles`` later."""
        m = self.words
        node = int(m[w.NODE])
        if m[w.RESUME]:  # entered but not executed: it will be entered anew
            m[w.INSTRUCTIONS] -= m[w.NODE_INSTRUCTIONS + node]
        elif node != ROOT:  # executed, and no successor will charge it
            edge = self.automaton.edge(node, FLUSHED)
            m[w.CYCLES] += edge.cycles
            m[w.EDGE_COUNT + edge.index] += m[w.COUNTING]
        m[w.RESUME] = 0
        m[w.SITE] = 0
        m[w.NODE] = ROOT
        m[w.CYCLES] += cycles

    def map_registers(self, start: int, end: int, read: int, write: int) -> None:
        """Make an address range one of registers; ``read`` and ``write`` are C functions of ``uc_mmio_map``'s kind."""
        m = self.words
        assert self._register_regions < w.REGIONS
        at = w.REGION + w.REGION_FIELDS * self._register_regions
        self._register_regions += 1
        m[at + w.REGION_BASE], m[at + w.REGION_AT], m[at + w.REGION_READ] = start, at, read
        self.cpu.map_registers(start, end, hook.register_read.address, write, m.ctypes.data + 8 * at)

    def set_shadows(self, registers: Sequence[tuple[int, int]]) -> None:
        """Registers, as (address, value), that read the same until the next event and may be read without Python."""
        m = self.words
        for position, (address, value) in enumerate(registers[: w.SHADOW_SIZE]):
            m[w.SHADOW + 2 * position] = address
            m[w.SHADOW + 2 * position + 1] = value
        m[w.SHADOW_COUNT] = min(len(registers), w.SHADOW_SIZE)
        m[w.SHADOW_HITS] = 0

    def wait_until(self, cycle: int) -> None:
        """Let time pass without executing, as in WFI."""
        self.words[w.CYCLES] = max(int(self.words[w.CYCLES]), cycle)

    def _resolve(self) -> None:
        """Add the edges that the hook missed; walk those beyond the first, which were executed already."""
        m = self.words
        count = int(m[w.LOG_COUNT])
        m[w.LOG_COUNT] = 0
        for position in range(count):
            address, size = (int(v) for v in m[w.LOG + 2 * position : w.LOG + 2 * position + 2])
            node = int(m[w.NODE])
            edge = self.automaton.edge(node, address, size)
            if position < count - 1:
                following = int(m[w.EDGE_NEXT + edge.index])
                m[w.CYCLES] += edge.cycles
                m[w.EDGE_COUNT + edge.index] += m[w.COUNTING]
                m[w.INSTRUCTIONS] += m[w.NODE_INSTRUCTIONS + following]
                m[w.NODE] = following

    def profile(self, functions: Iterable[int], *, windowed: bool = False) -> None:
        """Follow calls from now on; ``functions`` are the addresses at which functions start.

        ``windowed``: what is counted for profiles is what lies between the two marks.
        """
        m = self.words
        m[w.WINDOWED] = int(windowed)
        m[w.COUNTING] = int(not windowed)
        self.automaton.functions = frozenset(functions)
        m[w.PROFILE] = 1
        m[w.CONTEXT_COUNT] = max(1, int(m[w.CONTEXT_COUNT]))
        m[w.COUNTED] = m[w.CYCLES]

    def enter_context(self, function: int) -> tuple[int, int]:
        """An exception handler starts; what ``leave_context`` needs to go back."""
        m = self.words
        self._charge_context()
        back = int(m[w.CONTEXT]), int(m[w.DEPTH])
        if m[w.PROFILE]:
            # A handler is nobody's callee: its context hangs on the root.
            known = self._handlers.get(function)
            if known is None:
                known = self._handlers[function] = int(m[w.CONTEXT_COUNT])
                m[w.CONTEXT_COUNT] += 1
                m[w.CONTEXT_FUNCTION + known] = function
            m[w.CONTEXT] = known
            m[w.CONTEXT_CALLS + known] += m[w.COUNTING]
        return back

    def leave_context(self, back: tuple[int, int]) -> None:
        """The handler has ended."""
        self._charge_context()
        self.words[w.CONTEXT], self.words[w.DEPTH] = back

    def _charge_context(self) -> None:
        m = self.words
        if m[w.PROFILE]:
            spent = m[w.CYCLES] - m[w.COUNTED]
            m[w.CONTEXT_CYCLES + int(m[w.CONTEXT])] += m[w.COUNTING] * spent
            m[w.COUNTED] = m[w.CYCLES]

    def contexts(self) -> list[Context]:
        """The calling contexts seen so far; the first is the root."""
        m = self.words
        self._charge_context()
        count = int(m[w.CONTEXT_COUNT])
        fields = (w.CONTEXT_PARENT, w.CONTEXT_FUNCTION, w.CONTEXT_CYCLES, w.CONTEXT_CALLS)
        return [Context(*(int(m[field + n]) for field in fields)) for n in range(count)]

    # Marks.

    def mark(self, which: int, address: int) -> None:
        """Record when the instruction at ``address`` is first about to execute; mark 1 only counts after mark 0."""
        self.automaton.site_at(address, w.SITE_MARK, {w.SITE_WHICH: which})

    def mark_return(self) -> None:
        """Let mark 1 be where the function that starts at mark 0 returns to, on its first call."""
        self.words[w.TO_RETURN] = 1

    def mark_twice(self) -> None:
        """Let mark 1 be where mark 0 is, the second time that it is reached."""
        self.words[w.TWICE] = 1

    @property
    def both_marked(self) -> bool:
        """Whether both marks have been reached."""
        return int(self.words[w.MARKS_SEEN]) & 3 == 3

    def marked(self, which: int) -> Mark | None:
        """What a mark recorded, None when its address was not reached."""
        m = self.words
        if not m[w.MARKS_SEEN] >> which & 1:
            return None
        mark = m[w.MARK + w.MARK_FIELDS * which :][: w.MARK_FIELDS]
        block, address = self.automaton.nodes[int(mark[w.MARK_NODE])], int(mark[w.MARK_ADDRESS])
        behind = len(block.instructions) - block.instructions_before(address)
        early = self.automaton.charged_ahead(block, address, lambda n: int(mark[w.MARK_REGISTERS + n]))
        cycles = int(mark[w.MARK_CYCLES]) + block.cycles_before(address) - early - int(mark[w.MARK_STALLS])
        return Mark(cycles, int(mark[w.MARK_INSTRUCTIONS]) - behind)
