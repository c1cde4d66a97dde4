# SPDX-License-Identifier: Apache-2.0
"""The array that Python and native code share: where each word of it lies, out of one ordered list.

All words are 64-bit integers. A name's number is the room that the list before it takes, so a word that is added
moves those behind it; ``native.py`` puts this file into the key of the compiled code's cache.
"""

from __future__ import annotations


class _List:
    """Words, given out one after another; ``size`` of them so far."""

    def __init__(self) -> None:
        self.size = 0

    def word(self) -> int:
        """Where the next word lies."""
        return self.words(1)

    def words(self, count: int) -> int:
        """Where the next ``count`` words begin."""
        first = self.size
        self.size += count
        return first


# ---- Room.

NODES = 1 << 16
EDGES = 1 << 18
TABLE_BITS = 19  # of the index of the hash table of edges
TABLE = 1 << TABLE_BITS
SITE_BITS = 14
SITES = 1 << SITE_BITS
WORDS = 1 << 19  # of all access programs
CONTEXTS = 1 << 15
CONTEXT_SLOTS = 1 << 17
STACK_SIZE = 1 << 12
REGIONS = 8
SHADOW_SIZE = 8
LOG_SIZE = 32
CACHE_SIZE = 256  # lines that a flash cache may hold
SERVED_SIZE = 4  # reads of code that may be on their way; a power of two
SYSTEM_START = 0x2000_0000  # from here on the core uses its system bus
BANKS = 8  # memories that answer for themselves
RING_SIZE = 1 << 15  # bytes on their way to a serial receiver
PORT_COUNT = 8

# ---- What is told by a number.

NEVER = (1 << 62) - 1
SHADOW_LIMIT = 1_000_000  # so many hits without an event, and Python has a look

REASON_NONE = 0
REASON_UNKNOWN = 1
REASON_DEADLINE = 2
REASON_STACK = 3
REASON_IDLE = 4
REASON_DIVIDE = 5
REASON_TRAP = 6  # an exception that Python has to serve: its number is in TRAP

KIND_JUMP = 0
KIND_CALL = 1
KIND_RETURN = 2
KIND_TAIL_CALL = 3

# What to look at where an instruction is watched by itself; a set of bits.
SITE_DIVIDE = 1
SITE_ALIGN = 2
SITE_CONDITIONAL = 4  # the hook only sees it when its condition holds
SITE_MARK = 8
SITE_WAIT = 16  # WFI
SITE_FLASH = 32  # a load that may be from flash, where only the instruction itself tells the address
SITE_MEMORY = (
    64  # an access under a condition, or behind one: which memory it goes to is looked at in its turn
)

RECORD_WORD = 0
RECORD_HALF = 1
RECORD_BANK = 2
RECORD_STACK = 3
RECORD_FP = 4
RECORD_ALWAYS = 5
RECORD_IDLE = 6
RECORD_ASK = 7  # the fetch asks for a read of the flash
RECORD_AWAIT = 8  # an instruction needs it
RECORD_DATA = 9  # a load that may be from flash
RECORD_FIRST = 10  # an access behind which another one follows, if it is to the same memory
RECORD_CHAINED = 11  # that one
RECORD_SWITCH = 12  # an access by itself, which may change the memory behind the system bus

# ---- A site: an instruction whose cost depends on its operands.

_site = _List()
SITE_KINDS = _site.word()
SITE_DIVIDEND = _site.word()  # registers of a divide
SITE_DIVISOR = _site.word()
SITE_SIGNED = _site.word()
SITE_BASE = _site.word()  # registers of an access, -1 for no index
SITE_INDEX = _site.word()
SITE_SHIFT = _site.word()
SITE_OFFSET = _site.word()
SITE_BYTES = _site.word()
SITE_MORE = _site.word()  # cycles beyond those of a failed condition
SITE_WHICH = _site.word()  # which mark
SITE_BEHIND = _site.word()  # the access under a condition: a block that begins behind it has records instead
SITE_OVERLAPS = _site.word()  # 1: it overlaps the access before, if both are to one memory
SITE_WAITS = _site.word()  # cycles when it changes the memory behind the system bus by itself
SITE_LEADS = _site.word()  # 1: it is where a group of accesses waits for slow RAM
SITE_EXTRA = _site.word()  # the extra cycles, summed
SITE_FIELDS = _site.size

# ---- An access program: what depends on the registers at a block's entry.
# It begins with a header; then pairs of a register's number and its value; then records.

_header = _List()
PROGRAM_REGISTERS = _header.word()
PROGRAM_RECORDS = _header.word()
PROGRAM_HEADER = _header.size

_record = _List()
FIELD_KIND = _record.word()
FIELD_BASE = _record.word()  # which of the program's registers, -1 for none
FIELD_INDEX = _record.word()  # likewise, -1 for none
FIELD_SHIFT = _record.word()  # of a RECORD_ASK the words up to the read's end
FIELD_CONSTANT = _record.word()  # the offset; of code the read's number
FIELD_WEIGHT = _record.word()  # how many such accesses; for the flash the static cycles into the block
FIELD_ADDRESS = _record.word()  # of the instruction, for flash
FIELD_STALL = _record.word()  # what it stalled in this execution
RECORD_FIELDS = _record.size

# ---- A mark: a counted moment.

_mark = _List()
MARK_CYCLES = _mark.word()
MARK_INSTRUCTIONS = _mark.word()
MARK_NODE = _mark.word()
MARK_ADDRESS = _mark.word()
MARK_REGISTERS = _mark.words(15)  # R0 to R14
MARK_STALLS = _mark.word()  # flash stalls charged ahead
MARK_FIELDS = _mark.size

# ---- A flash cache.

_cache = _List()
CACHE_SETS = _cache.word()  # a power of two
CACHE_WAYS = _cache.word()  # lines in a set; 0 for no cache
CACHE_LINE_BITS = _cache.word()  # of the number of reads in a line
CACHE_ROUND_ROBIN = _cache.word()  # 1: a line's age counts from its coming, not from its use
CACHE_FIELDS = _cache.size

# ---- A region of registers.

_region = _List()
REGION_BASE = _region.word()
REGION_AT = _region.word()  # where in the array this region's words begin
REGION_READ = _region.word()  # Python's read function
REGION_FIELDS = _region.size

# ---- A serial receiver.

_port = _List()
ARRIVAL = _port.word()  # the cycle at which the next byte is complete
RECEIVED = _port.word()  # the data register
FULL = _port.word()  # RXNE
OVERRUN = _port.word()  # ORE
FRAME_CYCLES = _port.word()  # from one byte of the other side to the next
LISTENS = _port.word()  # receiver and port are enabled
INTERRUPTS = _port.word()  # RXNEIE
STATUS_REST = _port.word()  # the status register's other bits, which only Python changes
OVERRUN_SEEN = _port.word()  # the status was read with ORE set (STM32F4: reading the data then clears it)
HEAD = _port.word()  # of the ring of bytes on their way: the next to arrive
TAIL = _port.word()
LOST = _port.word()
STATUS_ADDRESS = _port.word()
DATA_ADDRESS = _port.word()
CLEARS_BY_READING = _port.word()  # the STM32F4's way with ORE
EXCEPTION = _port.word()
WAITS = _port.word()  # the other side sends a byte only when the one before has been read
RING = _port.words(RING_SIZE)
PORT_STRIDE = _port.size

# ---- The array.

_array = _List()

CYCLES = _array.word()  # up to the start of the current block, extras so far included
INSTRUCTIONS = _array.word()  # of all blocks entered
NODE = _array.word()  # the block being executed
SITE = _array.word()  # address of the last site instruction in this block, 0 when none was reached yet
DEADLINE = _array.word()  # stop at the first block that starts at or behind this cycle
REASON = _array.word()  # why the hook asked for a stop
RESUME = _array.word()  # the block of NODE was entered, accounted for, and not executed
INTERRUPT = _array.word()  # an interrupt waits for PRIMASK to clear
TRAP = _array.word()
DIVIDE_TRAP = _array.word()  # CCR.DIV_0_TRP
FP_USED = _array.word()  # an FP instruction was executed in this context (CONTROL.FPCA)
FP_AUTOMATIC = _array.word()  # FPCCR.ASPEN
STACK_LIMIT = _array.word()
STACK_POINTER = _array.word()  # where it stood when REASON is STACK
BANK_START = _array.word()  # RAM whose first access of a group waits, as [start, end)
BANK_END = _array.word()
BANK_COUNT = _array.word()  # memories whose accesses do not overlap with those of another
BANK_SPANS = _array.words(2 * BANKS)  # as [start, end)
BANK_LAST = _array.word()  # the one of the access before, in a chain
SYSTEM_LAST = _array.word()  # of the last access over the system bus
LOG_COUNT = _array.word()
LOG = _array.words(2 * LOG_SIZE)  # pairs of address and size

# Addresses of Unicorn's functions, and the word that they read into and write from.
REG_READ = _array.word()
REG_WRITE = _array.word()
MEM_READ = _array.word()
MEM_WRITE = _array.word()
EMU_STOP = _array.word()
SCRATCH = _array.word()  # the address of SCRATCH_WORD
SCRATCH_WORD = _array.word()

# Costs of exceptions.
ENTRY_CYCLES = _array.word()
EXIT_CYCLES = _array.word()
CHAIN_CYCLES = _array.word()
FP_CYCLES = _array.word()

# Registers that read the same until the next event: pairs of address and value.
SHADOW_HITS = _array.word()
SHADOW_COUNT = _array.word()
SHADOW = _array.words(2 * SHADOW_SIZE)
REGION = _array.words(REGIONS * REGION_FIELDS)

# The flash; no wait states leave the rest unused.
WAIT_STATES = _array.word()
FLASH_START = _array.word()
FLASH_END = _array.word()
READ_BITS = _array.word()  # of the bytes that the array gives at once
ARRAY_FREE = _array.word()  # the cycle at which the array can begin its next read
READ_CURRENT = _array.word()  # the read that code was served from last
READ_ENDS = _array.word()  # when its last word has been taken, at the earliest
SERVED = _array.words(SERVED_SIZE)  # when reads were served, by the read's number, for those that are awaited
PREFETCH = _array.word()
READ_NEXT = _array.word()  # the prefetched read
NEXT_SERVED = _array.word()  # when it can be served
CACHE_OF_DATA = _array.word()  # which of the caches data goes through
CACHES = _array.words(2 * CACHE_FIELDS)
CACHE_LINES = _array.words(2 * CACHE_SIZE)  # line << 8 | valid reads; the one that goes next last in each set

# Profiles.
PROFILE = _array.word()  # whether calls are followed
COUNTING = (
    _array.word()
)  # 1 while edges, contexts and sites are counted; 0 outside the stretch that is profiled
CONTEXT = _array.word()  # the calling context being executed
CONTEXT_COUNT = _array.word()
COUNTED = _array.word()  # cycles that contexts hold already
DEPTH = _array.word()  # of the shadow stack
MARKS_SEEN = _array.word()
MARK = _array.words(2 * MARK_FIELDS)
WINDOWED = _array.word()  # whether the marks open and close that stretch
TO_RETURN = _array.word()  # mark 1 is where the function of mark 0 returns to
RETURN_AT = _array.word()  # that address, 0 for none
RETURN_STACK = _array.word()  # the stack pointer there
TWICE = _array.word()  # both marks are at one address: the first two times that it is reached

# The serial port whose interrupts are served in native code.
NATIVE_PORT = _array.word()  # its index, -1 for none
NATIVE_ALLOWED = _array.word()  # nothing else is pending or active, and nobody is profiling
NATIVE_ACTIVE = _array.word()  # its handler is running
HANDLER = _array.word()  # the handler's address
RETURN_CODE = _array.word()  # EXC_RETURN of the active handler
TAKEN = _array.word()  # interrupts entered
SLEPT = _array.word()  # cycles slept
FRAME = _array.words(13)  # two values in each

NODE_ADDRESS = _array.words(NODES)
NODE_SIZE = _array.words(NODES)
NODE_INSTRUCTIONS = _array.words(NODES)
NODE_ACCESS = _array.words(NODES)  # where in ACCESS its program begins, 0 for none
NODE_EXTRA = _array.words(NODES)  # dynamic cycles, summed
NODE_COST = _array.words(NODES)  # static cycles of a node, all of it executed and not branching
EDGE_COST = _array.words(EDGES)
EDGE_NEXT = _array.words(EDGES)
EDGE_COUNT = _array.words(EDGES)
EDGE_KIND = _array.words(EDGES)
TABLE_KEY = _array.words(TABLE)  # (node + 1) << 32 | address, 0 for empty
TABLE_EDGE = _array.words(TABLE)
SITE_KEY = _array.words(SITES)  # address, 0 for empty
SITE_WORDS = _array.words(SITES * SITE_FIELDS)
ACCESS = _array.words(WORDS)
CONTEXT_PARENT = _array.words(CONTEXTS)
CONTEXT_FUNCTION = _array.words(CONTEXTS)
CONTEXT_CYCLES = _array.words(CONTEXTS)
CONTEXT_CALLS = _array.words(CONTEXTS)
CONTEXT_KEY = _array.words(CONTEXT_SLOTS)
CONTEXT_VALUE = _array.words(CONTEXT_SLOTS)
STACK = _array.words(2 * STACK_SIZE)  # pairs of return address and the caller's context
PORTS = _array.words(PORT_COUNT * PORT_STRIDE)
TOTAL = _array.size
