# SPDX-License-Identifier: Apache-2.0
"""The Cortex-M4 timing rules at zero wait states: a pure function from pipeline state and instruction to cycles.

Every rule stands here once, with its source; ``docs/timing-model.md`` lists them in one table.

TRM: Arm Cortex-M4 Technical Reference Manual (100166), instruction set summary and load/store timings.
i0: the Cortex-M3/M4 timing compendium (compendium.i-0.nl), measured on an STM32L4.
PT: pipeline cycle tests on an STM32F407 (github.com/jnk0le/random).
CM: cmemu, a cycle-accurate Cortex-M3 emulator verified against CC2650 silicon.
V: inferred from published cycle counts of whole programs.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

from ascmcu.m4.costs import DIVIDE_MIN_CYCLES
from ascmcu.m4.fetch import Arrival, Fetch, arrive, at_target, branch_in_decode, executing
from ascmcu.m4.instruction import LOADS, MEMORY, STORES, Instruction, Kind

# Refill behind a branch that asks for its target when it executes, or when the loaded address has come (TRM "P").
REFILL_REGISTER_CYCLES = 2
REFILL_LOADED_CYCLES = 3

EXCEPTION_ENTRY_CYCLES = 12  # TRM: zero wait states, no FP state
EXCEPTION_EXIT_CYCLES = 12
TAIL_CHAIN_CYCLES = 6  # TRM: between two handlers, no unstacking
EXCEPTION_FP_CYCLES = 17  # S0–S15 and FPSCR with their reserved word, when they are really stacked

FP_DIVIDE_CYCLES = 14
FP_ACCUMULATE_CYCLES = 3
BUFFERED = frozenset({Kind.STORE, Kind.STORE_REGISTER_OFFSET, Kind.FP_STORE})
# While one of these executes, the core cannot tell in time whether the next one will move on (CM; for loads and stores
# the TRM says what follows: 32-bit opcodes at odd halfwords may not pipeline. Of single-cycle FP instructions at odd
# halfwords Arm's knowledge base says that every three lose a cycle, ka006138).
BLIND = MEMORY | {Kind.DIVIDE, Kind.TABLE_BRANCH, Kind.FP, Kind.FP_MOVE}
# Stores under which the target of a branch is not fetched ahead.
HOLDING = frozenset({Kind.STORE_MULTIPLE, Kind.STORE_REGISTER_OFFSET})
LR = 14
PC = 15
RAM_ADDRESS = 0x2000_0000


class Previous(enum.IntEnum):
    """What the load/store unit was left doing by the instruction before."""

    NOTHING = 0
    LOAD = 1
    STORE = 2
    FP_STORE = 3


# Integer instructions that start while a VFMA's addition ends.
_BESIDE = frozenset({Kind.ALU, Kind.MULTIPLY})
_STORED = (Previous.STORE, Previous.FP_STORE)


@dataclass(frozen=True)
class State:
    """What of the past still matters for the next instruction.

    ``computed`` are core registers written by the instruction just before by other means than a load,
    ``loaded`` those that a load just before wrote too late for an address (``_late``); ``fp_results`` are S registers
    that FP arithmetic just before wrote. ``fp_busy_cycles`` is what a divide still needs in the background.
    ``fetch`` is the prefetch queue, None behind an exception's entry or return; ``links``: LR was just written;
    ``buffered`` says that the run of accesses just before is a single store, still in the write buffer;
    ``literal``: the access just before was a load from beside the code; ``stores`` says that the instruction just
    before stored for certain.
    """

    fetch: Fetch | None = None
    previous: Previous = Previous.NOTHING
    computed: int = 0
    loaded: int = 0
    fp_results: int = 0
    narrow: bool = False
    links: bool = False
    fp_busy_cycles: int = 0
    buffered: bool = False
    literal: bool = False
    accumulates: bool = False
    stores: bool = False


REFILLED = State()


@dataclass(frozen=True)
class Step:
    """The cycles that one instruction adds, why, and the state behind it.

    ``leads_group``: it is where a run of back-to-back accesses waits for slow RAM; ``chained``: its access
    overlaps that of the instruction before, which holds within one memory only; ``arrival``: when it came out of the
    prefetch queue, from the start of the instruction before, None if it came together with that one.
    """

    cycles: int
    state: State
    leads_group: bool
    reasons: tuple[str, ...]
    chained: bool = False
    arrival: Arrival | None = None


def step(state: State, instruction: Instruction) -> Step:
    """One instruction's cycles, executed and not branching away, and the state it leaves."""
    reasons: list[str] = []
    own = _own_cycles(state, instruction, reasons)
    if instruction.kind is Kind.IT and own == 0:
        return Step(0, replace(state, fetch=_beside(state, instruction)), False, tuple(reasons))
    late = _address_cycles(state, instruction, reasons) + _fp_wait_cycles(state, instruction, reasons)
    # One that overlaps the load or accumulation before starts a cycle before that one ends.
    chained = _overlaps(state, instruction)
    early = int(chained or _runs_beside(state, instruction))
    wrong = instruction.conditional and decides_in_decode(state, instruction)
    stall, arrival = _fetched(state, instruction, late - early, speculates=wrong)
    if stall:
        reasons.append("waits for its fetch")
    busy = max(1, own + early)
    fetch = executing(arrival.fetch, busy, _blinds(state, instruction))
    cycles = own + late + stall
    after = _after(state, instruction, cycles, fetch)
    return Step(cycles, after, _leads_group(state, instruction), tuple(reasons), chained, arrival)


def _blinds(state: State, instruction: Instruction) -> bool:
    """Whether the core cannot tell, while this one executes, if the next will move on.

    A store by itself goes into the empty write buffer and is over for certain; behind another access it may have
    to wait.
    """
    if instruction.kind is Kind.STORE and state.previous is Previous.NOTHING:
        return False
    return instruction.kind in BLIND


def _fetched(
    state: State, instruction: Instruction, delay: int, *, speculates: bool = False
) -> tuple[int, Arrival]:
    """Cycles that the execute stage waits for the instruction, and its arrival."""
    queue = state.fetch or at_target(instruction.address)
    earliest = queue.busy + delay
    arrival = arrive(queue, instruction.size_bytes // 2, earliest, speculates=speculates)
    return arrival.cycle - earliest, arrival


def _beside(state: State, instruction: Instruction) -> Fetch:
    """The queue when the instruction was decoded together with the one before."""
    queue = state.fetch or at_target(instruction.address)
    taken = min(1, queue.queue)
    return replace(queue, register=queue.register - 1 + taken, queue=queue.queue - taken)


def _overlaps(state: State, instruction: Instruction) -> bool:
    """Whether it starts in the last cycle of the load just before."""
    singles = (Kind.LOAD, Kind.FP_LOAD, Kind.STORE, Kind.STORE_REGISTER_OFFSET, Kind.FP_STORE)
    return instruction.kind in singles and not instruction.branches and _follows_load(state, instruction)


def _runs_beside(state: State, instruction: Instruction) -> bool:
    """Whether an integer instruction starts while the addition of the accumulation just before it ends (V)."""
    return state.accumulates and instruction.kind in _BESIDE and not instruction.conditional


def decides_in_decode(state: State, instruction: Instruction) -> bool:
    """Whether a branch asks for its target while it is decoded (DDI 0337G, table 15-3)."""
    if instruction.kind is Kind.BRANCH:
        return not instruction.text.startswith(("cbz", "cbnz"))
    by_link = instruction.kind is Kind.BRANCH_REGISTER and instruction.text.endswith(" lr")
    return by_link and instruction.text.startswith(("bx", "blx", "mov")) and not state.links


def leave(before: State, instruction: Instruction, target: int) -> tuple[int, State]:
    """A taken branch: its cycles, the refill of the pipeline included, and the state at its target.

    Args:
        before: the state in which the branch was reached.
        instruction: the branch.
        target: where it goes.
    """
    halfwords = instruction.size_bytes // 2
    if decides_in_decode(before, instruction):
        queue = before.fetch or at_target(instruction.address)
        starts, behind, fetch = branch_in_decode(
            queue, halfwords, queue.busy, target, ahead=not before.stores
        )
        cycles = starts - queue.busy + 1 + behind
    else:
        loads = instruction.kind in LOADS or instruction.kind is Kind.TABLE_BRANCH
        cycles = step(before, instruction).cycles + (
            REFILL_LOADED_CYCLES if loads else REFILL_REGISTER_CYCLES
        )
        fetch = at_target(target)
    busy = max(0, before.fp_busy_cycles - cycles)
    return cycles, State(fetch=fetch, fp_busy_cycles=busy)


def skipped(state: State, instruction: Instruction) -> Step:
    """An instruction whose condition failed: one cycle (TRM), and nothing written."""
    stall, arrival = _fetched(state, instruction, 0)
    cycles = 1 + stall
    busy = max(0, state.fp_busy_cycles - cycles)
    fetch = executing(arrival.fetch, 1, False)
    clean = State(fetch=fetch, narrow=not instruction.wide, fp_busy_cycles=busy)
    return Step(cycles, clean, False, ("condition failed",))


def _leads_group(state: State, instruction: Instruction) -> bool:
    """Whether it is where a run of back-to-back accesses waits for RAM behind the bus matrix.

    At the first access; a single store's wait passes in the write buffer and shows only when another store
    comes right behind it. A load there waits a cycle anyway.
    """
    if instruction.kind not in MEMORY:
        return False
    if state.previous is Previous.NOTHING or (state.literal and state.previous is Previous.LOAD):
        return instruction.kind not in BUFFERED
    return state.buffered and instruction.kind in STORES


def _own_cycles(state: State, instruction: Instruction, reasons: list[str]) -> int:
    """What the instruction costs by itself and by the load or store just before it."""
    kind = instruction.kind
    if kind in (Kind.LOAD, Kind.FP_LOAD):
        return _load_cycles(state, instruction, reasons)
    if kind is Kind.STORE:
        # PT: a store right behind a load takes the load's second cycle; forwarding is not needed.
        if _follows_load(state, instruction):
            reasons.append("in the load's second cycle")
            return 0
        return 1
    if kind in (Kind.STORE_REGISTER_OFFSET, Kind.FP_STORE):
        words = instruction.registers if kind is Kind.FP_STORE else 1
        # V (LPC4370): but not at an odd halfword.
        chained = (
            kind is Kind.FP_STORE and state.previous is Previous.FP_STORE and not instruction.address & 2
        )
        if _follows_load(state, instruction) or chained:
            reasons.append("pipelined")
            return words
        return 1 + words
    if kind in (Kind.LOAD_MULTIPLE, Kind.STORE_MULTIPLE):
        stalled = kind is Kind.LOAD_MULTIPLE and state.previous in _STORED
        if stalled:
            reasons.append("load after store")
        return 1 + instruction.registers + int(stalled)
    if kind is Kind.IT:
        # TRM: IT folds; V: only as the second half of a fetched word, behind a 16-bit instruction.
        folds = state.narrow and instruction.address % 4 == 2
        if folds:
            reasons.append("folded")
        return 0 if folds else 1
    if kind is Kind.TABLE_BRANCH:
        return 3  # TRM: two for the load, one for the addition, "at least six" with the refill
    if kind is Kind.DIVIDE:
        return DIVIDE_MIN_CYCLES
    if kind is Kind.FP_ACCUMULATE:
        return FP_ACCUMULATE_CYCLES
    if kind is Kind.FP_MOVE:
        return instruction.registers
    if _runs_beside(state, instruction):
        reasons.append("beside the accumulation")
        return 0
    return 1


def _load_cycles(state: State, instruction: Instruction, reasons: list[str]) -> int:
    words = instruction.registers if instruction.kind is Kind.FP_LOAD else 1
    if instruction.branches:
        return 2
    if state.previous in _STORED:
        # TRM: nothing pipelines after a store.
        reasons.append("load after store")
        return 2 + words
    if _follows_load(state, instruction):
        reasons.append("pipelined")
        return words
    return 1 + words


def _follows_load(state: State, instruction: Instruction) -> bool:
    """Whether the address phase overlaps the data phase of the load just before (TRM).

    Not when the address needs what that load brings, nor its written-back base (PT: on the M4, indexed
    loads chain only on different bases), nor when one of the two is from flash (PT: within one memory only).
    """
    same_bus = state.literal == is_literal(instruction)
    return same_bus and state.previous is Previous.LOAD and not state.loaded & instruction.address_registers


def _late(state: State, instruction: Instruction) -> int:
    """What a load leaves too late for an address in the next cycle: its value, and the base that it writes back unless
    its own address was formed a cycle ahead, over the load before (V: AES encryption, STM32F407; OV, L4R5).
    """
    base = instruction.base_writeback
    return instruction.writes & ~base if _overlaps(state, instruction) else instruction.writes | base


def is_literal(instruction: Instruction) -> bool:
    """Whether it loads from beside the code, in flash: over the D-code bus, not the system bus."""
    memory = instruction.memory
    return memory is not None and memory.base == PC and instruction.address < RAM_ADDRESS


def _address_cycles(state: State, instruction: Instruction, reasons: list[str]) -> int:
    """TRM: no forwarding into address generation, so an address from the instruction before waits a cycle."""
    if instruction.kind not in MEMORY and instruction.kind is not Kind.TABLE_BRANCH:
        return 0
    needed = state.computed & instruction.address_registers
    # A load behind a store already waits; the written-back base is there by then.
    if not needed or (instruction.kind in LOADS and state.previous is not Previous.NOTHING):
        return 0
    reasons.append("address from the instruction before")
    return 1


def _fp_wait_cycles(state: State, instruction: Instruction, reasons: list[str]) -> int:
    """Waiting for the FP unit: a divide in the background, a result just computed."""
    kind = instruction.kind
    if kind not in (
        Kind.FP,
        Kind.FP_ACCUMULATE,
        Kind.FP_DIVIDE,
        Kind.FP_MOVE,
        Kind.FP_STORE,
        Kind.FP_LOAD,
    ) and not (instruction.fp_reads or instruction.fp_writes):
        return 0
    waits = state.fp_busy_cycles
    if waits:
        reasons.append("FP divide still running")
    # TRM: an arithmetic result costs a cycle more when the next instruction consumes it, except as the
    # addend of a multiply-accumulate, which is read a cycle later.
    multiplied = instruction.fp_reads & ~instruction.fp_addend
    if state.fp_results & multiplied and kind is not Kind.FP_STORE:
        reasons.append("FP result used at once")
        waits += 1
    return waits


def _after(state: State, instruction: Instruction, cycles: int, fetch: Fetch) -> State:
    """The state behind an instruction that executed."""
    kind = instruction.kind
    busy = max(0, state.fp_busy_cycles - cycles)
    if kind is Kind.FP_DIVIDE:
        busy = FP_DIVIDE_CYCLES - 1
    single = kind in (Kind.LOAD, Kind.FP_LOAD)
    previous = Previous.NOTHING
    if single:
        previous = Previous.LOAD
    elif kind in STORES:
        previous = Previous.FP_STORE if kind is Kind.FP_STORE else Previous.STORE
    beside = _runs_beside(state, instruction)
    arithmetic = kind in (Kind.FP, Kind.FP_ACCUMULATE, Kind.FP_DIVIDE)
    written = instruction.writes | instruction.base_writeback
    if kind in STORES:
        computed = instruction.base_writeback if kind is not Kind.STORE_MULTIPLE else 0
    else:
        computed = 0 if kind in LOADS else written
    return State(
        fetch=fetch,
        previous=previous,
        computed=computed,
        loaded=_late(state, instruction) if single else 0,
        fp_results=instruction.fp_writes if arithmetic else (state.fp_results if beside else 0),
        accumulates=kind is Kind.FP_ACCUMULATE,
        narrow=not instruction.wide,
        links=bool(written >> LR & 1),
        fp_busy_cycles=busy,
        literal=is_literal(instruction),
        buffered=kind in BUFFERED and state.previous is Previous.NOTHING,
        stores=kind in HOLDING and not instruction.conditional,
    )
