# SPDX-License-Identifier: Apache-2.0
"""The flash as the core sees it: an array that takes its time, behind line buffer, prefetch and caches. Native code.

One array read brings ``1 << READ_BITS`` bytes and takes the wait states and one cycle; the next begins behind it,
whoever asks: code, data and prefetch share the one array. What was read last stays in the line buffer. A prefetch of
the read behind it begins when code is served from a read, unless the cache holds that one. A cache keeps lines of one
read or several, each read of a line with its own valid bit, and drops the line of the set that was not used for the
longest time, or the one that came first. Which, how many lines, sets and bytes, and whether there is a prefetch, comes
from the chip's description.

All times are in cycles of the core. A read that is *served* at a cycle behaves as if it had been asked for at that
cycle in a flash without wait states.
"""

# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

from typing import Any

from ascmcu.sim.native import compiled, inlined
from ascmcu.sim.words import *

# From the cycle in which a word is asked for to the one in which its instruction may start: fetch.arrive.
LEAD_CYCLES = 3


@inlined
def _array_read(m: Any, cycle: int) -> Any:
    """When a read of the array that is wanted at ``cycle`` is served."""
    begins = max(cycle, m[ARRAY_FREE])
    m[ARRAY_FREE] = begins + m[WAIT_STATES] + 1
    return begins + m[WAIT_STATES]


@inlined
def _way(m: Any, cache: int, read: int) -> Any:
    """Where the set of a read begins, and which of its ways holds the read's line; -1: none."""
    fields = CACHES + CACHE_FIELDS * cache
    ways = m[fields + CACHE_WAYS]
    line = read >> m[fields + CACHE_LINE_BITS]
    base = CACHE_LINES + CACHE_SIZE * cache + ways * (line & (m[fields + CACHE_SETS] - 1))
    for way in range(ways):
        if m[base + way] >> 8 == line:
            return base, way
    return base, -1


@inlined
def _bit(m: Any, cache: int, read: int) -> Any:
    """The valid bit of a read within its line."""
    return 1 << (read & ((1 << m[CACHES + CACHE_FIELDS * cache + CACHE_LINE_BITS]) - 1))


@inlined
def _holds(m: Any, cache: int, read: int) -> Any:
    """Whether a cache has a read; nothing changes."""
    base, way = _way(m, cache, read)
    return way >= 0 and m[base + way] & _bit(m, cache, read)


@inlined
def _use(m: Any, cache: int, read: int) -> Any:
    """Whether a cache had a read; it has it now."""
    fields = CACHES + CACHE_FIELDS * cache
    ways = m[fields + CACHE_WAYS]
    if ways == 0:
        return False
    base, way = _way(m, cache, read)
    hit = way >= 0
    entry = (read >> m[fields + CACHE_LINE_BITS]) << 8
    if hit:
        entry = m[base + way]
    else:
        way = ways - 1
    bit = _bit(m, cache, read)
    found = (entry & bit) != 0
    if hit and m[fields + CACHE_ROUND_ROBIN]:
        m[base + way] = entry | bit
        return found
    while way > 0:
        m[base + way] = m[base + way - 1]
        way -= 1
    m[base] = entry | bit
    return found


@inlined
def ask_code(m: Any, read: int, words: int, cycle: int) -> None:
    """The fetch asks for a read at ``cycle``, for ``words`` words to its end; ``await_code`` tells what that costs."""
    if read == m[READ_CURRENT]:
        return
    if read == m[READ_CURRENT] + 1:  # in sequence: one word a cycle, behind the last word of the read before
        cycle = max(cycle, m[READ_ENDS])
    held = _use(m, 0, read)
    if m[PREFETCH] and read == m[READ_NEXT]:
        served = max(cycle, m[NEXT_SERVED])
    elif held:
        served = cycle
    else:
        served = _array_read(m, cycle)
    m[READ_CURRENT] = read
    m[READ_ENDS] = served + words
    m[SERVED + (read & (SERVED_SIZE - 1))] = served
    if m[PREFETCH]:
        m[READ_NEXT] = read + 1
        m[NEXT_SERVED] = 0
        if not _holds(m, 0, read + 1):
            m[NEXT_SERVED] = _array_read(m, served)


@inlined
def await_code(m: Any, read: int, cycle: int) -> Any:
    """Cycles that an instruction which could start at ``cycle`` waits for the read that it comes from."""
    return max(0, m[SERVED + (read & (SERVED_SIZE - 1))] + LEAD_CYCLES - cycle)


@inlined
def load_data(m: Any, address: int, cycle: int) -> Any:
    """Cycles that a load at ``cycle`` waits for the flash; 0 elsewhere."""
    if address < m[FLASH_START] or address >= m[FLASH_END]:
        return 0
    read = address >> m[READ_BITS]
    if _use(m, m[CACHE_OF_DATA], read):
        return 0
    return _array_read(m, cycle) - cycle


@compiled
def stalls_behind(m: Any, node: int, address: int) -> Any:
    """Of what memories were charged for at the current block's entry, the cycles at or behind ``address``."""
    start = m[NODE_ACCESS + node]
    if start == 0:
        return 0
    total = 0
    record = ACCESS + start + PROGRAM_HEADER + 2 * m[ACCESS + start + PROGRAM_REGISTERS]
    for _ in range(m[ACCESS + start + PROGRAM_RECORDS]):
        kind = m[record + FIELD_KIND]
        if (
            kind in (RECORD_AWAIT, RECORD_DATA, RECORD_CHAINED, RECORD_SWITCH)
            and m[record + FIELD_ADDRESS] >= address
        ):
            total += m[record + FIELD_STALL]
        record += RECORD_FIELDS
    return total
