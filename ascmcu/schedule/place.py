# SPDX-License-Identifier: Apache-2.0
"""Place buffers in one arena, such that no two buffers overlap while both are in use."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from ascmcu.schedule.plan import Buffer

Matrix = npt.NDArray[np.bool_]
NONE: Mapping[tuple[str, str], int] = MappingProxyType({})

# Improvement rounds after the greedy orders, each with a fixed seed: placements are reproducible.
_ROUNDS = 100
# Close enough to the bound to stop looking.
_CLOSE = 1.002


# Of two buffers, by their places in a list: how far the second has to begin behind the first.
Rolls = Mapping[tuple[int, int], int]


def place(
    buffers: Sequence[Buffer], events: int, rolling: Mapping[tuple[str, str], int] = NONE
) -> tuple[tuple[Buffer, ...], int, int]:
    """Buffers with offsets, the arena's size, and the lower bound on it (the largest sum of live bytes).

    Args:
        buffers: not yet placed.
        events: of the schedule.
        rolling: of two buffers that are both in use, by their names: the second may lie in bytes of the first if it
            begins so far behind it.
    """
    live = liveness(buffers, events)
    sizes = np.array([b.size_bytes for b in buffers], np.int64)
    sums = sizes @ live
    places = {b.name: i for i, b in enumerate(buffers)}
    rolls = {(places[a], places[b]): behind for (a, b), behind in rolling.items()}
    for (first, second), behind in rolls.items():
        common = min(max(int(sizes[first]) - behind, 0), int(sizes[second]))
        sums = sums - (live[first] & live[second]) * common
    bound = int(sums.max(initial=0))
    conflicts: Matrix = (live.astype(np.float32) @ live.T.astype(np.float32)) > 0
    offsets, size = _best(sizes, live, conflicts, bound, rolls)
    placed = tuple(dataclasses.replace(b, offset=int(o)) for b, o in zip(buffers, offsets, strict=True))
    return placed, size, bound


def liveness(buffers: Sequence[Buffer], events: int) -> Matrix:
    """(buffers, event slots): live or not. Events at which nothing begins add nothing and are left out."""
    intervals = np.array([interval for b in buffers for interval in b.live], np.int64).reshape(-1, 2)
    slots = np.unique(intervals[:, 0]) if len(intervals) else np.zeros(1, np.int64)
    begins = np.searchsorted(slots, intervals[:, 0])
    ends = np.searchsorted(slots, intervals[:, 1], side="right")
    live = np.zeros((len(buffers), len(slots)), bool)
    owners = (i for i, b in enumerate(buffers) for _ in b.live)
    for i, begin, end in zip(owners, begins.tolist(), ends.tolist(), strict=True):
        live[i, begin:end] = True
    return live


def _best(
    sizes: npt.NDArray[np.int64], live: Matrix, conflicts: Matrix, bound: int, rolls: Rolls
) -> tuple[npt.NDArray[np.int64], int]:
    """Greedy in several orders; then the order is shuffled where it hurts until the bound is met or rounds end."""
    duration = live.sum(axis=1)
    degree = conflicts @ sizes
    keys = (-sizes, -(sizes * duration), -duration, -degree, -(degree * sizes))
    lengths = [int(size) for size in sizes]
    neighbours = [[int(j) for j in np.flatnonzero(row)] for row in conflicts]
    orders = [[int(i) for i in np.argsort(key, kind="stable")] for key in keys]
    tried = [(order, *_first_fit(order, lengths, neighbours, rolls)) for order in orders]
    best_order, best_offsets, best_size = min(tried, key=lambda t: t[2])
    rng = np.random.default_rng(1)
    for _ in range(_ROUNDS):
        if best_size <= bound * _CLOSE:
            break
        order = best_order.copy()
        # A buffer at the top of the arena is placed earlier.
        top = [i for i, offset in enumerate(best_offsets) if offset + lengths[i] == best_size]
        moved = int(rng.choice(top)) if rng.random() < 0.7 else int(rng.choice(best_order))
        position = order.index(moved)
        del order[position]
        order.insert(int(rng.integers(0, position + 1)), moved)
        offsets, size = _first_fit(order, lengths, neighbours, rolls)
        if size <= best_size:
            best_order, best_offsets, best_size = order, offsets, size
    return np.array(best_offsets, np.int64), best_size


def _first_fit(
    order: Sequence[int], sizes: list[int], neighbours: list[list[int]], rolls: Rolls
) -> tuple[list[int], int]:
    """Each buffer, in ``order``, at the lowest offset that is free for as long as it lives.

    Plain lists: this runs hundreds of times on about a hundred buffers, where array calls cost more than they save.
    """
    offsets = [-1] * len(sizes)
    top = 0
    rolled = {i for pair in rolls for i in pair}
    for i in order:
        placed = [j for j in neighbours[i] if offsets[j] >= 0]
        if i in rolled:
            offset = _rolled(i, placed, offsets, sizes, rolls)
        else:
            offset, size = 0, sizes[i]
            for begin, end in sorted((offsets[j], offsets[j] + sizes[j]) for j in placed):
                if offset + size <= begin:
                    break
                if end > offset:
                    offset = end
        offsets[i] = offset
        top = max(top, offset + sizes[i])
    return offsets, top


def _rolled(i: int, placed: Sequence[int], offsets: list[int], sizes: list[int], rolls: Rolls) -> int:
    """The lowest offset of a buffer that may lie in others' bytes."""
    taken = [
        (offsets[j], offsets[j] + rolls.get((j, i), sizes[j]), rolls.get((i, j), sizes[i]))
        for j in placed
        if j != i
    ]
    offset = 0
    while ends := [end for begin, end, size in taken if offset < end and offset + size > begin]:
        offset = min(ends)
    return offset
