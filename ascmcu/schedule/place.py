"""Where each buffer lies: offsets in one arena such that no two live buffers overlap."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from ascmcu.schedule.plan import Buffer


def lower_bound(buffers: Sequence[Buffer]) -> int:
    """The largest sum of live bytes at any event: no placement is smaller."""
    starts = sorted({b.first for b in buffers})
    return max((sum(b.size_bytes for b in buffers if b.first <= t <= b.last) for t in starts), default=0)


def place(buffers: Sequence[Buffer]) -> tuple[tuple[Buffer, ...], int]:
    """Buffers with offsets, and the arena's size: the best of several greedy orders."""
    best: tuple[tuple[Buffer, ...], int] | None = None
    bound = lower_bound(buffers)
    for key in _ORDERS:
        placed = _first_fit(sorted(buffers, key=key))
        size = max((b.end for b in placed), default=0)
        if best is None or size < best[1]:
            best = placed, size
        if size == bound:
            break
    assert best is not None
    order = {b.name: i for i, b in enumerate(buffers)}
    return tuple(sorted(best[0], key=lambda b: order[b.name])), best[1]


_ORDERS: tuple[Callable[[Buffer], tuple[int, ...]], ...] = (
    lambda b: (-b.size_bytes, b.first),
    lambda b: (-(b.size_bytes * (b.last - b.first + 1)), b.first),
    lambda b: (b.first, -b.size_bytes),
    lambda b: (-b.last, -b.size_bytes),
    lambda b: (-(b.last - b.first), -b.size_bytes),
)


def _first_fit(buffers: Sequence[Buffer]) -> tuple[Buffer, ...]:
    placed: list[Buffer] = []
    for buffer in buffers:
        neighbours = sorted(
            (b for b in placed if b.first <= buffer.last and buffer.first <= b.last), key=lambda b: b.offset
        )
        offset = 0
        for other in neighbours:
            if offset + buffer.size_bytes <= other.offset:
                break
            offset = max(offset, other.end)
        placed.append(dataclasses.replace(buffer, offset=offset))
    return tuple(placed)
