# SPDX-License-Identifier: Apache-2.0
"""The native half of the simulator: what runs at every basic block, compiled by Numba.

Unicorn calls ``block_hook`` before each translated block and ``site_hook`` before the few instructions whose
cost depends on data. Both work on one flat array of 64-bit integers (``words.py``) that Python shares.

The array is a finite automaton. A node is a block together with the pipeline state in which it is entered; an
edge says which address was seen next, what the node cost when left that way, and which node follows. The hook
adds the edge's cost, counts it, and goes on. An edge that is not there stops the emulation; Python analyses
the block, adds node and edge, and resumes at the same address.

Python models the machine; one thing is done here as well, since it happens for every byte of a benchmark: a byte
arrives at the console's serial port, its interrupt is entered, the handler reads the two registers, returns, and
the program waits for the next one (WFI). All state of serial receivers lives in the array, so that both sides may
work on it. Anything beyond that simple case (priorities, masks, other exceptions) goes to Python.
"""

# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

from typing import Any

from ascmcu.m4 import costs
from ascmcu.sim.flash import ask_code, await_code, load_data, stalls_behind
from ascmcu.sim.native import (
    call_memory,
    call_read,
    call_register,
    call_stop,
    callback,
    compiled,
    inlined,
    spread,
    words_at,
)
from ascmcu.sim.words import *

_divide_cycles = inlined(costs.divide_cycles)
_unaligned_cycles = inlined(costs.unaligned_cycles)

# Unicorn's register numbers (unicorn.arm_const).
_UC_R0 = 66
_UC_SP, _UC_LR, _UC_PC = 12, 10, 11
_UC_S0 = 79
_UC_FPSCR = 6
_UC_PRIMASK, _UC_BASEPRI, _UC_CONTROL, _UC_XPSR, _UC_IPSR = 123, 124, 117, 120, 114


@inlined
def _register(m: Any, engine: int, register: int) -> Any:
    """A 32-bit register's value, zero-extended."""
    call_register(m[REG_READ], engine, register, m[SCRATCH])
    return m[SCRATCH_WORD] & 0xFFFFFFFF


@inlined
def _set_register(m: Any, engine: int, register: int, value: int) -> None:
    m[SCRATCH_WORD] = value & 0xFFFFFFFF
    call_register(m[REG_WRITE], engine, register, m[SCRATCH])


@inlined
def _core(m: Any, engine: int, number: int) -> Any:
    """R0 to R15; Unicorn numbers R13 to R15 apart."""
    if number < 13:
        return _register(m, engine, _UC_R0 + number)
    return _register(m, engine, 12 if number == 13 else (10 if number == 14 else 11))


@inlined
def _bank(m: Any, address: int) -> Any:
    """The memory that answers at an address."""
    bank = 0
    while bank < m[BANK_COUNT] and not (m[BANK_SPANS + 2 * bank] <= address < m[BANK_SPANS + 2 * bank + 1]):
        bank += 1
    return bank


@inlined
def _overlapped(m: Any, address: int) -> Any:
    """Cycles of an access that would overlap the one before, and does if both are to one memory."""
    bank = _bank(m, address)
    cycles = int(bank != m[BANK_LAST])
    m[BANK_LAST] = bank
    if address >= SYSTEM_START:
        m[SYSTEM_LAST] = bank
    return cycles


@inlined
def _switched(m: Any, address: int, waits: int) -> Any:
    """Cycles of an access by itself: ``waits`` when the one before over the system bus went to another memory."""
    m[BANK_LAST] = _bank(m, address)
    cycles = 0
    if address >= SYSTEM_START:
        changes = m[SYSTEM_LAST] >= 0 and m[BANK_LAST] != m[SYSTEM_LAST]
        if changes and not m[BANK_START] <= address < m[BANK_END]:
            cycles = waits
        m[SYSTEM_LAST] = m[BANK_LAST]
    return cycles


@inlined
def _log_and_stop(m: Any, engine: int, address: int, size: int) -> None:
    count = m[LOG_COUNT]
    if count < LOG_SIZE:
        m[LOG + 2 * count] = address
        m[LOG + 2 * count + 1] = size
        m[LOG_COUNT] = count + 1
    m[REASON] = REASON_UNKNOWN
    call_stop(m[EMU_STOP], engine)


@compiled
def port_advance(m: Any, p: int, cycle: int) -> None:
    """Let the bytes arrive that are complete at ``cycle``; ``p`` is where the receiver's words begin."""
    while m[p + ARRIVAL] <= cycle:
        head = m[p + HEAD]
        byte = m[p + RING + (head & (RING_SIZE - 1))]
        m[p + HEAD] = head + 1
        if not m[p + LISTENS]:
            m[p + LOST] += 1
        elif m[p + FULL]:
            m[p + OVERRUN] = 1
            m[p + LOST] += 1
        else:
            m[p + RECEIVED] = byte
            m[p + FULL] = 1
        more = head + 1 < m[p + TAIL] and not (m[p + WAITS] and m[p + FULL])
        m[p + ARRIVAL] = m[p + ARRIVAL] + m[p + FRAME_CYCLES] if more else NEVER


@compiled
def port_empty(m: Any, p: int, cycle: int) -> None:
    """The data register is free again; the other side may have waited for that."""
    m[p + FULL] = 0
    if m[p + WAITS] and m[p + ARRIVAL] == NEVER and m[p + HEAD] < m[p + TAIL]:
        m[p + ARRIVAL] = cycle + m[p + FRAME_CYCLES]


@compiled
def port_status(m: Any, p: int, cycle: int, reads: bool) -> Any:
    """The status register; ``reads``: the program reads it, with what that entails."""
    port_advance(m, p, cycle)
    if reads:
        m[p + OVERRUN_SEEN] = m[p + OVERRUN]
    idle = m[p + CLEARS_BY_READING] & (1 - m[p + FULL])
    return m[p + STATUS_REST] | m[p + OVERRUN] << 3 | idle << 4 | m[p + FULL] << 5


@compiled
def port_take(m: Any, p: int, cycle: int) -> Any:
    """The program reads the data register."""
    port_advance(m, p, cycle)
    port_empty(m, p, cycle)
    if m[p + CLEARS_BY_READING] and m[p + OVERRUN_SEEN]:
        m[p + OVERRUN] = 0
        m[p + OVERRUN_SEEN] = 0
    return m[p + RECEIVED]


@inlined
def _requests(m: Any, p: int) -> Any:
    """Whether the receiver asks for an interrupt."""
    return m[p + LISTENS] and m[p + INTERRUPTS] and (m[p + FULL] or m[p + OVERRUN])


@inlined
def _port_interrupts(m: Any, engine: int) -> bool:
    """Whether the native port's handler is to be entered now."""
    p = PORTS + m[NATIVE_PORT] * PORT_STRIDE
    port_advance(m, p, m[CYCLES])
    if m[NATIVE_ACTIVE] or not _requests(m, p) or m[CYCLES] >= m[DEADLINE]:
        return False
    masked = _register(m, engine, _UC_PRIMASK) & 1 or _register(m, engine, _UC_BASEPRI)
    return not masked and not _register(m, engine, _UC_CONTROL) & 2


@inlined
def _pack(m: Any, position: int, value: int) -> None:
    """Value number ``position`` of the frame, two to a word."""
    if position & 1:
        m[FRAME + (position >> 1)] |= ((value ^ 0x80000000) - 0x80000000) << 32
    else:
        m[FRAME + (position >> 1)] = value


@inlined
def _unpack(m: Any, position: int) -> Any:
    return (m[FRAME + (position >> 1)] >> (32 * (position & 1))) & 0xFFFFFFFF


@compiled
def _enter_handler(m: Any, engine: int, address: int) -> bool:
    """Stack the context and go to the port's handler, before the block at ``address`` (DDI 0403 B1.5.6).

    False, and nothing done, when the frame does not fit: Python will report it.
    """
    with_fp = m[FP_USED] and m[FP_AUTOMATIC]
    sp = _register(m, engine, _UC_SP)
    frame = (sp - (104 if with_fp else 32)) & 0xFFFFFFF8
    for n in range(4):
        _pack(m, n, _register(m, engine, _UC_R0 + n))
    _pack(m, 4, _register(m, engine, _UC_R0 + 12))
    _pack(m, 5, _register(m, engine, _UC_LR))
    _pack(m, 6, address)
    _pack(m, 7, (_register(m, engine, _UC_XPSR) & ~0x200) | ((sp & 4) << 7))
    if with_fp:
        for n in range(16):
            _pack(m, 8 + n, _register(m, engine, _UC_S0 + n))
        _pack(m, 24, _register(m, engine, _UC_FPSCR))
        _pack(m, 25, 0)
    at = m[SCRATCH] + 8 * (FRAME - SCRATCH_WORD)
    if frame < m[STACK_LIMIT] or call_memory(m[MEM_WRITE], engine, frame, at, 104 if with_fp else 32):
        m[DEADLINE] = 0
        m[NATIVE_ALLOWED] = 0
        return False
    m[RETURN_CODE] = 0xFFFFFFE9 if with_fp else 0xFFFFFFF9
    _set_register(m, engine, _UC_SP, frame)
    _start_handler(m, engine, m[ENTRY_CYCLES])
    return True


@inlined
def _start_handler(m: Any, engine: int, cycles: int) -> None:
    exception = m[PORTS + m[NATIVE_PORT] * PORT_STRIDE + EXCEPTION]
    _set_register(m, engine, _UC_LR, m[RETURN_CODE])
    _set_register(m, engine, _UC_XPSR, (1 << 24) | exception)
    _set_register(m, engine, _UC_IPSR, exception)
    m[NATIVE_ACTIVE] = 1
    m[TAKEN] += 1
    m[FP_USED] = 0
    m[NODE] = 0
    m[CYCLES] += cycles
    _set_register(m, engine, _UC_PC, m[HANDLER] | 1)


@compiled
def _leave_handler(m: Any, engine: int) -> None:
    """Unstack, or start the handler again for what has come meanwhile (DDI 0403 B1.5.8)."""
    m[CYCLES] += m[NODE_COST + m[NODE]]
    p = PORTS + m[NATIVE_PORT] * PORT_STRIDE
    port_advance(m, p, m[CYCLES])
    if _requests(m, p):
        _start_handler(m, engine, m[CHAIN_CYCLES])
        return
    with_fp = m[RETURN_CODE] == 0xFFFFFFE9
    lazy = m[FP_CYCLES] if with_fp and m[FP_USED] else 0
    frame = _register(m, engine, _UC_SP)
    size = 104 if with_fp else 32
    call_memory(m[MEM_READ], engine, frame, m[SCRATCH] + 8 * (FRAME - SCRATCH_WORD), size)
    for n in range(4):
        _set_register(m, engine, _UC_R0 + n, _unpack(m, n))
    _set_register(m, engine, _UC_R0 + 12, _unpack(m, 4))
    _set_register(m, engine, _UC_LR, _unpack(m, 5))
    if with_fp:
        for n in range(16):
            _set_register(m, engine, _UC_S0 + n, _unpack(m, 8 + n))
        _set_register(m, engine, _UC_FPSCR, _unpack(m, 24))
    xpsr = _unpack(m, 7)
    _set_register(m, engine, _UC_XPSR, xpsr & ~0x3FF)
    _set_register(m, engine, _UC_IPSR, 0)
    _set_register(m, engine, _UC_SP, frame + size + (4 if xpsr & 0x200 else 0))
    m[NATIVE_ACTIVE] = 0
    m[FP_USED] = 1 if with_fp else 0
    m[NODE] = 0
    m[CYCLES] += m[EXIT_CYCLES] + lazy
    _set_register(m, engine, _UC_PC, _unpack(m, 6) | 1)


@inlined
def _sleep(m: Any) -> bool:
    """WFI: let time pass until the port's next byte, if nothing else comes before. Whether the core wakes."""
    p = PORTS + m[NATIVE_PORT] * PORT_STRIDE
    port_advance(m, p, m[CYCLES])
    if not _requests(m, p):
        if m[p + ARRIVAL] >= m[DEADLINE] or not m[p + LISTENS] or not m[p + INTERRUPTS]:
            return False
        m[SLEPT] += max(0, m[p + ARRIVAL] - m[CYCLES])
        m[CYCLES] = max(m[CYCLES], m[p + ARRIVAL])
        port_advance(m, p, m[CYCLES])
    return True


@inlined
def _accesses(m: Any, engine: int, node: int, start: int) -> Any:
    """Cycles that depend on the registers at the block's entry. A reason to stop, 0 for none."""
    registers = m[ACCESS + start + PROGRAM_REGISTERS]
    records = m[ACCESS + start + PROGRAM_RECORDS]
    values = ACCESS + start + PROGRAM_HEADER
    # Register numbers stand in even words, their values are put beside them.
    for i in range(registers):
        m[values + 2 * i + 1] = _core(m, engine, m[values + 2 * i])
    extra = 0
    record = values + 2 * registers
    for _ in range(records):
        kind = m[record + FIELD_KIND]
        address = m[record + FIELD_CONSTANT]
        if m[record + FIELD_BASE] >= 0:
            address += m[values + 2 * m[record + FIELD_BASE] + 1]
        if m[record + FIELD_INDEX] >= 0:
            address += m[values + 2 * m[record + FIELD_INDEX] + 1] << m[record + FIELD_SHIFT]
        address &= 0xFFFFFFFF
        if kind == RECORD_ASK:
            words = m[record + FIELD_SHIFT]
            ask_code(m, address, words, m[CYCLES] + extra + m[record + FIELD_WEIGHT])
        elif kind == RECORD_AWAIT:
            m[record + FIELD_STALL] = await_code(m, address, m[CYCLES] + extra + m[record + FIELD_WEIGHT])
            extra += m[record + FIELD_STALL]
        elif kind == RECORD_DATA:
            m[record + FIELD_STALL] = load_data(m, address, m[CYCLES] + extra + m[record + FIELD_WEIGHT])
            extra += m[record + FIELD_STALL]
        elif kind == RECORD_WORD:
            extra += m[record + FIELD_WEIGHT] * _unaligned_cycles(address, 4)
        elif kind == RECORD_HALF:
            extra += m[record + FIELD_WEIGHT] * _unaligned_cycles(address, 2)
        elif kind == RECORD_FIRST:
            m[BANK_LAST] = _bank(m, address)
        elif kind == RECORD_CHAINED:
            m[record + FIELD_STALL] = _overlapped(m, address)
            extra += m[record + FIELD_STALL]
        elif kind == RECORD_SWITCH:
            m[record + FIELD_STALL] = _switched(m, address, m[record + FIELD_WEIGHT])
            extra += m[record + FIELD_STALL]
        elif kind == RECORD_BANK:
            if m[BANK_START] <= address < m[BANK_END]:
                extra += m[record + FIELD_WEIGHT]
        elif kind == RECORD_ALWAYS:
            extra += m[record + FIELD_WEIGHT]
        elif kind == RECORD_FP:
            m[FP_USED] = 1
        elif kind == RECORD_IDLE:
            return REASON_IDLE
        elif address < m[STACK_LIMIT]:
            m[STACK_POINTER] = address
            return REASON_STACK
        record += RECORD_FIELDS
    if extra:
        m[CYCLES] += extra
        m[NODE_EXTRA + node] += extra
    return REASON_NONE


@inlined
def _child(m: Any, parent: int, function: int) -> Any:
    """The context of ``function`` called from ``parent``; the parent itself when the table is full."""
    key = ((parent + 1) << 32) | function
    slot = spread(key, TABLE_BITS) & (CONTEXT_SLOTS - 1)
    while m[CONTEXT_KEY + slot] != key:
        if m[CONTEXT_KEY + slot] == 0:
            context = m[CONTEXT_COUNT]
            if context >= CONTEXTS - 1:
                return parent
            m[CONTEXT_COUNT] = context + 1
            m[CONTEXT_PARENT + context] = parent
            m[CONTEXT_FUNCTION + context] = function
            m[CONTEXT_KEY + slot] = key
            m[CONTEXT_VALUE + slot] = context
            break
        slot = (slot + 1) & (CONTEXT_SLOTS - 1)
    return m[CONTEXT_VALUE + slot]


@inlined
def _follow_call(m: Any, node: int, edge: int, target: int) -> None:
    """Charge the context being left, and go to the one that the edge leads to."""
    context = m[CONTEXT]
    m[CONTEXT_CYCLES + context] += m[COUNTING] * (m[CYCLES] - m[COUNTED])
    m[COUNTED] = m[CYCLES]
    kind = m[EDGE_KIND + edge]
    depth = m[DEPTH]
    if kind == KIND_CALL:
        if depth < STACK_SIZE:
            m[STACK + 2 * depth] = m[NODE_ADDRESS + node] + m[NODE_SIZE + node]
            m[STACK + 2 * depth + 1] = context
            m[DEPTH] = depth + 1
        m[CONTEXT] = _child(m, context, target)
        m[CONTEXT_CALLS + m[CONTEXT]] += m[COUNTING]
    elif kind == KIND_TAIL_CALL:
        m[CONTEXT] = _child(m, m[CONTEXT_PARENT + context], target)
        m[CONTEXT_CALLS + m[CONTEXT]] += m[COUNTING]
    elif kind == KIND_RETURN:
        position = depth - 1
        while position >= 0:
            if m[STACK + 2 * position] == target:
                m[CONTEXT] = m[STACK + 2 * position + 1]
                m[DEPTH] = position
                break
            position -= 1


@compiled
def _record_mark(m: Any, engine: int, which: int, address: int) -> None:
    """Keep the counts, and what is needed to tell how much of them lies behind ``address``."""
    m[MARKS_SEEN] |= 1 << which
    mark = MARK + MARK_FIELDS * which
    m[mark + MARK_CYCLES] = m[CYCLES]
    m[mark + MARK_INSTRUCTIONS] = m[INSTRUCTIONS]
    m[mark + MARK_NODE] = m[NODE]
    m[mark + MARK_ADDRESS] = address
    for n in range(15):
        m[mark + MARK_REGISTERS + n] = _core(m, engine, n)
    m[mark + MARK_STALLS] = stalls_behind(m, m[NODE], address)
    if m[WINDOWED]:
        m[CONTEXT_CYCLES + m[CONTEXT]] += m[COUNTING] * (m[CYCLES] - m[COUNTED])
        m[COUNTED] = m[CYCLES]
        m[COUNTING] = 1 - which


@callback("void(int64, int64, uint32, int64)")
def block_hook(engine: int, address: int, size: int, user: int) -> None:
    """UC_HOOK_BLOCK: account for the block just left, enter the one at ``address``."""
    m = words_at(user)
    if m[REASON] == REASON_UNKNOWN:  # the stop was put off by an IT block: keep the path
        _log_and_stop(m, engine, address, size)
        return
    if m[RESUME]:
        m[RESUME] = 0
        if m[NODE_ADDRESS + m[NODE]] == address:
            return
    key = ((m[NODE] + 1) << 32) | address
    slot = spread(key, TABLE_BITS)
    while m[TABLE_KEY + slot] != key:
        if m[TABLE_KEY + slot] == 0:
            _log_and_stop(m, engine, address, size)
            return
        slot = (slot + 1) & (TABLE - 1)
    edge = m[TABLE_EDGE + slot]
    node = m[EDGE_NEXT + edge]
    if m[NODE_SIZE + node] != size:
        _log_and_stop(m, engine, address, size)
        return
    m[CYCLES] += m[EDGE_COST + edge]
    m[EDGE_COUNT + edge] += m[COUNTING]
    if m[PROFILE]:
        _follow_call(m, m[NODE], edge, address)
    m[NODE] = node
    m[SITE] = 0
    if m[NATIVE_ALLOWED] and _port_interrupts(m, engine) and _enter_handler(m, engine, address):
        return
    m[INSTRUCTIONS] += m[NODE_INSTRUCTIONS + node]
    start = m[NODE_ACCESS + node]
    reason = _accesses(m, engine, node, start) if start else REASON_NONE
    if address == m[RETURN_AT] and _core(m, engine, 13) == m[RETURN_STACK]:
        m[RETURN_AT] = 0
        _record_mark(m, engine, 1, address)
    if reason != REASON_NONE:
        m[REASON] = reason
        m[RESUME] = 1
        call_stop(m[EMU_STOP], engine)
    elif m[CYCLES] >= m[DEADLINE] or (m[INTERRUPT] and not _register(m, engine, _UC_PRIMASK) & 1):
        m[REASON] = REASON_DEADLINE
        m[RESUME] = 1
        call_stop(m[EMU_STOP], engine)


@callback("void(int64, int64, uint32, int64)")
def site_hook(engine: int, address: int, size: int, user: int) -> None:
    """UC_HOOK_CODE on one instruction: what its operands add, and that it was reached."""
    m = words_at(user)
    m[SITE] = address
    slot = spread(address, SITE_BITS)
    while m[SITE_KEY + slot] != address:
        if m[SITE_KEY + slot] == 0:
            return
        slot = (slot + 1) & (SITES - 1)
    site = SITE_WORDS + slot * SITE_FIELDS
    kinds = m[site + SITE_KINDS]
    extra = 0
    if kinds & SITE_MARK:
        seen = m[MARKS_SEEN]
        which = seen & 1 if m[TWICE] else m[site + SITE_WHICH]
        if not seen & (1 << which) and (which == 0 or seen & 1):
            _record_mark(m, engine, which, address)
            if m[TO_RETURN]:
                m[RETURN_AT] = _core(m, engine, 14) & ~1
                m[RETURN_STACK] = _core(m, engine, 13)
    if kinds & SITE_CONDITIONAL:
        extra += m[site + SITE_MORE]
    if kinds & SITE_DIVIDE:
        dividend = _core(m, engine, m[site + SITE_DIVIDEND])
        divisor = _core(m, engine, m[site + SITE_DIVISOR])
        extra += _divide_cycles(dividend, divisor, m[site + SITE_SIGNED]) - costs.DIVIDE_MIN_CYCLES
        if divisor == 0 and m[DIVIDE_TRAP]:
            m[REASON] = REASON_DIVIDE
            call_stop(m[EMU_STOP], engine)
    if kinds & (SITE_ALIGN | SITE_FLASH | SITE_MEMORY):
        target = _core(m, engine, m[site + SITE_BASE]) + m[site + SITE_OFFSET]
        if m[site + SITE_INDEX] >= 0:
            target += _core(m, engine, m[site + SITE_INDEX]) << m[site + SITE_SHIFT]
        target &= 0xFFFFFFFF
        if kinds & SITE_ALIGN:
            extra += _unaligned_cycles(target, m[site + SITE_BYTES])
        if kinds & SITE_FLASH:
            extra += load_data(m, target, m[CYCLES])
        if kinds & SITE_MEMORY and m[NODE_ADDRESS + m[NODE]] <= m[site + SITE_BEHIND]:
            if m[site + SITE_OVERLAPS]:
                extra += _overlapped(m, target)
            else:
                extra += _switched(m, target, m[site + SITE_WAITS])
            if m[site + SITE_LEADS] and m[BANK_START] <= target < m[BANK_END]:
                extra += 1
    m[CYCLES] += extra
    m[site + SITE_EXTRA] += m[COUNTING] * extra
    if kinds & SITE_WAIT and m[NATIVE_ALLOWED] and _sleep(m):
        _set_register(m, engine, _UC_PC, (address + size) | 1)


@callback("void(int64, uint32, int64)")
def trap_hook(engine: int, number: int, user: int) -> None:
    """UC_HOOK_INTR: the return from a handler entered here; Python serves everything else."""
    m = words_at(user)
    if number == 8 and m[NATIVE_ACTIVE]:
        _leave_handler(m, engine)
    else:
        m[TRAP] = number
        m[REASON] = REASON_TRAP
        call_stop(m[EMU_STOP], engine)


@callback("int64(int64, int64, uint32, int64)")
def register_read(engine: int, offset: int, size: int, user: int) -> Any:
    """uc_cb_mmio_read: a register that Python says stands still until the next event, else ask Python."""
    region = words_at(user)
    address = region[REGION_BASE] + offset
    m = words_at(user - 8 * region[REGION_AT])
    if m[SHADOW_HITS] < SHADOW_LIMIT:
        if m[NATIVE_PORT] >= 0:
            p = PORTS + m[NATIVE_PORT] * PORT_STRIDE
            if address == m[p + STATUS_ADDRESS]:
                m[SHADOW_HITS] += 1
                return port_status(m, p, m[CYCLES], True) & ((1 << (8 * size)) - 1)
            if address == m[p + DATA_ADDRESS]:
                return port_take(m, p, m[CYCLES]) & ((1 << (8 * size)) - 1)
        for i in range(m[SHADOW_COUNT]):
            if m[SHADOW + 2 * i] == address:
                m[SHADOW_HITS] += 1
                return m[SHADOW + 2 * i + 1] & ((1 << (8 * size)) - 1)
    return call_read(region[REGION_READ], engine, offset, size, user)
