# SPDX-License-Identifier: Apache-2.0
"""Shrink scratch buffers only where they determine peak RAM."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ascmcu.ir.graph import Graph
from ascmcu.schedule.place import liveness
from ascmcu.schedule.plan import Landing, Layer, scratch_name
from ascmcu.schedule.simulate import Trace
from ascmcu.schedule.storage import NO_LANDINGS, buffers

# Smaller blocks than this cost more cycles than the bytes are worth.
LEAST_BYTES = 256
_ROUNDS = 8
# A peak below this is no one's trouble, on the smallest board neither.
ENOUGH_BYTES = 20_480

Lower = Callable[[int, int], Layer]


def spare_scratch(
    graph: Graph,
    layers: Sequence[Layer],
    storage: Mapping[str, str],
    trace: Trace,
    lower: Lower,
    enough_bytes: int,
    landings: Mapping[str, Landing] = NO_LANDINGS,
) -> tuple[Layer, ...]:
    """``layers`` with less scratch for those that are at work when most bytes are live, while that lowers the peak.

    Args:
        graph: what is scheduled.
        layers: with the scratch that suits them best.
        storage: which tensor lies in which one's bytes.
        trace: the schedule, which scratch does not change.
        lower: (index, scratch bytes) → the layer within that budget, as far as it can.
        enough_bytes: a peak at which nothing has to give way.
        landings: the storages whose rows land.
    """
    chosen, found = list(layers), buffers(graph, layers, storage, trace, landings)
    live, sizes = liveness(found, trace.events), np.array([b.size_bytes for b in found])
    places = {b.name: i for i, b in enumerate(found)}
    with_scratch = [
        (layer.index, places[scratch_name(layer)]) for layer in layers if scratch_name(layer) in places
    ]
    for _ in range(_ROUNDS):
        sums = sizes @ live
        if sums.max() <= enough_bytes:
            break
        peak = live[:, sums == sums.max()]
        busy = [(index, place) for index, place in with_scratch if peak[place].any()]
        smaller = {place: less for index, place in busy if (less := _smaller(chosen[index], lower))}
        # Bytes are saved only if something gives way at every event of the peak.
        if not peak[list(smaller)].any(axis=0).all():
            break
        for place, less in smaller.items():
            chosen[less.index], sizes[place] = less, _scratch_bytes(less)
    return tuple(chosen)


def _smaller(layer: Layer, lower: Lower) -> Layer | None:
    """The layer in half its scratch, or in the next smaller one that it can do with."""
    now = budget = _scratch_bytes(layer)
    while (budget := budget // 2) >= LEAST_BYTES:
        less = lower(layer.index, budget)
        if _scratch_bytes(less) < now:
            return less
    return None


def _scratch_bytes(layer: Layer) -> int:
    """Rounded up to words, as a buffer is."""
    if layer.lowered.scratch is None:
        return 0
    dtype, count = layer.lowered.scratch
    return -(-dtype.size_bytes * count // 4) * 4
