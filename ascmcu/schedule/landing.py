# SPDX-License-Identifier: Apache-2.0
"""Rings that are a row lower: their newest row lands in bytes that other layers use as well.

A window of three rows reads two that were there before and one that has just been made. Between two steps only the two
are needed. So a ring of two rows is enough if the third *lands* in a row of its own, and is moved into the ring at the
end of the step that reads it: by then the ring's oldest row is read no more. The landing row is in use from its making
to that step, which often follows at once, and rows of other layers land in the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.graph import Graph
from ascmcu.ir.op import RowMode, RowReads, RowRule
from ascmcu.schedule.plan import MADE, NEWEST, RING, Access, Buffer, Landing, Layer
from ascmcu.schedule.simulate import Events, RowLives, Trace
from ascmcu.schedule.storage import buffers, merged, ring_rows, row_lives, rows_together


@dataclass(frozen=True)
class _Run:
    """What is scheduled, and how."""

    graph: Graph
    layers: Sequence[Layer]
    storage: Mapping[str, str]
    trace: Trace
    found: bool


def landings(
    graph: Graph,
    layers: Sequence[Layer],
    storage: Mapping[str, str],
    trace: Trace,
    *,
    but: Collection[str] = (),
    found: bool = True,
) -> dict[str, Landing]:
    """By storage: what lands, wherever that makes a ring lower.

    Args:
        graph: what is scheduled.
        layers: its nodes with their kernels.
        storage: which tensor lies in which one's bytes.
        trace: the schedule of rows.
        but: storages that stay as they are.
        found: how each layer finds its rows is known as well; an estimate of bytes does not need it.
    """
    members: dict[str, list[str]] = {}
    for tensor, owner in storage.items():
        if tensor in graph.tensors:
            members.setdefault(owner, []).append(tensor)
    run = _Run(graph, layers, storage, trace, found)
    together, kept = rows_together(layers), {*but, *graph.outputs, *(entry for _, entry, _ in graph.carried)}
    lower: dict[str, Landing] = {}
    for owner, names in members.items():
        lives = row_lives(graph, names, trace)
        if lives is None or kept & set(names) or any(together.get(name, 1) > 1 for name in names):
            continue
        tried = (_landing(owner, names, lives, reading, run) for reading in _windows(layers, names))
        best = min((x for x in tried if x is not None), key=lambda x: x.ring_rows, default=None)
        if best is not None:
            lower[owner] = best
    return lower


def needed(
    graph: Graph,
    layers: Sequence[Layer],
    storage: Mapping[str, str],
    trace: Trace,
    found: Mapping[str, Landing],
    enough_bytes: int,
) -> dict[str, Landing]:
    """Those without which more bytes would be live than with all, or than are enough: rows that land are copied."""
    changed = {*found, *(landing.name for landing in found.values())}
    before = _Loads(buffers(graph, layers, storage, trace), trace, changed)
    after = _Loads(buffers(graph, layers, storage, trace, found), trace, changed)
    peak = max(int(after.sums.max(initial=0)), enough_bytes)
    if int(before.sums.max(initial=0)) <= peak:
        return {}
    chosen, sums = dict(found), after.sums
    for owner, landing in sorted(found.items(), key=lambda item: -item[1].copied_bytes):
        more = sums + before.of(owner) - after.of(owner) - after.of(landing.name)
        if int(more.max(initial=0)) <= peak:
            del chosen[owner]
            sums = more
    return chosen


class _Loads:
    """Live bytes at each event: of all buffers, and of those that are asked for."""

    def __init__(self, found: Sequence[Buffer], trace: Trace, names: Collection[str]) -> None:
        self.sums = np.zeros(trace.events + 2, np.int64)
        self._own: dict[str, np.ndarray] = {}
        for buffer in found:
            own = np.zeros_like(self.sums)
            for first, last in buffer.live:
                own[first : last + 1] = buffer.size_bytes
            self.sums += own
            if buffer.name in names:
                self._own[buffer.name] = own

    def of(self, name: str) -> np.ndarray:
        """Of one buffer."""
        return self._own[name]


def _windows(layers: Sequence[Layer], names: Collection[str]) -> Iterator[tuple[Layer, RowReads]]:
    """The layers that read the rows through a window, a row further at each step."""
    for layer in layers:
        rule = layer.rule
        if rule.mode is not RowMode.MAP or rule.rows_per_step != 1 or layer.node.output in names:
            continue
        for name, reads in zip(layer.node.inputs, rule.reads, strict=True):
            if name in names and reads is not None and not reads.waits and reads.stride and reads.count > 1:
                yield layer, reads


def _landing(
    owner: str, names: Sequence[str], lives: RowLives, reading: tuple[Layer, RowReads], run: _Run
) -> Landing | None:
    """What lands if the layer of ``reading`` moves it, where the ring is lower then."""
    layer, reads = reading
    last, rows = reads.first + reads.count - 1, len(lives.made)
    steps = np.array(run.trace.steps[layer.index], np.int64)
    newest = np.arange(len(steps)) * reads.stride + last
    newest, moved_at = newest[newest < rows], steps[newest < rows]
    if last < 0 or not len(newest):
        return None
    made = lives.made[newest]
    # The bytes hold one row at a time, and it is there before it is read.
    if not np.all(made <= moved_at) or not np.all(moved_at[:-1] < made[1:]):
        return None
    # In halves of an event: a row is moved into the ring at the end of the step that reads the ring's rows.
    begins, ends = 2 * lives.made, 2 * lives.read
    begins[newest] = 2 * moved_at + 1
    ends[newest] = np.maximum(ends[newest], begins[newest])
    if np.any(np.diff(begins) < 0):
        return None  # a later row is in the ring before it
    height = min(ring_rows(RowLives(begins, ends)), rows)
    if height >= min(ring_rows(lives), rows):
        return None
    moved = np.full(rows, -1, np.int64)
    moved[newest] = moved_at
    accesses = _accesses(names, moved, run) if run.found else ()
    if accesses is None:
        return None
    pairs = zip((begins // 2).tolist(), (ends // 2).tolist(), strict=True)
    return Landing(
        owner, layer.index, reads.stride, last, len(newest), height, run.graph.tensors[owner].row_bytes,
        merged(list(pairs)), tuple(zip(made.tolist(), moved_at.tolist(), strict=True)), accesses,
    )  # fmt: skip


def _accesses(names: Collection[str], moved: Events, run: _Run) -> tuple[Access, ...] | None:
    """How each layer finds the rows, those left out that find every one where it is made; ``None`` where one of them
    would have to look at each row anew."""
    found = []
    for layer in run.layers:
        own = run.storage.get(layer.node.output) == run.storage.get(layer.node.inputs[0])
        if layer.node.op.MOVES_NOTHING and own:
            continue
        touched = [(name, reads.stride, _read_rows(reads, len(moved))) for name, reads in _read(layer, names)]
        if layer.node.output in names:
            touched.append((layer.node.output, 0, _written_rows(layer.rule, len(moved))))
        for name, stride, rows_of in touched:
            access = _access(layer.index, name, stride, rows_of, moved, run.trace.steps[layer.index])
            if access is None:
                return None
            found += [access] if access.kind != MADE else []
    return tuple(found)


def _read(layer: Layer, names: Collection[str]) -> list[tuple[str, RowReads]]:
    pairs = zip(layer.node.inputs, layer.rule.reads, strict=True)
    return [(name, reads) for name, reads in pairs if name in names and reads is not None and not reads.waits]


def _read_rows(reads: RowReads, rows: int) -> Callable[[int], range]:
    return lambda step: range(*reads.span(step, rows))


def _written_rows(rule: RowRule, rows: int) -> Callable[[int], range]:
    return lambda step: rule.output_rows(step, rows)


def _access(
    layer: int, name: str, stride: int, rows_of: Callable[[int], range], moved: Events, steps: Sequence[int]
) -> Access | None:
    """How one layer finds the rows of one tensor."""
    apart = {(step, row) for step, event in enumerate(steps) for row in rows_of(step) if moved[row] >= event}
    ever = {(step, row) for step in range(len(steps)) for row in rows_of(step) if moved[row] >= 0}
    if not apart:
        return Access(layer, name, RING)
    if apart == ever:
        return Access(layer, name, MADE)
    last = {row - step * stride for step, row in apart}
    if len(last) != 1 or not stride:
        return None
    (behind,) = last
    if apart != {(step, row) for step, row in ever if row == step * stride + behind}:
        return None
    return Access(layer, name, NEWEST, stride, behind)
