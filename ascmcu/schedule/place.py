"""Where each buffer lies: offsets in one arena such that no two buffers overlap while both are live."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ascmcu.schedule.plan import Buffer

Matrix = npt.NDArray[np.bool_]

# Improvement rounds after the greedy orders, each with a fixed seed: placements are reproducible.
_ROUNDS = 400


def place(buffers: Sequence[Buffer], events: int) -> tuple[tuple[Buffer, ...], int, int]:
    """Buffers with offsets, the arena's size, and the lower bound on it (the largest sum of live bytes)."""
    live = _liveness(buffers, events)
    sizes = np.array([b.size_bytes for b in buffers], np.int64)
    bound = int((sizes @ live).max(initial=0))
    conflicts: Matrix = (live.astype(np.float32) @ live.T.astype(np.float32)) > 0
    offsets, size = _best(sizes, live, conflicts, bound)
    placed = tuple(dataclasses.replace(b, offset=int(o)) for b, o in zip(buffers, offsets, strict=True))
    return placed, size, bound


def _liveness(buffers: Sequence[Buffer], events: int) -> Matrix:
    """(buffers, event slots): live or not. Events at which nothing begins add nothing and are left out."""
    slots = np.unique([first for b in buffers for first, _ in b.live] or [0])
    live = np.zeros((len(buffers), len(slots)), bool)
    for i, b in enumerate(buffers):
        for first, last in b.live:
            live[i, np.searchsorted(slots, first) : np.searchsorted(slots, last, side="right")] = True
    return live


def _best(
    sizes: npt.NDArray[np.int64], live: Matrix, conflicts: Matrix, bound: int
) -> tuple[npt.NDArray[np.int64], int]:
    """Greedy in several orders; then the order is shuffled where it hurts until the bound is met or rounds end."""
    duration = live.sum(axis=1)
    degree = conflicts @ sizes
    keys = (-sizes, -(sizes * duration), -duration, -degree, -(degree * sizes))
    best_order, best_offsets, best_size = None, None, None
    for key in keys:
        order = np.argsort(key, kind="stable")
        offsets, size = _first_fit(order, sizes, conflicts)
        if best_size is None or size < best_size:
            best_order, best_offsets, best_size = order, offsets, size
    assert best_order is not None and best_offsets is not None and best_size is not None
    rng = np.random.default_rng(1)
    for _ in range(_ROUNDS):
        if best_size <= bound:
            break
        order = best_order.copy()
        # A buffer at the top of the arena is placed earlier.
        top = np.flatnonzero(best_offsets + sizes == best_size)
        moved = int(rng.choice(top)) if rng.random() < 0.7 else int(rng.choice(best_order))
        position = int(np.flatnonzero(order == moved)[0])
        order = np.insert(np.delete(order, position), int(rng.integers(0, position + 1)), moved)
        offsets, size = _first_fit(order, sizes, conflicts)
        if size <= best_size:
            best_order, best_offsets, best_size = order, offsets, size
    return best_offsets, best_size


def _first_fit(
    order: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64], conflicts: Matrix
) -> tuple[npt.NDArray[np.int64], int]:
    offsets = np.full(len(sizes), -1, np.int64)
    for i in order:
        others = np.flatnonzero(conflicts[i] & (offsets >= 0))
        others = others[np.argsort(offsets[others], kind="stable")]
        offset = 0
        for j in others:
            if offset + sizes[i] <= offsets[j]:
                break
            offset = max(offset, int(offsets[j] + sizes[j]))
        offsets[i] = offset
    return offsets, int((offsets + sizes).max(initial=0))
