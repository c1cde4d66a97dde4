"""Runs the graph at row granularity without data: ring heights and lifetimes come out exactly.

The generated ``model_push`` follows the same order, so what fits here fits there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ascmcu.errors import VerifyError
from ascmcu.ir.graph import Graph
from ascmcu.ir.op import RowMode
from ascmcu.schedule.plan import LAYERS, Buffer, Layer, state_name


@dataclass
class _Life:
    """What is known of one tensor while the simulation runs."""

    rows: int
    produced: int = 0
    height: int = 0
    first: int = -1
    last: int = -1
    readers: list[tuple[Layer, int]] = field(default_factory=list)


@dataclass
class _Simulation:
    graph: Graph
    layers: Sequence[Layer]
    whole: bool
    event: int = 0

    def __post_init__(self) -> None:
        self.done = [0] * len(self.layers)
        self.lives = {n: _Life(t.rows) for n, t in self.graph.tensors.items() if not t.is_const}
        self.states: dict[str, tuple[int, int]] = {}
        for layer in self.layers:
            for position, name in enumerate(layer.node.inputs):
                if name in self.lives:
                    self.lives[name].readers.append((layer, position))

    def lowest_needed(self, life: _Life) -> int:
        """The first row that some reader still wants."""
        lowest = life.rows
        for layer, position in life.readers:
            reads, done = layer.rule.reads[position], self.done[layer.index]
            if reads is not None and done < layer.rule.steps:
                lowest = min(lowest, reads.span(done, life.rows)[0])
        return lowest

    def produce(self, name: str, rows: int) -> None:
        """``rows`` of the tensor are complete; its ring must hold them beside all that is still wanted."""
        life = self.lives[name]
        if rows == life.produced:
            return
        keep = 0 if name in self.graph.outputs else self.lowest_needed(life)
        life.height = max(life.height, rows - min(keep, life.produced))
        life.produced = rows
        life.first = self.event if life.first < 0 else life.first
        life.last = self.event

    def ready(self, layer: Layer) -> bool:
        """Whether the layer's next step has all its rows."""
        step = self.done[layer.index]
        if step >= layer.rule.steps:
            return False
        for name, reads in zip(layer.node.inputs, layer.rule.reads, strict=True):
            if reads is not None and self.lives[name].produced < reads.span(step, self.lives[name].rows)[1]:
                return False
        return True

    def run(self, layer: Layer) -> None:
        """One step: reads its inputs, writes its output."""
        self.event += 1
        for name, reads in zip(layer.node.inputs, layer.rule.reads, strict=True):
            if reads is not None:
                self.lives[name].last = self.event
        if layer.lowered.state is not None:
            first = self.states.get(state_name(layer), (self.event, 0))[0]
            self.states[state_name(layer)] = (first, self.event)
        step = self.done[layer.index]
        output = self.lives[layer.node.output]
        if (
            layer.rule.mode is not RowMode.MAP
            and output.first < 0
            and step == 0
            and not _finishes_late(layer)
        ):
            output.first = self.event
        # The row is written while the rows it is made of are still held.
        self.produce(layer.node.output, layer.rule.rows_done(step + 1, output.rows))
        self.done[layer.index] = step + 1

    def sweep(self) -> Iterator[Layer]:
        """Layers in order, each one step if it is ready, until nothing moves."""
        progressed = True
        while progressed:
            progressed = False
            for layer in self.layers:
                if self.ready(layer):
                    yield layer
                    progressed = True


def _finishes_late(layer: Layer) -> bool:
    """Accumulators of their own: the output is touched by the last step only."""
    return layer.lowered.state is not None


def simulate(graph: Graph, layers: Sequence[Layer], mode: str) -> tuple[list[Buffer], int]:
    """Buffers without offsets, and the number of events.

    Raises:
        VerifyError: a layer cannot finish (a rule is wrong).
    """
    sim = _Simulation(graph, layers, mode == LAYERS)
    inputs = [graph.tensors[name] for name in graph.inputs]
    for row in range(max(t.rows for t in inputs)):
        sim.event += 1
        for t in inputs:
            sim.produce(t.name, min(row + 1, t.rows))
        if mode != LAYERS:
            for layer in sim.sweep():
                sim.run(layer)
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
    return _buffers(sim), sim.event


def _buffers(sim: _Simulation) -> list[Buffer]:
    buffers = []
    for name, life in sim.lives.items():
        last = sim.event + 1 if name in sim.graph.outputs else life.last
        buffers.append(Buffer(name, life.height, sim.graph.tensors[name].row_bytes, life.first, last))
    for layer in sim.layers:
        if layer.lowered.state is not None:
            dtype, count = layer.lowered.state
            buffers.append(
                Buffer(state_name(layer), 1, dtype.size_bytes * count, *sim.states[state_name(layer)])
            )
    return buffers
