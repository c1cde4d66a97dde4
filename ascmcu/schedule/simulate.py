# SPDX-License-Identifier: Apache-2.0
"""Run the graph row by row without data: find when each row is written and last read.

The generated ``model_push`` follows the same order, so what fits here fits there.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ascmcu.errors import VerifyError
from ascmcu.ir.graph import Graph
from ascmcu.ir.op import RowReads, RowRule
from ascmcu.schedule.plan import LAYERS, PUSH, Layer

Events = npt.NDArray[np.int64]


@dataclass(frozen=True)
class RowLives:
    """Per row of one tensor: the event that begins writing it, and the last one that reads it."""

    made: Events
    read: Events


@dataclass(frozen=True)
class Trace:
    """What a run of the schedule leaves: lives by tensor, (first, last) event of each layer's accumulators (one pair
    per group of steps), the events of each layer's steps (counted from one), and the number of events."""

    rows: dict[str, RowLives]
    states: dict[int, tuple[tuple[int, int], ...]]
    steps: dict[int, tuple[int, ...]]
    events: int

    @property
    def order(self) -> tuple[int, ...]:
        """The layer of each event, ``PUSH`` where a row comes in."""
        order = [PUSH] * self.events
        for layer, events in self.steps.items():
            for event in events:
                order[event - 1] = layer
        return tuple(order)


@dataclass(frozen=True)
class _Task:
    """A layer's part of the flow: what its steps read and write, whether it has accumulators of its own, and whether
    they last from its first step to its last instead of a group."""

    reads: tuple[tuple[str, RowReads], ...]
    output: str
    rule: RowRule
    accumulates: bool
    holds_state: bool


@dataclass(frozen=True)
class _Flow:
    """What decides when rows come and go: rows of the tensors that are computed, inputs, states as they come in, what
    lives on behind the last event, and the layers in order."""

    mode: str
    rows: tuple[tuple[str, int], ...]
    inputs: tuple[str, ...]
    states: tuple[str, ...]
    kept: frozenset[str]
    tasks: tuple[_Task, ...]


def simulate(graph: Graph, layers: Sequence[Layer], mode: str) -> Trace:
    """Run the schedule; its arrays are read-only.

    Raises:
        VerifyError: a layer cannot finish (a rule is wrong).
    """
    trace = _run(_flow(graph, layers, mode))
    for layer in layers:
        if len(trace.steps[layer.index]) != layer.rule.steps:
            raise VerifyError(
                "the schedule cannot finish",
                where=layer.node.describe(),
                expected=f"{layer.rule.steps} steps",
                found=len(trace.steps[layer.index]),
            )
    return trace


def _flow(graph: Graph, layers: Sequence[Layer], mode: str) -> _Flow:
    entries = tuple(entry for _, entry, _ in graph.carried)
    return _Flow(
        mode,
        tuple((name, t.rows) for name, t in graph.tensors.items() if not t.is_const),
        graph.data_inputs,
        entries,
        frozenset((*graph.outputs, *entries)),
        tuple(_task(layer) for layer in layers),
    )


def _task(layer: Layer) -> _Task:
    pairs = zip(layer.node.inputs, layer.rule.reads, strict=True)
    reads = tuple((name, reads) for name, reads in pairs if reads is not None)
    lowered = layer.lowered
    return _Task(reads, layer.node.output, layer.rule, lowered.state is not None, lowered.holds_state)


@functools.lru_cache(maxsize=32)
def _run(flow: _Flow) -> Trace:
    """While plans are compared, most graphs differ in layouts and kernels that leave the flow of rows as it is."""
    sim = _Simulation(flow)
    rows = dict(flow.rows)
    for name in flow.states:
        # A state is there, whole, before the first row is.
        sim.write(name, range(rows[name]))
        sim.completed(name, rows[name])
    for row in range(max(rows[name] for name in flow.inputs)):
        sim.event += 1
        for name in flow.inputs:
            if row < rows[name]:
                sim.write(name, range(row, row + 1))
                sim.completed(name, row + 1)
        if flow.mode != LAYERS:
            sim.sweep()
    if flow.mode == LAYERS:
        for index in range(len(flow.tasks)):
            while sim.ready(index):
                sim.step(index)
    return sim.trace()


class _Simulation:
    def __init__(self, flow: _Flow) -> None:
        self.flow, self.rows = flow, dict(flow.rows)
        self.event = 0
        self.done = [0] * len(flow.tasks)
        self.complete = dict.fromkeys(self.rows, 0)
        # Plain lists: a step touches a few rows, where array calls cost more than they save.
        self.made = {name: [-1] * rows for name, rows in flow.rows}
        self.read = {name: [-1] * rows for name, rows in flow.rows}
        self.states: dict[int, list[tuple[int, int]]] = {}
        self.steps: dict[int, list[int]] = {index: [] for index in range(len(flow.tasks))}
        # Layers that were not ready, until something that they read grows.
        self.waiting: set[int] = set()
        self.readers: dict[str, list[int]] = {name: [] for name in self.rows}
        for index, task in enumerate(flow.tasks):
            for name, _ in task.reads:
                self.readers[name].append(index)

    def write(self, name: str, rows: range) -> None:
        """Rows are being written in this event; their life begins with the first such event."""
        made, read = self.made[name], self.read[name]
        for row in rows:
            if made[row] < 0:
                made[row] = self.event
            read[row] = self.event

    def completed(self, name: str, rows: int) -> None:
        """The first ``rows`` rows of a tensor are there."""
        if rows != self.complete[name]:
            self.complete[name] = rows
            self.waiting.difference_update(self.readers[name])

    def ready(self, index: int) -> bool:
        """Whether the layer's next step has all its rows."""
        task, step = self.flow.tasks[index], self.done[index]
        if step >= task.rule.steps:
            return False
        return all(self.complete[name] >= r.span(step, self.rows[name])[1] for name, r in task.reads)

    def step(self, index: int) -> None:
        """One step: reads its inputs, writes its output."""
        self.event += 1
        self.steps[index].append(self.event)
        task, step = self.flow.tasks[index], self.done[index]
        for name, reads in task.reads:
            if reads.waits:
                continue
            low, high = reads.span(step, self.rows[name])
            self.read[name][low:high] = [self.event] * (high - low)
        closes = (step + 1) % task.rule.group == 0
        if task.accumulates:
            self._touch_state(index, opens=step == 0 if task.holds_state else step % task.rule.group == 0)
        output_rows = self.rows[task.output]
        # With accumulators of its own, a layer touches its output only when a group closes.
        if closes or not task.accumulates:
            self.write(task.output, task.rule.output_rows(step, output_rows))
        self.done[index] = step + 1
        self.completed(task.output, task.rule.rows_done(step + 1, output_rows))

    def _touch_state(self, index: int, *, opens: bool) -> None:
        lives = self.states.setdefault(index, [])
        if opens:
            lives.append((self.event, self.event))
        else:
            lives[-1] = (lives[-1][0], self.event)

    def sweep(self) -> None:
        """Layers in order, each one step if it is ready, until nothing moves."""
        progressed = True
        while progressed:
            progressed = False
            for index in range(len(self.flow.tasks)):
                if index in self.waiting:
                    continue
                if self.ready(index):
                    self.step(index)
                    progressed = True
                else:
                    self.waiting.add(index)

    def trace(self) -> Trace:
        """The finished run; outputs, and states as they came in, live on behind the last event."""
        rows = {}
        for name, made in self.made.items():
            read = [self.event + 1] * len(made) if name in self.flow.kept else self.read[name]
            rows[name] = RowLives(_events(made), _events(read))
        states = {k: tuple(v) for k, v in self.states.items()}
        return Trace(rows, states, {k: tuple(v) for k, v in self.steps.items()}, self.event)


def _events(values: list[int]) -> Events:
    found = np.array(values, np.int64)
    found.setflags(write=False)
    return found
