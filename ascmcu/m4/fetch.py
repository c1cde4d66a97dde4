# SPDX-License-Identifier: Apache-2.0
"""The prefetch queue of the Cortex-M4, cycle by cycle: whether the next instruction is there when it is wanted.

Three words are fetched ahead (Arm knowledge base ka8521): the register that feeds the decoder holds one, a queue
the two others. One word can be asked for per cycle and reaches the decoder two cycles later. A word is
asked for when it fits, or when it will fit once the instruction in decode has moved on, which the core only
knows in time while a single-cycle instruction executes that is neither load, store, divide nor FP.

Branches are resolved where the ETM chapter of the Cortex-M3's manual says (DDI 0337G, table 15-3): B, BL, and
BX LR unless LR has just been written, ask for their target while they are being decoded; everything else asks
when it executes. What the queue does between is CM: cmemu, verified against silicon (its ``fetch.rs`` and ``piq.rs``).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

QUEUE_HALFWORDS = 6  # the decoder's register included
REGISTER_HALFWORDS = 2
WORD_HALFWORDS = 2


@dataclass(frozen=True)
class Fetch:
    """The queue at the beginning of a cycle.

    ``register`` and ``queue`` count halfwords; ``coming`` is what arrives for the next cycle. ``busy`` cycles
    from now on the execute stage is taken, and while it is, ``blind`` says that the core cannot tell
    whether it will be free in the next one.
    """

    register: int
    queue: int
    coming: int
    busy: int = 1
    blind: bool = False

    @property
    def held(self) -> int:
        """Halfwords that are there or on their way."""
        return self.register + self.queue + self.coming

    @property
    def allocated(self) -> int:
        """Halfwords that are taken or promised; a word is the unit for all but the queue."""
        return WORD_HALFWORDS * ((self.register > 0) + (self.coming > 0)) + self.queue


@dataclass(frozen=True)
class Arrival:
    """When an instruction starts to execute, in cycles from the state before, and the queue then.

    ``asked`` are the cycles in which words were asked for on the way; the first lies ``ahead_halfwords`` behind
    the instruction's own first, the others follow it.
    """

    cycle: int
    fetch: Fetch
    asked: tuple[int, ...]
    ahead_halfwords: int


def at_target(address: int) -> Fetch:
    """The queue when the first word behind a taken branch has just come."""
    return Fetch(REGISTER_HALFWORDS - address // 2 % 2, 0, WORD_HALFWORDS)


@cache
def executing(fetch: Fetch, busy: int, blind: bool) -> Fetch:
    """The queue when an instruction starts to execute that takes ``busy`` cycles."""
    return Fetch(fetch.register, fetch.queue, fetch.coming, busy, blind)


@cache  # of a few hundred states that there are
def arrive(fetch: Fetch, halfwords: int, earliest: int, *, speculates: bool = False) -> Arrival:
    """Decode the next instruction and let it start.

    Args:
        fetch: the queue when the instruction before started.
        halfwords: the instruction's size.
        earliest: the first cycle in which the execute stage could take it.
        speculates: a conditional branch, not taken: it asked for its target in vain.
    """
    now = fetch
    cycle = 0
    decoded = -1
    asked: list[int] = []
    while True:
        if decoded < 0 and now.register >= halfwords:
            decoded = cycle
        moves = decoded >= 0 and cycle + 1 >= earliest
        wasted = speculates and decoded == cycle
        asks = not wasted and _asks(now, halfwords if decoded >= 0 else 0, moves, decoded, cycle)
        if asks:
            asked.append(cycle)
        now = _tick(now, halfwords if moves else 0, WORD_HALFWORDS if asks else 0)
        cycle += 1
        if moves:
            return Arrival(cycle, now, tuple(asked), fetch.held)


def _asks(now: Fetch, halfwords: int, moves: bool, decoded: int, cycle: int) -> bool:
    """Whether a word is asked for in this cycle."""
    free = QUEUE_HALFWORDS - now.allocated
    if free >= WORD_HALFWORDS:
        return True
    if (now.blind and cycle < now.busy) or 0 <= decoded < cycle:
        return False
    if halfwords:
        gained = WORD_HALFWORDS if now.register == 1 or halfwords == WORD_HALFWORDS else 1
        return moves and free + gained >= WORD_HALFWORDS
    return free + REGISTER_HALFWORDS - now.register >= WORD_HALFWORDS


def _tick(now: Fetch, consumed: int, asked: int) -> Fetch:
    register = now.register - consumed
    queue = now.queue + now.coming
    taken = min(REGISTER_HALFWORDS - register, queue)
    return Fetch(register + taken, queue - taken, asked, now.busy, now.blind)


def branch_in_decode(
    fetch: Fetch, halfwords: int, earliest: int, target: int, *, ahead: bool = True
) -> tuple[int, int, Fetch]:
    """A taken branch that asks for its target while it is being decoded.

    Args:
        fetch: the queue when the instruction before started.
        halfwords: the branch's size.
        earliest: the first cycle in which the execute stage could take it.
        target: where it goes.
        ahead: whether it asks as soon as it is decoded; False behind stores, where it asks in the cycle before it
            starts.

    Returns: the cycle in which it starts to execute; how many cycles behind that its target's first halfword is
    there to be decoded; the queue at that moment. Behind a multi-cycle instruction the target may be there
    at once.
    """
    now = fetch
    cycle = 0
    while now.register < halfwords:
        asks = now.allocated + WORD_HALFWORDS <= QUEUE_HALFWORDS
        now = _tick(now, 0, WORD_HALFWORDS if asks else 0)
        cycle += 1
    first = WORD_HALFWORDS - target // 2 % 2
    queue, coming, asked = 0, 0, first
    starts = max(cycle + 1, earliest)
    cycle = cycle if ahead else starts - 1
    while cycle + 1 < starts:  # held in decode: two words of the target fit behind it
        cycle += 1
        queue, coming = queue + coming, asked
        asked = WORD_HALFWORDS if WORD_HALFWORDS * (1 + (coming > 0)) + queue <= QUEUE_HALFWORDS - 2 else 0
    queue, coming = queue + coming, asked
    behind = 0
    while not queue:
        behind += 1
        queue, coming = coming, WORD_HALFWORDS
    register = min(REGISTER_HALFWORDS, queue)
    return starts, behind, Fetch(register, queue - register, coming)
