# SPDX-License-Identifier: Apache-2.0
"""Decide which tensors share bytes, how high each ring is, and when its bytes are in use."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from ascmcu.errors import VerifyError
from ascmcu.ir.graph import Graph
from ascmcu.ir.op import RowMode, RowReads
from ascmcu.ops.paste import Paste
from ascmcu.schedule.plan import Buffer, Interval, Landing, Layer, scratch_name, state_name
from ascmcu.schedule.simulate import RowLives, Trace

NO_LANDINGS: Mapping[str, Landing] = MappingProxyType({})


def share(graph: Graph, layers: Sequence[Layer], trace: Trace) -> dict[str, str]:
    """Tensor → the tensor in whose bytes it lies."""
    storage = {name: name for name in (*graph.inputs, *(node.output for node in graph.nodes))}
    readers: dict[str, int] = {}
    for node in graph.nodes:
        for name in set(node.inputs):
            readers[name] = readers.get(name, 0) + 1
    for layer in layers:
        source = _shared_input(graph, layer, readers, trace)
        if source is not None:
            storage[layer.node.output] = storage[source]
        elif isinstance(layer.node.op, Paste) and len(layer.node.inputs) > 1:
            raise VerifyError("a strip is put into a map that is still read", where=layer.node.describe())
    return storage | _states_in_place(graph, layers, storage, trace)


def _states_in_place(
    graph: Graph, layers: Sequence[Layer], storage: Mapping[str, str], trace: Trace
) -> dict[str, str]:
    """A state's next value lies in its own bytes where it begins to be made behind the last reading of the old one."""
    found = {}
    for _, entry, exit_ in graph.carried:
        readings = [
            trace.steps[layer.index][-1]
            for layer in layers
            if entry in layer.node.inputs and not _overwrites(layer, entry, exit_)
        ]
        alone = storage[exit_] == exit_ and list(storage.values()).count(exit_) == 1
        alike = graph.tensors[entry].row_bytes == graph.tensors[exit_].row_bytes
        later = int(trace.rows[exit_].made.min()) > max(readings, default=0)
        if alone and alike and later and exit_ not in graph.inputs and list(graph.outputs).count(exit_) == 1:
            found[exit_] = entry
    return found


def _overwrites(layer: Layer, entry: str, exit_: str) -> bool:
    """Whether the layer itself turns the old state into the new one, in its bytes."""
    node = layer.node
    return (
        node.op.OVERWRITES
        and node.output == exit_
        and node.inputs[0] == entry
        and entry not in node.inputs[1:]
    )


def widened_in_place(
    graph: Graph, layers: Sequence[Layer], storage: Mapping[str, str], trace: Trace
) -> dict[str, str]:
    """Scratch → the tensor that lies in its second half: one that comes to be in a single step, and that nothing else
    reads or shares."""
    found = {}
    for layer in layers:
        name = layer.node.inputs[0]
        if not layer.lowered.widens_in_place or name in graph.outputs or graph.tensors[name].rows != 1:
            continue
        readers = [node for node in graph.nodes if name in node.inputs]
        if len(readers) == 1 and list(storage.values()).count(storage[name]) == 1:
            found[scratch_name(layer)] = name
    return found


def _shared_input(graph: Graph, layer: Layer, readers: Mapping[str, int], trace: Trace) -> str | None:
    """The input that the output may overwrite: rows correspond one to one, and nobody reads one any more when the
    output's is written over it.

    Of several, the one whose ring grows least: a sum that waits for a barrier lies in the summand that waited for
    the other, not in a second ring as high.
    """
    op = layer.node.op
    # Element i of a row is read only to write element i of the same row.
    if not (op.ELEMENTWISE or op.MOVES_NOTHING):
        return None
    output = graph.output_tensor(layer.node)
    candidates = []
    for name, reads in zip(layer.node.inputs, layer.rule.reads, strict=True):
        t = graph.tensors.get(name)
        if reads is None or t is None or name in graph.outputs or t.size_bytes != output.size_bytes:
            continue
        if name not in graph.inputs and (
            _done_with(layer, reads, name, trace) or (op.MOVES_NOTHING and readers[name] == 1)
        ):
            candidates.append(name)
    if len(candidates) < 2:
        return candidates[0] if candidates else None
    output_rows = trace.rows[layer.node.output]
    growth = {
        name: ring_rows(_together([trace.rows[name], output_rows])) - ring_rows(trace.rows[name])
        for name in candidates
    }
    return min(reversed(candidates), key=lambda name: (growth[name], readers[name]))


def _done_with(layer: Layer, reads: RowReads, name: str, trace: Trace) -> bool:
    """Whether each step reads the row of the input that it writes of the output, as the row's last reader."""
    read, made = trace.rows[name].read, trace.rows[layer.node.output].made
    row_by_row = layer.rule.mode is RowMode.MAP and reads == RowReads(1, 0, 1) and len(read) == len(made)
    return row_by_row and bool(np.all(read <= made))


def buffers(
    graph: Graph,
    layers: Sequence[Layer],
    storage: Mapping[str, str],
    trace: Trace,
    landings: Mapping[str, Landing] = NO_LANDINGS,
) -> list[Buffer]:
    """One buffer per storage and per set of accumulators, not yet placed; of a storage whose rows land, the ring and
    the landing row."""
    members: dict[str, list[str]] = {}
    for tensor, owner in storage.items():
        if tensor in graph.tensors:
            members.setdefault(owner, []).append(tensor)
    together = rows_together(layers)
    found = [
        _ring(graph, owner, names, trace, together)
        for owner, names in members.items()
        if owner not in landings
    ]
    found += [buffer for landing in landings.values() for buffer in landing.buffers]
    twice = {owner for tensor, owner in storage.items() if tensor not in graph.tensors}
    found = [dataclasses.replace(b, row_bytes=2 * b.row_bytes) if b.name in twice else b for b in found]
    for layer in layers:
        if layer.lowered.state is not None:
            dtype, count = layer.lowered.state
            live = trace.states[layer.index]
            found.append(Buffer(state_name(layer), 1, dtype.size_bytes * count, live))
        if layer.lowered.scratch is not None and scratch_name(layer) not in storage:
            dtype, count = layer.lowered.scratch
            live = tuple((event, event) for event in trace.steps[layer.index])
            found.append(Buffer(scratch_name(layer), 1, dtype.size_bytes * count, live))
    return found


def rolls(
    graph: Graph, storage: Mapping[str, str], found: Sequence[Buffer], trace: Trace
) -> dict[tuple[str, str], int]:
    """Tensors that are there as a whole and may lie in each other's bytes: by the buffers of one that is made and of
    one that is read meanwhile, how far the second has to begin behind the first.

    Row r of the first then ends before the first row of the second that is still to be read when r is made.
    """
    whole = {
        b.name: b for b in found if b.name in graph.tensors and b.ring_rows == graph.tensors[b.name].rows > 1
    }
    lives = {
        owner: _together([trace.rows[name] for name, of in storage.items() if of == owner]) for owner in whole
    }
    pairs = {}
    for made, first in whole.items():
        for read, second in whole.items():
            if made != read and lives[read].made.max() < lives[made].made.min() <= lives[read].read.max():
                apart = behind(lives[made], lives[read], first.row_bytes, second.row_bytes)
                if apart < first.size_bytes:
                    pairs[made, read] = apart
    return pairs


def behind(made: RowLives, read: RowLives, made_bytes: int, read_bytes: int) -> int:
    """How far a tensor has to begin behind one that is made while it is read, to lie in its bytes.

    Args:
        made, read: the lives of their rows.
        made_bytes, read_bytes: of a row.

    Returns:
        bytes, in whole words.
    """
    last = np.maximum.accumulate(read.read)
    ends = (np.arange(len(made.made)) + 1) * made_bytes
    needed = np.searchsorted(last, made.made)
    begins = np.where(needed < len(last), needed * read_bytes, np.iinfo(np.int64).max // 2)
    return -(-int(max((ends - begins).max(), 0)) // 4) * 4


def rows_together(layers: Sequence[Layer]) -> dict[str, int]:
    """Rows of each tensor that lie side by side, because one step writes them, or reads them one for one."""
    found: dict[str, int] = {}
    for layer in layers:
        count = layer.rule.rows_per_step
        read = [
            name
            for name, reads in zip(layer.node.inputs, layer.rule.reads, strict=True)
            if reads == RowReads(count, 0, count)
        ]
        for name in (layer.node.output, *read):
            found[name] = math.lcm(found.get(name, 1), count)
    return found


def _ring(
    graph: Graph, owner: str, names: Sequence[str], trace: Trace, together: Mapping[str, int]
) -> Buffer:
    lives = [trace.rows[n] for n in names]
    live = merged([(int(a), int(b)) for rows in lives for a, b in zip(rows.made, rows.read, strict=True)])
    tensor, slots = graph.tensors[owner], row_lives(graph, names, trace)
    if slots is None:
        # The bytes are taken as a whole.
        return Buffer(owner, 1, tensor.size_bytes, ((live[0][0], live[-1][1]),))
    multiple = math.lcm(*(together.get(name, 1) for name in names))
    rows = ring_rows(slots)
    height = min(-(-rows // multiple) * multiple, tensor.rows)
    return Buffer(owner, height, tensor.row_bytes, live)


def row_lives(graph: Graph, names: Sequence[str], trace: Trace) -> RowLives | None:
    """The lives of the rows of tensors that share their bytes row by row; ``None`` where a reshape changes the rows."""
    if len({(graph.tensors[n].rows, graph.tensors[n].row_bytes) for n in names}) > 1:
        return None
    return _together([trace.rows[n] for n in names])


def _together(lives: Sequence[RowLives]) -> RowLives:
    """The lives of slots that hold the same row of several tensors in turn."""
    return RowLives(
        np.min([rows.made for rows in lives], axis=0), np.max([rows.read for rows in lives], axis=0)
    )


def ring_rows(rows: RowLives) -> int:
    """The least h such that row r is done with before row r + h begins."""
    begun = np.maximum.accumulate(rows.made)
    until = np.searchsorted(begun, rows.read, side="right")
    return max(1, int((until - np.arange(len(rows.made))).max()))


def merged(intervals: list[Interval]) -> tuple[Interval, ...]:
    merged: list[Interval] = []
    for first, last in sorted(intervals):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return tuple(merged)
