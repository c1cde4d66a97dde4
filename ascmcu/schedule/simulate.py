# SPDX-License-Identifier: Apache-2.0
"""Run the graph row by row without data: find when each row is written and last read.

The generated ``model_push`` follows the same order, so what fits here fits there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ascmcu.errors import VerifyError
from ascmcu.ir.graph import Graph
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
    per group of steps), the events of each layer's steps (counted from one), the number of events, and how often all
    layers were asked whether they can run."""

    rows: dict[str, RowLives]
    states: dict[int, tuple[tuple[int, int], ...]]
    steps: dict[int, tuple[int, ...]]
    events: int
    rounds: int = 0

    @property
    def order(self) -> tuple[int, ...]:
        """The layer of each event, ``PUSH`` where a row comes in."""
        order = [PUSH] * self.events
        for layer, events in self.steps.items():
            for event in events:
                order[event - 1] = layer
        return tuple(order)


def simulate(graph: Graph, layers: Sequence[Layer], mode: str) -> Trace:
    """Run the schedule.

    Raises:
        VerifyError: a layer cannot finish (a rule is wrong).
    """
    sim = _Simulation(graph, layers)
    for _, entry, _ in graph.carried:
        # A state is there, whole, before the first row is.
        sim.write(entry, range(graph.tensors[entry].rows))
        sim.completed(entry, graph.tensors[entry].rows)
    inputs = [graph.tensors[name] for name in graph.data_inputs]
    for row in range(max(t.rows for t in inputs)):
        sim.event += 1
        for t in inputs:
            if row < t.rows:
                sim.write(t.name, range(row, row + 1))
                sim.completed(t.name, row + 1)
        if mode != LAYERS:
            sim.sweep()
    if mode == LAYERS:
        for layer in layers:
            while sim.ready(layer):
                sim.run(layer)
    for layer in layers:
        if sim.done[layer.index] != layer.rule.steps:
            raise VerifyError(
                "the schedule cannot finish",
                where=layer.node.describe(),
                expected=f"{layer.rule.steps} steps",
                found=sim.done[layer.index],
            )
    return sim.trace()


class _Simulation:
    def __init__(self, graph: Graph, layers: Sequence[Layer]) -> None:
        self.graph = graph
        self.layers = layers
        self.event = 0
        self.rounds = 0
        self.done = [0] * len(layers)
        running = {name: t for name, t in graph.tensors.items() if not t.is_const}
        self.complete = dict.fromkeys(running, 0)
        self.made = {name: np.full(t.rows, -1, np.int64) for name, t in running.items()}
        self.read = {name: np.full(t.rows, -1, np.int64) for name, t in running.items()}
        self.states: dict[int, list[tuple[int, int]]] = {}
        self.steps: dict[int, list[int]] = {layer.index: [] for layer in layers}
        # Layers that were not ready, until something that they read grows.
        self.waiting: set[int] = set()
        self.readers: dict[str, list[int]] = {name: [] for name in running}
        for layer in layers:
            for name, reads in zip(layer.node.inputs, layer.rule.reads, strict=True):
                if reads is not None:
                    self.readers[name].append(layer.index)

    def write(self, name: str, rows: range) -> None:
        """Rows are being written in this event; their life begins with the first such event."""
        part = slice(rows.start, rows.stop)
        made = self.made[name][part]
        self.made[name][part] = np.where(made < 0, self.event, made)
        self.read[name][part] = np.maximum(self.read[name][part], self.event)

    def completed(self, name: str, rows: int) -> None:
        """The first ``rows`` rows of a tensor are there."""
        if rows != self.complete[name]:
            self.complete[name] = rows
            self.waiting.difference_update(self.readers[name])

    def ready(self, layer: Layer) -> bool:
        """Whether the layer's next step has all its rows."""
        step = self.done[layer.index]
        if step >= layer.rule.steps:
            return False
        for name, reads in zip(layer.node.inputs, layer.rule.reads, strict=True):
            if reads is not None and self.complete[name] < reads.span(step, len(self.made[name]))[1]:
                return False
        return True

    def run(self, layer: Layer) -> None:
        """One step: reads its inputs, writes its output."""
        self.event += 1
        self.steps[layer.index].append(self.event)
        step, rule = self.done[layer.index], layer.rule
        for name, reads in zip(layer.node.inputs, rule.reads, strict=True):
            if reads is not None:
                low, high = reads.span(step, len(self.made[name]))
                self.read[name][low:high] = self.event
        closes = (step + 1) % rule.group == 0
        if layer.lowered.state is not None:
            self._touch_state(layer, step == 0 if layer.lowered.holds_state else step % rule.group == 0)
        output_rows = len(self.made[layer.node.output])
        # With accumulators of its own, a layer touches its output only when a group closes.
        if closes or layer.lowered.state is None:
            self.write(layer.node.output, rule.output_rows(step, output_rows))
        self.done[layer.index] = step + 1
        self.completed(layer.node.output, rule.rows_done(step + 1, output_rows))

    def _touch_state(self, layer: Layer, opens: bool) -> None:
        lives = self.states.setdefault(layer.index, [])
        if opens:
            lives.append((self.event, self.event))
        else:
            lives[-1] = (lives[-1][0], self.event)

    def sweep(self) -> None:
        """Layers in order, each one step if it is ready, until nothing moves."""
        progressed = True
        while progressed:
            self.rounds += 1
            progressed = False
            for layer in self.layers:
                if layer.index in self.waiting:
                    continue
                if self.ready(layer):
                    self.run(layer)
                    progressed = True
                else:
                    self.waiting.add(layer.index)

    def trace(self) -> Trace:
        """The finished run; outputs, and states as they came in, live on behind the last event."""
        kept = {*self.graph.outputs, *(entry for _, entry, _ in self.graph.carried)}
        rows = {}
        for name, made in self.made.items():
            read = self.read[name]
            rows[name] = RowLives(made, np.full_like(read, self.event + 1) if name in kept else read)
        states = {k: tuple(v) for k, v in self.states.items()}
        return Trace(rows, states, {k: tuple(v) for k, v in self.steps.items()}, self.event, self.rounds)
