# SPDX-License-Identifier: Apache-2.0
"""The native half of the simulator: what runs at every basic block, compiled by Numba.

Unicorn calls ``block_hook`` before each translated block and ``site_hook`` before the few instructions whose
cost depends on data. Both work on one flat array of 64-bit integers, laid out below, that Python shares.

The array is a finite automaton. A node is a block together with the pipeline state in which it is entered; an
edge says which address was seen next, what the node cost when left that way, and which node follows. The hook
adds the edge's cost, counts it, and goes on. An edge that is not there stops the emulation; Python analyses
the block, adds node and edge, and resumes at the same address.

Python models the machine; one thing is done here as well, since it happens for every byte of a benchmark: a byte
arrives at the console's serial port, its interrupt is entered, the handler reads the two registers, returns, and
the program waits for the next one (WFI). All state of serial receivers lives in the array, so that both sides may
work on it. Anything beyond that simple case (priorities, masks, other exceptions) goes to Python.

All native code is in this file on purpose: Numba's cache of compiled functions goes by the date of the file that
holds the callback, and would miss a change of constants or functions elsewhere.
"""

# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

import importlib
from typing import Any

import numpy as np

# Numba is typed in parts; what is used here works on its own kinds of pointers, which mypy cannot follow.
_numba: Any = importlib.import_module("numba")
cfunc, njit, types = _numba.cfunc, _numba.njit, _numba.types
intrinsic: Any = importlib.import_module("numba.extending").intrinsic
ir: Any = importlib.import_module("llvmlite.ir")

# Control words.
CYCLES = 0  # up to the start of the current block, extras so far included
INSTRUCTIONS = 1  # of all blocks entered
NODE = 2  # the block being executed
DEADLINE = 3  # stop at the first block that starts at or behind this cycle
REASON = 4  # why the hook asked for a stop
LOG_COUNT = 5
SITE = 6  # address of the last site instruction in this block, 0 when none was reached yet
INTERRUPT = 7  # an interrupt waits for PRIMASK to clear
RESUME = 8  # the block of NODE was entered, accounted for, and not executed
STACK_LIMIT = 9
REG_READ = 10  # address of uc_reg_read
REG_WRITE = 209  # address of uc_reg_write, which takes the same arguments
EMU_STOP = 11  # address of uc_emu_stop
SCRATCH = 12  # address of the word that uc_reg_read fills
SCRATCH_WORD = 13
BANK_START = 14  # RAM whose first access of a group waits, as [start, end)
BANK_END = 15
MARKS_SEEN = 16
STACK_POINTER = 33  # where it stood when REASON is STACK
DIVIDE_TRAP = 35  # CCR.DIV_0_TRP
FP_USED = 34  # an FP instruction was executed in this context (CONTROL.FPCA)
SHADOW_HITS = 36
SHADOW_COUNT = 37
SHADOW = 38  # pairs of address and value: registers that read the same until the next event
SHADOW_SIZE = 8
WAIT_STATES = 59  # of the flash; 0 leaves the rest unused
FLASH_START = 60
FLASH_END = 61
LINE_READY = 62  # the cycle at which the prefetched line is there
LINE_NEXT = 63  # the prefetched line, -1 for none
TRAP = 203
NATIVE_PORT = 210  # index of the serial port whose interrupts may be served here, -1 for none
NATIVE_ALLOWED = 211  # nothing else is pending or active, and nobody is profiling
NATIVE_ACTIVE = 212  # its handler is running
HANDLER = 213  # the handler's address
RETURN_CODE = 214  # EXC_RETURN of the active handler
TAKEN = 215  # interrupts entered here
SLEPT = 216  # cycles slept here
FP_AUTOMATIC = 217  # FPCCR.ASPEN
MEM_READ = 218  # address of uc_mem_read
MEM_WRITE = 219
FRAME = 220  # 13 words, two values in each
FRAME_WORDS = 13
ENTRY_CYCLES = 240
EXIT_CYCLES = 241
CHAIN_CYCLES = 242
FP_CYCLES = 243
REGION = 190  # three words per region of registers: base, this index, Python's read function
SHADOW_LIMIT = 1_000_000  # so many hits without an event, and Python has a look
PROFILE = 54  # whether calls are followed
CONTEXT = 55  # the calling context being executed
CONTEXT_COUNT = 56
COUNTED = 57  # cycles that contexts hold already
DEPTH = 58  # of the shadow stack
COUNTING = 244  # 1 while edges, contexts and sites are counted; 0 outside the stretch that is profiled
WINDOWED = 245  # whether the marks open and close that stretch
TO_RETURN = 246  # mark 1 is where the function of mark 0 returns to
RETURN_AT = 247  # that address, 0 for none
RETURN_STACK = 248  # the stack pointer there
TWICE = 249  # both marks are at one address: the first two times that it is reached
LINE_CURRENT = 200
PREFETCHED_ENTER = 201  # whether lines that were prefetched and used enter the instruction cache
PREFETCH = 202
CACHES = 204  # two caches of CACHE_FIELDS words: lines held, most recently used first
CACHE_FIELDS = 2  # number of lines held, number that fit
# MARK_FIELDS words each: cycles, instructions, node, address, then R0 to R14, then flash stalls charged ahead.
MARK = 144
MARK_FIELDS = 20
LOG = 64  # pairs of address and size
LOG_SIZE = 32

REASON_NONE = 0
REASON_UNKNOWN = 1
REASON_DEADLINE = 2
REASON_STACK = 3
REASON_IDLE = 4
REASON_DIVIDE = 5
REASON_TRAP = 6  # an exception that Python has to serve: its number is in TRAP

NODES = 1 << 16
EDGES = 1 << 18
TABLE = 1 << 19
SITES = 1 << 13
CONTEXTS = 1 << 15
CONTEXT_SLOTS = 1 << 17
STACK_SIZE = 1 << 12
WORDS = 1 << 19

NODE_ADDRESS = 256
NODE_SIZE = NODE_ADDRESS + NODES
NODE_INSTRUCTIONS = NODE_SIZE + NODES
NODE_ACCESS = NODE_INSTRUCTIONS + NODES  # index into ACCESS, 0 for none
NODE_EXTRA = NODE_ACCESS + NODES  # dynamic cycles, summed
EDGE_COST = NODE_EXTRA + NODES
EDGE_NEXT = EDGE_COST + EDGES
EDGE_COUNT = EDGE_NEXT + EDGES
TABLE_KEY = EDGE_COUNT + EDGES  # (node + 1) << 32 | address, 0 for empty
TABLE_EDGE = TABLE_KEY + TABLE
SITE_KEY = TABLE_EDGE + TABLE  # address, 0 for empty
SITE_WORDS = SITE_KEY + SITES  # SITE_FIELDS words each
SITE_FIELDS = 10
ACCESS = SITE_WORDS + SITES * SITE_FIELDS
EDGE_KIND = ACCESS + WORDS
CONTEXT_PARENT = EDGE_KIND + EDGES
CONTEXT_FUNCTION = CONTEXT_PARENT + CONTEXTS
CONTEXT_CYCLES = CONTEXT_FUNCTION + CONTEXTS
CONTEXT_CALLS = CONTEXT_CYCLES + CONTEXTS
CONTEXT_KEY = CONTEXT_CALLS + CONTEXTS
CONTEXT_VALUE = CONTEXT_KEY + CONTEXT_SLOTS
STACK = CONTEXT_VALUE + CONTEXT_SLOTS  # pairs of return address and the caller's context
CACHE_LINES = STACK + 2 * STACK_SIZE
NODE_COST = CACHE_LINES + 2 * 64  # static cycles of a node, all of it executed and not branching
PORTS = NODE_COST + NODES  # serial receivers, PORT_STRIDE words each

# A serial receiver.
ARRIVAL = 0  # the cycle at which the next byte is complete
RECEIVED = 1  # the data register
FULL = 2  # RXNE
OVERRUN = 3  # ORE
FRAME_CYCLES = 4  # from one byte of the other side to the next
LISTENS = 5  # receiver and port are enabled
INTERRUPTS = 6  # RXNEIE
STATUS_REST = 7  # the status register's other bits, which only Python changes
OVERRUN_SEEN = 8  # the status was read with ORE set (STM32F4: reading the data then clears it)
HEAD = 9  # of the ring of bytes on their way: the next to arrive
TAIL = 10
LOST = 11
STATUS_ADDRESS = 12
DATA_ADDRESS = 13
CLEARS_BY_READING = 14  # the STM32F4's way with ORE
EXCEPTION = 15
WAITS = 16  # the other side sends a byte only when the one before has been read
RING = 17
RING_SIZE = 1 << 15
PORT_STRIDE = RING + RING_SIZE
PORT_COUNT = 8
TOTAL = PORTS + PORT_COUNT * PORT_STRIDE
NEVER = (1 << 62) - 1

KIND_JUMP = 0
KIND_CALL = 1
KIND_RETURN = 2
KIND_TAIL_CALL = 3

# A site: what to look at, and the operands.
SITE_DIVIDE = 1  # fields 1, 2: dividend's and divisor's register; 3: signed
SITE_ALIGN = 2  # fields 1, 2: base and index register (-1 none); 3: shift; 4: offset; 5: access bytes
SITE_CONDITIONAL = (
    4  # field 6: cycles beyond those of a failed condition; the hook only sees it when it holds
)
SITE_MARK = 8  # field 7: which mark
SITE_WAIT = 16  # WFI
# Field 8 sums the extra cycles.

# An access record of a node: kind, base slot, index slot (-1), shift, offset, weight.
RECORD_WORD = 0
RECORD_HALF = 1
RECORD_BANK = 2
RECORD_STACK = 3
RECORD_FP = 4
RECORD_ALWAYS = 5
RECORD_IDLE = 6
RECORD_LINE = (
    7  # the block's code reaches a flash line: line number as offset, static cycles into the block as weight
)
RECORD_DATA = 8  # a load that may be from flash
RECORD_LITERAL = 9  # a load from an address that is known
RECORD_FIELDS = 8  # then, for flash: the instruction's address, and what it stalled in this execution

# Unicorn's register numbers (unicorn.arm_const).
_UC_R0 = 66
_UC_SP, _UC_LR, _UC_PC = 12, 10, 11
_UC_S0 = 79
_UC_FPSCR = 6
_UC_PRIMASK, _UC_BASEPRI, _UC_CONTROL, _UC_XPSR, _UC_IPSR = 123, 124, 117, 120, 114


@intrinsic
def _words_at(typing_context: Any, address: Any) -> Any:
    """The integer as a pointer to 64-bit words."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())

    return types.CPointer(types.int64)(types.int64), generate


@intrinsic
def _call_register_read(typing_context: Any, function: Any, engine: Any, register: Any, into: Any) -> Any:
    """Call ``uc_reg_read`` at an address known only at run time, which keeps the compiled hook cacheable."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word, half = ir.IntType(64), ir.IntType(32)
        kind = ir.FunctionType(half, [word, half, word])
        pointer = builder.inttoptr(arguments[0], kind.as_pointer())
        return builder.sext(builder.call(pointer, arguments[1:]), word)

    return types.int64(types.int64, types.int64, types.int32, types.int64), generate


@intrinsic
def _call_stop(typing_context: Any, function: Any, engine: Any) -> Any:
    """Call ``uc_emu_stop``."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word, half = ir.IntType(64), ir.IntType(32)
        kind = ir.FunctionType(half, [word])
        pointer = builder.inttoptr(arguments[0], kind.as_pointer())
        return builder.sext(builder.call(pointer, [arguments[1]]), word)

    return types.int64(types.int64, types.int64), generate


@intrinsic
def _call_memory(typing_context: Any, function: Any, engine: Any, address: Any, data: Any, size: Any) -> Any:
    """Call ``uc_mem_read`` or ``uc_mem_write``."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word, half = ir.IntType(64), ir.IntType(32)
        kind = ir.FunctionType(half, [word, word, word, word])
        pointer = builder.inttoptr(arguments[0], kind.as_pointer())
        return builder.sext(builder.call(pointer, arguments[1:]), word)

    return types.int64(types.int64, types.int64, types.int64, types.int64, types.int64), generate


@intrinsic
def _call_read(typing_context: Any, function: Any, engine: Any, offset: Any, size: Any, user: Any) -> Any:
    """Call Python's read function, a ``ctypes`` callback."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word, half = ir.IntType(64), ir.IntType(32)
        kind = ir.FunctionType(word, [word, word, half, word])
        pointer = builder.inttoptr(arguments[0], kind.as_pointer())
        return builder.call(pointer, arguments[1:])

    return types.int64(types.int64, types.int64, types.int64, types.uint32, types.int64), generate


@njit(inline="always")
def _hash(key: int) -> Any:
    mixed = np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)
    return np.int64(mixed >> np.uint64(45))


@njit(inline="always")
def _site_hash(address: int) -> Any:
    mixed = np.uint64(address) * np.uint64(0x9E3779B97F4A7C15)
    return np.int64(mixed >> np.uint64(51))


@njit(inline="always")
def _register(m: Any, engine: int, register: int) -> Any:
    """A 32-bit register's value, zero-extended."""
    _call_register_read(m[REG_READ], engine, np.int32(register), m[SCRATCH])
    return m[SCRATCH_WORD] & 0xFFFFFFFF


@njit(inline="always")
def _set_register(m: Any, engine: int, register: int, value: int) -> None:
    m[SCRATCH_WORD] = value & 0xFFFFFFFF
    _call_register_read(m[REG_WRITE], engine, np.int32(register), m[SCRATCH])


@njit(inline="always")
def _core(m: Any, engine: int, number: int) -> Any:
    """R0 to R15; Unicorn numbers R13 to R15 apart."""
    if number < 13:
        return _register(m, engine, _UC_R0 + number)
    return _register(m, engine, 12 if number == 13 else (10 if number == 14 else 11))


@njit(inline="always")
def _bits(value: int) -> int:
    count = 0
    while value:
        value >>= 1
        count += 1
    return count


@njit(inline="always")
def _divide_extra(dividend: int, divisor: int, signed: int) -> int:
    """Cycles of a divide beyond two; the same rule as ``timing.divide_cycles``."""
    if dividend == 0 or divisor == 0:
        return 0
    adjust = 0
    if signed:
        if divisor >> 31:
            divisor = (-divisor) & 0xFFFFFFFF
            power = divisor & (divisor - 1) == 0
            if power and dividend != 0x80000000:
                adjust = 1
            elif not power and dividend == 0x80000000:
                adjust = -1
        if dividend >> 31:
            dividend = (-dividend) & 0xFFFFFFFF
    bits = _bits(dividend) - _bits(divisor) + adjust
    return 1 if bits < 0 else 3 + bits // 4


@njit(inline="always")
def _align_extra(address: int, access_bytes: int) -> int:
    """Further bus accesses of an unaligned one: + 1, or + 2 for a word at an odd address (TRM)."""
    if access_bytes == 2:
        return address & 1
    return 0 if address & 3 == 0 else (2 if address & 1 else 1)


@njit(inline="always")
def _log_and_stop(m: Any, engine: int, address: int, size: int) -> None:
    count = m[LOG_COUNT]
    if count < LOG_SIZE:
        m[LOG + 2 * count] = address
        m[LOG + 2 * count + 1] = size
        m[LOG_COUNT] = count + 1
    m[REASON] = REASON_UNKNOWN
    _call_stop(m[EMU_STOP], engine)


@njit(cache=True)
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


@njit(cache=True)
def port_empty(m: Any, p: int, cycle: int) -> None:
    """The data register is free again; the other side may have waited for that."""
    m[p + FULL] = 0
    if m[p + WAITS] and m[p + ARRIVAL] == NEVER and m[p + HEAD] < m[p + TAIL]:
        m[p + ARRIVAL] = cycle + m[p + FRAME_CYCLES]


@njit(cache=True)
def port_status(m: Any, p: int, cycle: int, reads: bool) -> Any:
    """The status register; ``reads``: the program reads it, with what that entails."""
    port_advance(m, p, cycle)
    if reads:
        m[p + OVERRUN_SEEN] = m[p + OVERRUN]
    idle = m[p + CLEARS_BY_READING] & (1 - m[p + FULL])
    return m[p + STATUS_REST] | m[p + OVERRUN] << 3 | idle << 4 | m[p + FULL] << 5


@njit(cache=True)
def port_take(m: Any, p: int, cycle: int) -> Any:
    """The program reads the data register."""
    port_advance(m, p, cycle)
    port_empty(m, p, cycle)
    if m[p + CLEARS_BY_READING] and m[p + OVERRUN_SEEN]:
        m[p + OVERRUN] = 0
        m[p + OVERRUN_SEEN] = 0
    return m[p + RECEIVED]


@njit(inline="always")
def _requests(m: Any, p: int) -> Any:
    """Whether the receiver asks for an interrupt."""
    return m[p + LISTENS] and m[p + INTERRUPTS] and (m[p + FULL] or m[p + OVERRUN])


@njit(inline="always")
def _port_interrupts(m: Any, engine: int) -> bool:
    """Whether the native port's handler is to be entered now."""
    p = PORTS + m[NATIVE_PORT] * PORT_STRIDE
    port_advance(m, p, m[CYCLES])
    if m[NATIVE_ACTIVE] or not _requests(m, p) or m[CYCLES] >= m[DEADLINE]:
        return False
    masked = _register(m, engine, _UC_PRIMASK) & 1 or _register(m, engine, _UC_BASEPRI)
    return not masked and not _register(m, engine, _UC_CONTROL) & 2


@njit(inline="always")
def _pack(m: Any, position: int, value: int) -> None:
    """Value number ``position`` of the frame, two to a word."""
    if position & 1:
        m[FRAME + (position >> 1)] |= value << 32
    else:
        m[FRAME + (position >> 1)] = value


@njit(inline="always")
def _unpack(m: Any, position: int) -> Any:
    return (m[FRAME + (position >> 1)] >> (32 * (position & 1))) & 0xFFFFFFFF


@njit
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
    if frame < m[STACK_LIMIT] or _call_memory(m[MEM_WRITE], engine, frame, at, 104 if with_fp else 32):
        m[DEADLINE] = 0
        m[NATIVE_ALLOWED] = 0
        return False
    m[RETURN_CODE] = 0xFFFFFFE9 if with_fp else 0xFFFFFFF9
    _set_register(m, engine, _UC_SP, frame)
    _start_handler(m, engine, m[ENTRY_CYCLES])
    return True


@njit(inline="always")
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


@njit
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
    _call_memory(m[MEM_READ], engine, frame, m[SCRATCH] + 8 * (FRAME - SCRATCH_WORD), size)
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


@njit(inline="always")
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


@njit(inline="always")
def _cached(m: Any, cache: int, line: int, enter: bool) -> Any:
    """Whether a cache holds a line; it becomes the most recently used. ``enter``: put it there if it is not."""
    base = CACHE_LINES + 64 * cache
    held = m[CACHES + CACHE_FIELDS * cache]
    fits = m[CACHES + CACHE_FIELDS * cache + 1]
    position = 0
    while position < held and m[base + position] != line:
        position += 1
    found = position < held
    if not found:
        if not enter or fits == 0:
            return False
        position = min(held, fits - 1)
        m[CACHES + CACHE_FIELDS * cache] = min(held + 1, fits)
    while position > 0:
        m[base + position] = m[base + position - 1]
        position -= 1
    m[base] = line
    return found


@njit(inline="always")
def _code_line(m: Any, line: int, now: int) -> Any:
    """Cycles that the fetch of a flash line stalls the core, at cycle ``now``."""
    if line == m[LINE_CURRENT]:
        return 0
    prefetched = m[PREFETCH] and line == m[LINE_NEXT]
    stall = 0
    if not _cached(m, 0, line, not prefetched or m[PREFETCHED_ENTER] == 1):
        stall = max(0, m[LINE_READY] - now) if prefetched else m[WAIT_STATES]
    m[LINE_CURRENT] = line
    m[LINE_NEXT] = line + 1
    m[LINE_READY] = now + stall + m[WAIT_STATES] + 1
    return stall


@njit(inline="always")
def _accesses(m: Any, engine: int, node: int, start: int) -> Any:
    """Cycles that depend on the registers at the block's entry. A reason to stop, 0 for none."""
    registers = m[ACCESS + start]
    records = m[ACCESS + start + 1]
    values = ACCESS + start + 2
    # Register numbers stand in even words, their values are put beside them.
    for i in range(registers):
        m[values + 2 * i + 1] = _core(m, engine, m[values + 2 * i])
    extra = 0
    record = values + 2 * registers
    for _ in range(records):
        kind = m[record]
        address = m[record + 4] + m[values + 2 * m[record + 1] + 1]
        if m[record + 2] >= 0:
            address += m[values + 2 * m[record + 2] + 1] << m[record + 3]
        address &= 0xFFFFFFFF
        if kind == RECORD_LINE:
            m[record + 7] = _code_line(m, m[record + 4], m[CYCLES] + extra + m[record + 5])
            extra += m[record + 7]
        elif kind in (RECORD_DATA, RECORD_LITERAL):
            if kind == RECORD_LITERAL:
                address = m[record + 4]
            from_flash = m[FLASH_START] <= address < m[FLASH_END]
            m[record + 7] = m[WAIT_STATES] if from_flash and not _cached(m, 1, address >> 4, True) else 0
            extra += m[record + 7]
        elif kind == RECORD_WORD:
            extra += m[record + 5] * _align_extra(address, 4)
        elif kind == RECORD_HALF:
            extra += m[record + 5] * _align_extra(address, 2)
        elif kind == RECORD_BANK:
            if m[BANK_START] <= address < m[BANK_END]:
                extra += m[record + 5]
        elif kind == RECORD_ALWAYS:
            extra += m[record + 5]
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


@njit
def stalls_behind(m: Any, node: int, address: int) -> Any:
    """Of the flash stalls charged at the current block's entry, those at or behind ``address``."""
    start = m[NODE_ACCESS + node]
    if start == 0 or m[WAIT_STATES] == 0:
        return 0
    total = 0
    record = ACCESS + start + 2 + 2 * m[ACCESS + start]
    for _ in range(m[ACCESS + start + 1]):
        if m[record] in (RECORD_LINE, RECORD_DATA, RECORD_LITERAL) and m[record + 6] >= address:
            total += m[record + 7]
        record += RECORD_FIELDS
    return total


@njit(inline="always")
def _child(m: Any, parent: int, function: int) -> Any:
    """The context of ``function`` called from ``parent``; the parent itself when the table is full."""
    key = ((parent + 1) << 32) | function
    slot = _hash(key) & (CONTEXT_SLOTS - 1)
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


@njit(inline="always")
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


@njit
def _record_mark(m: Any, engine: int, which: int, address: int) -> None:
    """Keep the counts, and what is needed to tell how much of them lies behind ``address``."""
    m[MARKS_SEEN] |= 1 << which
    mark = MARK + MARK_FIELDS * which
    m[mark] = m[CYCLES]
    m[mark + 1] = m[INSTRUCTIONS]
    m[mark + 2] = m[NODE]
    m[mark + 3] = address
    for n in range(15):
        m[mark + 4 + n] = _core(m, engine, n)
    m[mark + 19] = stalls_behind(m, m[NODE], address)
    if m[WINDOWED]:
        m[CONTEXT_CYCLES + m[CONTEXT]] += m[COUNTING] * (m[CYCLES] - m[COUNTED])
        m[COUNTED] = m[CYCLES]
        m[COUNTING] = 1 - which


@cfunc(types.void(types.int64, types.int64, types.uint32, types.int64), cache=True)
def block_hook(engine: int, address: int, size: int, user: int) -> None:
    """UC_HOOK_BLOCK: account for the block just left, enter the one at ``address``."""
    m = _words_at(user)
    if m[REASON] == REASON_UNKNOWN:  # the stop was put off by an IT block: keep the path
        _log_and_stop(m, engine, address, size)
        return
    if m[RESUME]:
        m[RESUME] = 0
        if m[NODE_ADDRESS + m[NODE]] == address:
            return
    key = ((m[NODE] + 1) << 32) | address
    slot = _hash(key)
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
        _call_stop(m[EMU_STOP], engine)
    elif m[CYCLES] >= m[DEADLINE] or (m[INTERRUPT] and not _register(m, engine, _UC_PRIMASK) & 1):
        m[REASON] = REASON_DEADLINE
        m[RESUME] = 1
        _call_stop(m[EMU_STOP], engine)


@cfunc(types.void(types.int64, types.int64, types.uint32, types.int64), cache=True)
def site_hook(engine: int, address: int, size: int, user: int) -> None:
    """UC_HOOK_CODE on one instruction: what its operands add, and that it was reached."""
    m = _words_at(user)
    m[SITE] = address
    slot = _site_hash(address)
    while m[SITE_KEY + slot] != address:
        if m[SITE_KEY + slot] == 0:
            return
        slot = (slot + 1) & (SITES - 1)
    site = SITE_WORDS + slot * SITE_FIELDS
    kinds = m[site]
    extra = 0
    if kinds & SITE_MARK:
        seen = m[MARKS_SEEN]
        which = seen & 1 if m[TWICE] else m[site + 7]
        if not seen & (1 << which) and (which == 0 or seen & 1):
            _record_mark(m, engine, which, address)
            if m[TO_RETURN]:
                m[RETURN_AT] = _core(m, engine, 14) & ~1
                m[RETURN_STACK] = _core(m, engine, 13)
    if kinds & SITE_CONDITIONAL:
        extra += m[site + 6]
    if kinds & SITE_DIVIDE:
        dividend, divisor = _core(m, engine, m[site + 1]), _core(m, engine, m[site + 2])
        extra += _divide_extra(dividend, divisor, m[site + 3])
        if divisor == 0 and m[DIVIDE_TRAP]:
            m[REASON] = REASON_DIVIDE
            _call_stop(m[EMU_STOP], engine)
    if kinds & SITE_ALIGN:
        target = _core(m, engine, m[site + 1]) + m[site + 4]
        if m[site + 2] >= 0:
            target += _core(m, engine, m[site + 2]) << m[site + 3]
        extra += _align_extra(target & 0xFFFFFFFF, m[site + 5])
    m[CYCLES] += extra
    m[site + 8] += m[COUNTING] * extra
    if kinds & SITE_WAIT and m[NATIVE_ALLOWED] and _sleep(m):
        _set_register(m, engine, _UC_PC, (address + size) | 1)


@cfunc(types.void(types.int64, types.uint32, types.int64), cache=True)
def trap_hook(engine: int, number: int, user: int) -> None:
    """UC_HOOK_INTR: the return from a handler entered here; Python serves everything else."""
    m = _words_at(user)
    if number == 8 and m[NATIVE_ACTIVE]:
        _leave_handler(m, engine)
    else:
        m[TRAP] = number
        m[REASON] = REASON_TRAP
        _call_stop(m[EMU_STOP], engine)


@cfunc(types.int64(types.int64, types.int64, types.uint32, types.int64), cache=True)
def register_read(engine: int, offset: int, size: int, user: int) -> Any:
    """uc_cb_mmio_read: a register that Python says stands still until the next event, else ask Python."""
    region = _words_at(user)
    address = region[0] + offset
    m = _words_at(user - 8 * region[1])
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
    return _call_read(region[2], engine, offset, size, user)


def table_slot(m: np.ndarray, key: int) -> int:
    """Where an edge's key is or belongs in the table."""
    slot = ((key * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF) >> 45
    while m[TABLE_KEY + slot] not in (0, key):
        slot = (slot + 1) & (TABLE - 1)
    return slot


def site_slot(m: np.ndarray, address: int) -> int:
    """Where a site is or belongs in the table."""
    slot = ((address * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF) >> 51
    while m[SITE_KEY + slot] not in (0, address):
        slot = (slot + 1) & (SITES - 1)
    return slot
