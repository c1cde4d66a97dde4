# SPDX-License-Identifier: Apache-2.0
"""Plans are run on an arena whose bytes remember what was written into them last.

Every step must find the rows that it reads; no ring may be a row lower, no buffer in use longer than its rows are; and
the peak is counted again from what was written and read. The generated C does the same with numbers, and slower.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pytest

from ascmcu import passes
from ascmcu.frontends import tflite
from ascmcu.ir import text
from ascmcu.ir.graph import Graph
from ascmcu.ir.op import RowReads
from ascmcu.ir.types import Tensor
from ascmcu.schedule import LAYERS, ROWS, Buffer, Layer, Plan, make_plan, plan_as_is
from ascmcu.schedule.place import place
from ascmcu.schedule.plan import NEWEST, PUSH, RING, scratch_name, state_name
from ascmcu.schedule.simulate import simulate
from ascmcu.schedule.storage import buffers
from tests.fuzz.test_graphs import FOUND
from tests.support import cases, kernel_networks, landing, recipes_flat, step_models
from tests.support.recipes import Recipe

MODES = (LAYERS, ROWS)
GARBAGE = -1


class Overwritten(AssertionError):
    """Somebody reads a row that is no longer there."""


class Arena:
    """Runs a plan without data. A byte of memory is known by the tensor and the place that it was written for; what a
    reshape leaves where it is keeps the name of the tensor that was computed."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.bytes = np.full(plan.arena_bytes, GARBAGE, np.int64)
        self.names: dict[str, int] = {}
        self.alias: dict[str, str] = {}
        self.steps: defaultdict[int, int] = defaultdict(int)
        self.event = 0
        self.landings = {lands.owner: lands for lands in plan.landings}
        # By buffer, for every slot's content: the events that write it first and use it last.
        self.lives: defaultdict[str, dict[tuple[str, int], list[int]]] = defaultdict(dict)

    def run(self) -> Arena:
        graph = self.plan.graph
        for _, entry, _ in graph.carried:
            self._write(entry, range(graph.tensors[entry].rows))
        pushed = 0
        self.at = (PUSH, 0)
        by_index = {layer.index: layer for layer in self.plan.layers}
        for number, layer in enumerate(self.plan.order, 1):
            self.event = number
            if layer == PUSH:
                self.at = (PUSH, 0)
                for name in graph.data_inputs:
                    self._write(name, range(pushed, min(pushed + 1, graph.tensors[name].rows)))
                pushed += 1
            else:
                self._step(by_index[layer])
        self.event += 1
        self.at = (PUSH, 0)
        for name in {*graph.outputs, *(entry for _, entry, _ in graph.carried)}:
            if name not in {e for _, e, x in graph.carried if self.plan.storage[x] == self.plan.storage[e]}:
                self._read(name, range(graph.tensors[name].rows))
        return self

    def _step(self, layer: Layer) -> None:
        graph, output, step = self.plan.graph, layer.node.output, self.steps[layer.index]
        self.steps[layer.index] += 1
        closes = (step + 1) % layer.rule.group == 0
        if self.plan.moves_nothing(layer):
            self.alias[output] = layer.node.inputs[0]
            return
        self.at = layer.index, step
        self._read_all(layer, step)
        scratch = scratch_name(layer)
        if layer.lowered.scratch is not None and scratch not in self.plan.storage:
            self._garbage(self.plan.buffer(scratch))
            self._read_all(layer, step)
        rows = layer.rule.output_rows(step, graph.tensors[output].rows)
        if layer.lowered.state is not None:
            buffer = self.plan.buffer(state_name(layer))
            place = slice(buffer.offset, buffer.end)
            holds = layer.lowered.holds_state  # from the first step to the last
            mark = self._number(state_name(layer)) + (0 if holds else step // layer.rule.group)
            begun = step if holds else step % layer.rule.group
            if begun and not (self.bytes[place] == mark).all():
                raise Overwritten(f"accumulators of {output} at step {step}")
            self.bytes[place] = mark
            if not closes:
                return
        elif step % layer.rule.group:
            self._read(output, rows)  # it holds what the group has come to so far
        if layer.lowered.scratch is not None and scratch not in self.plan.storage:
            self._garbage(self.plan.buffer(scratch))
        self._write(output, rows)
        self._move(layer, step)

    def _read_all(self, layer: Layer, step: int) -> None:
        for name, reads in zip(layer.node.inputs, layer.rule.reads, strict=True):
            if reads is not None and not reads.waits:
                self._read(name, range(*reads.span(step, self.plan.graph.tensors[name].rows)))

    def _move(self, layer: Layer, step: int) -> None:
        """The newest rows that have landed move into their rings."""
        for lands in self.landings.values():
            if lands.mover == layer.index and step < lands.steps:
                source = self.plan.buffer(lands.name).offset
                ring = self.plan.buffer(lands.owner)
                slot = (step * lands.stride + lands.last) % ring.ring_rows
                to, size = ring.offset + slot * ring.row_bytes, ring.row_bytes
                self.bytes[to : to + size] = self.bytes[source : source + size]

    def _has_landed(self, name: str, row: int) -> bool:
        """Whether the layer at work looks for the row where it lands."""
        lands = self.landings.get(self.plan.storage[name])
        if lands is None:
            return False
        for access in lands.accesses:
            if (access.layer, access.tensor) == (self.at[0], name):
                return access.kind == NEWEST and row == self.at[1] * access.stride + access.last
        step, rest = divmod(row - lands.last, lands.stride)
        return rest == 0 and 0 <= step < lands.steps

    def _garbage(self, buffer: Buffer) -> None:
        self.bytes[buffer.offset : buffer.end] = GARBAGE

    def _number(self, name: str) -> int:
        return self.names.setdefault(name, len(self.names) << 32)

    def _place(self, name: str, row: int) -> tuple[slice, str, int]:
        """Where a row lies; the buffer and the slot's content, which reshapes and works in place share."""
        tensor, buffer = self.plan.graph.tensors[name], self.plan.buffer(name)
        if self._has_landed(name, row):
            begin = self.plan.buffer(self.landings[buffer.name].name).offset
            return slice(begin, begin + tensor.row_bytes), buffer.name, row
        offset = buffer.offset
        if buffer.row_bytes == 2 * tensor.row_bytes and tensor.rows == 1 and buffer.ring_rows == 1:
            offset += tensor.row_bytes  # the second half of what it is widened into
        slot = row % buffer.ring_rows if buffer.row_bytes == tensor.row_bytes else row
        begin = offset + slot * tensor.row_bytes
        return slice(begin, begin + tensor.row_bytes), buffer.name, row

    def _marks(self, name: str, row: int) -> np.ndarray:
        tensor = self.plan.graph.tensors[name]
        while name in self.alias:
            name = self.alias[name]
        return self._number(name) + row * tensor.row_bytes + np.arange(tensor.row_bytes)

    def _write(self, name: str, rows: range) -> None:
        for row in rows:
            place, buffer, slot = self._place(name, row)
            assert place.start >= 0 and place.stop <= self.plan.arena_bytes, name
            self.bytes[place] = self._marks(name, row)
            self.lives[buffer].setdefault((name, slot), [self.event, self.event])[1] = self.event

    def _read(self, name: str, rows: range) -> None:
        for row in rows:
            place, buffer, slot = self._place(name, row)
            if not np.array_equal(self.bytes[place], self._marks(name, row)):
                raise Overwritten(f"{name}, row {row}, at event {self.event}")
            made = name
            while made in self.alias:
                made = self.alias[made]
            if (made, slot) in self.lives[buffer]:
                self.lives[buffer][made, slot][1] = self.event


def _found() -> Iterator[bytes]:
    for row in FOUND:
        if row["source"] == "flat" and row.get("verdict", "equal") == "equal":
            yield recipes_flat.make(Recipe.from_row(row))


# Two inputs, of which one ends before the other; and one that only the last step reads.
TWO_INPUTS = """graph "two inputs"
input %x : i8[1,5,1,2] q(0.05 : 3) t0
input %z : i8[1,2,1,2] q(0.05 : 3) t1
%a = concatenation(%z, %x) {axis=1} : i8[1,7,1,2] q(0.05 : 3) ; a 0
%p = slice(%a) {begin=(0, 2, 0, 0), size=(1, 5, 1, 2), strides=(1, 1, 1, 1)} : i8[1,5,1,2] q(0.05 : 3) ; p 1
%c = mul(%p, %x) {clamp=(-128, 127)} : i8[1,5,1,2] q(0.1 : -4) ; c 2
output %c
"""


def _states() -> Iterator[bytes]:
    yield step_models.ring(np.zeros((1, 3, 1, 4), np.int8))
    yield step_models.sums((1, 5, 1, 4), 3)


GROUPS: dict[str, Callable[[], Iterable[bytes | Graph]]] = {
    "two inputs": lambda: [text.parse(TWO_INPUTS)],
    "found by fuzzing": _found,
    "with states": _states,
    **{form: lambda form=form: map(recipes_flat.make, kernel_networks.drawn(form, 7, 3))  # type: ignore[misc]
       for form in kernel_networks.FORMS},
    **{stem: lambda rows=list(rows): [case.model() for case in rows[::3]]  # type: ignore[misc]
       for stem, rows in itertools.groupby(cases.load(), key=lambda case: case.stem)},
}  # fmt: skip
# Operators whose rows leave nothing to run, or nothing of their own.
WITHOUT = {"shape", "reduce_prod"}


@functools.cache
def _plans(group: str) -> list[Plan]:
    found = [x if isinstance(x, Graph) else tflite.parse(x, group) for x in GROUPS[group]()]
    graphs = [passes.optimize(graph) for graph in found]
    return [make_plan(graph, mode) for graph in graphs if graph.nodes for mode in MODES]


each_group = pytest.mark.parametrize("group", [name for name in GROUPS if name not in WITHOUT])


def _shapes(plan: Plan, buffer: Buffer) -> set[tuple[int, int]]:
    members = [
        plan.graph.tensors[n]
        for n, owner in plan.storage.items()
        if owner == buffer.name and n in plan.graph.tensors
    ]
    return {(t.rows, t.row_bytes) for t in members}


def _tensor(plan: Plan, buffer: Buffer) -> Tensor | None:
    return plan.graph.tensors.get(buffer.name)


@each_group
def test_every_step_finds_its_rows(group: str) -> None:
    assert _plans(group)
    for plan in _plans(group):
        arena = Arena(plan).run()
        assert {layer.index: arena.steps[layer.index] for layer in plan.layers} == {
            layer.index: layer.rule.steps for layer in plan.layers
        }


@functools.cache
def _least_plans(group: str) -> list[Plan]:
    """By rows, which land wherever they can."""
    with landing.everywhere():
        return [make_plan(plan.graph, ROWS, room_bytes=0) for plan in _plans(group) if plan.mode == ROWS]


@each_group
def test_rows_that_land_are_found(group: str) -> None:
    assert _plans(group)
    for plan in _least_plans(group):
        arena = Arena(plan).run()
        assert all(arena.steps[layer.index] == layer.rule.steps for layer in plan.layers)
        assert plan.arena_bytes == max(b.end for b in plan.buffers)


def test_a_ring_beside_a_landing_row_may_not_be_lower() -> None:
    plans = [plan for group in GROUPS for plan in _least_plans(group) if plan.landings]
    kinds = {access.kind for plan in plans for lands in plan.landings for access in lands.accesses}
    assert len(plans) > 20 and kinds == {RING, NEWEST}
    for plan in plans:
        for lands in plan.landings:
            ring = plan.buffer(lands.owner)
            if ring.ring_rows > 1:
                lower = dataclasses.replace(ring, ring_rows=ring.ring_rows - 1)
                others = tuple(lower if b is ring else b for b in plan.buffers)
                with pytest.raises(Overwritten):
                    Arena(dataclasses.replace(plan, buffers=others)).run()


@each_group
def test_no_ring_may_be_lower(group: str) -> None:
    assert _plans(group)
    for plan in _plans(group):
        for buffer in plan.buffers:
            tensor, less = _tensor(plan, buffer), 1
            if tensor is None or buffer.ring_rows == 1 or buffer.row_bytes != tensor.row_bytes:
                continue
            for layer in plan.layers:  # rows that one step writes or reads together lie side by side
                if buffer.name in (plan.storage.get(n, n) for n in (*layer.node.inputs, layer.node.output)):
                    less = max(less, layer.rule.rows_per_step)
            lower = dataclasses.replace(buffer, ring_rows=buffer.ring_rows - less)
            if lower.ring_rows < 1 or (less > 1 and tensor.rows <= buffer.ring_rows):
                continue
            others = tuple(lower if b is buffer else b for b in plan.buffers)
            with pytest.raises(Overwritten):
                Arena(dataclasses.replace(plan, buffers=others)).run()


@each_group
def test_bytes_are_in_use_from_the_first_writing_to_the_last_reading(group: str) -> None:
    assert _plans(group)
    for plan in _plans(group):
        arena, entries = Arena(plan).run(), {entry for _, entry, _ in plan.graph.carried}
        for buffer in plan.buffers:
            found = sorted(tuple(life) for life in arena.lives[buffer.name].values())
            if not found or len(_shapes(plan, buffer)) > 1 or buffer.name in entries:
                continue
            inside = [any(a <= first and last <= b for a, b in buffer.live) for first, last in found]
            assert all(inside), (buffer, found)
            used = {event for first, last in found for event in range(first, last + 1)}
            in_use = {event for first, last in buffer.live for event in range(first, last + 1)}
            assert used == in_use, buffer.name


@each_group
def test_the_bound_is_the_largest_sum_in_use(group: str) -> None:
    assert _plans(group)
    for plan in _plans(group):
        edges = sorted({event for b in plan.buffers for first, _ in b.live for event in (first,)})
        sums = [sum(b.size_bytes for b in plan.buffers if any(a <= e <= z for a, z in b.live)) for e in edges]
        assert plan.lower_bound_bytes == max(sums)
        assert plan.arena_bytes == max(b.end for b in plan.buffers)
        for low, high in itertools.combinations(plan.buffers, 2):
            apart = low.end <= high.offset or high.end <= low.offset
            assert apart or not any(a <= z and b <= y for a, y in low.live for b, z in high.live), (low, high)


def test_the_networks_have_what_makes_plans_hard() -> None:
    """Rings, accumulators, scratch, works in place, and reshapes that move nothing."""
    plans = [plan for group in GROUPS for plan in _plans(group)]
    assert not any(_plans(group) for group in WITHOUT)
    assert any(b.ring_rows > 1 and b.ring_rows < p.graph.tensors[b.name].rows
               for p in plans for b in p.buffers if b.name in p.graph.tensors)  # fmt: skip
    assert any(layer.lowered.state for p in plans for layer in p.layers)
    assert any(layer.lowered.scratch for p in plans for layer in p.layers)
    assert any(p.moves_nothing(layer) for p in plans for layer in p.layers)
    assert any(p.storage[x.node.output] == p.storage.get(x.node.inputs[0])
               for p in plans for x in p.layers if not p.moves_nothing(x))  # fmt: skip
    assert any(p.graph.states for p in plans)


def _in_place(plan: Plan, output: str, source: str) -> Plan | None:
    """The plan with the output of a layer in the bytes of an input, or None where a buffer holds both maps by rows of
    other lengths."""
    owner = plan.storage[source]
    storage = {name: owner if of == output else of for name, of in plan.storage.items()}
    trace = simulate(plan.graph, plan.layers, plan.mode)
    found = buffers(plan.graph, plan.layers, storage, trace)
    placed, size, bound = place(found, trace.events)
    return dataclasses.replace(
        plan, buffers=placed, storage=storage, arena_bytes=size, lower_bound_bytes=bound
    )


def _soundly(plan: Plan, layer: Layer, source: str) -> bool:
    """Whether a layer that goes element by element may write into an input: played, with the input's row known by its
    name until the layer writes it, and read by nobody after that."""
    try:
        Arena(plan).run()
    except Overwritten:
        return False
    reads = dict(zip(layer.node.inputs, layer.rule.reads, strict=True))[source]
    return reads == RowReads(1, 0, 1)


@each_group
def test_what_goes_element_by_element_lies_in_an_input_wherever_it_may(group: str) -> None:
    """Each layer that has bytes of its own is put into each of its inputs, and the plan played."""
    graphs = {id(plan.graph): plan.graph for plan in _plans(group)}
    assert graphs
    for graph in graphs.values():
        for mode in MODES:
            plan = plan_as_is(graph, mode)
            for layer in plan.layers:
                output, op = layer.node.output, layer.node.op
                if not op.ELEMENTWISE or plan.storage[output] != output:
                    continue
                for source in dict.fromkeys(layer.node.inputs):
                    tensor = graph.tensors.get(source)
                    if tensor is None or tensor.is_const or source in (*graph.inputs, *graph.outputs):
                        continue
                    if (
                        tensor.size_bytes != graph.tensors[output].size_bytes
                        or tensor.rows != graph.tensors[output].rows
                    ):
                        continue
                    tried = _in_place(plan, output, source)
                    assert tried is None or not _soundly(tried, layer, source), (output, source, mode)
