# SPDX-License-Identifier: Apache-2.0
"""A plan: the order of the steps, the bytes of each tensor, and the RAM."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from ascmcu.cards import Card, Row
from ascmcu.ir import naming
from ascmcu.ir.graph import Graph, Node
from ascmcu.ir.op import RowRule
from ascmcu.kernels import DEFAULT_TARGET, Lowered, Target, Work, around, predicted, work
from ascmcu.schedule.asking import asked, cuts

LAYERS = "layers"
ROWS = "rows"
PUSH = -1
Interval = tuple[int, int]
# Per layer: more of a table than this, and asking each layer whether it can run takes less flash.
_TABLE_BYTES = 40
# A copy of a row: the call, and each byte.
_COPY_CYCLES = 30
_COPY_BYTE_CYCLES = 0.5
# In the table, behind the layers of a row.
TABLE_END = 255


@dataclass(frozen=True)
class Layer:
    """One node with what its code is made of."""

    index: int
    node: Node
    rule: RowRule
    lowered: Lowered


@dataclass(frozen=True)
class Buffer:
    """Bytes of the activation arena.

    ``ring_rows`` rows of ``row_bytes`` hold the live rows of one tensor or of several that share it (row r lies at
    slot r mod ``ring_rows``); accumulators are one row. ``live`` are the closed intervals of events in which the
    bytes are in use; between them other buffers may have them.
    """

    name: str
    ring_rows: int
    row_bytes: int
    live: tuple[Interval, ...]
    offset: int = -1

    @property
    def size_bytes(self) -> int:
        """Bytes that the buffer occupies, rounded up to words."""
        return -(-self.ring_rows * self.row_bytes // 4) * 4

    @property
    def end(self) -> int:
        """Offset behind the buffer."""
        return self.offset + self.size_bytes


# Where a layer finds the rows of a ring whose newest row lands: where they are made; in the ring; in the ring but for
# the newest of its step.
MADE, RING, NEWEST = "made", "ring", "newest"


@dataclass(frozen=True)
class Access:
    """How the layer with this index finds the rows of a tensor whose rows land: ``MADE``, ``RING``, or ``NEWEST``, with
    row step × stride + last as the newest."""

    layer: int
    tensor: str
    kind: str
    stride: int = 0
    last: int = 0


@dataclass(frozen=True)
class Landing:
    """A ring that is a row lower than its reader's window, because the window's newest row lies elsewhere.

    Attributes:
        owner: the storage, whose buffer is the ring.
        mover: the index of the layer with the window. At the end of a step it moves the newest row into the ring.
        stride, last: row step × stride + last is the newest one of a step.
        steps: as many of the first steps have such a row.
        ring_rows, row_bytes: of the ring.
        ring_live, row_live: when the ring's bytes are in use, and those of the row.
        accesses: of the layers that do not find every row where it is made.
    """

    owner: str
    mover: int
    stride: int
    last: int
    steps: int
    ring_rows: int
    row_bytes: int
    ring_live: tuple[Interval, ...]
    row_live: tuple[Interval, ...]
    accesses: tuple[Access, ...]

    @property
    def name(self) -> str:
        """The buffer of the row."""
        return f"{self.owner}#landing"

    @property
    def buffers(self) -> tuple[Buffer, Buffer]:
        """The ring and the row, not yet placed."""
        return (
            Buffer(self.owner, self.ring_rows, self.row_bytes, self.ring_live),
            Buffer(self.name, 1, self.row_bytes, self.row_live),
        )

    @property
    def copied_bytes(self) -> int:
        """In an inference."""
        return self.steps * self.row_bytes

    @property
    def cycles(self) -> int:
        """Estimated for an inference."""
        return round(self.steps * (_COPY_CYCLES + _COPY_BYTE_CYCLES * self.row_bytes))


@dataclass(frozen=True)
class Plan:
    """The compiled form of a graph, ready to be written as C.

    ``storage`` maps every run-time tensor to the buffer that holds it, which is another tensor's where a reshape
    moves nothing or an op works in place. ``lower_bound_bytes`` is the largest sum of live buffers at any event: no
    placement can be smaller. ``order`` holds the layer of each event, ``PUSH`` where a row comes in. ``stages`` are the
    passes that laid the graph out, each with its result: the last is ``graph``. ``target`` is what cycles are predicted
    for. ``landings`` are the storages whose newest row has bytes of its own.
    """

    graph: Graph
    mode: str
    layers: tuple[Layer, ...]
    buffers: tuple[Buffer, ...]
    storage: Mapping[str, str]
    arena_bytes: int
    lower_bound_bytes: int
    events: int
    order: tuple[int, ...]
    stages: tuple[tuple[str, Graph], ...] = ()
    target: Target = DEFAULT_TARGET
    landings: tuple[Landing, ...] = ()

    def __repr__(self) -> str:
        costs = f"{self.cycles:,} cycles, {self.arena_bytes:,} bytes of activations"
        return f"Plan({self.graph.name!r}, {self.mode}: {costs})"

    def _repr_html_(self) -> str:
        return self.card().html()

    def card(self) -> Card:
        """The layers with their kernels, predicted cycles and steps, for a notebook."""
        cycles = self.cycles
        rows = [
            Row(
                (
                    naming.short(layer.node.output), layer.node.op.kind(), layer.lowered.kernel, f"{layer.rule.steps}",
                    f"{layer.lowered.cycles:,}", f"{100 * layer.lowered.cycles / max(cycles, 1):.1f} %",
                ),
                100 * layer.lowered.cycles / max(cycles, 1),
            )
            for layer in self.running
        ]  # fmt: skip
        figures = (
            ("schedule", self.mode),
            ("predicted cycles", f"{cycles:,} at {self.target.wait_states} wait states"),
            ("behind the last row", f"{self.latency_cycles:,} cycles"),
            ("activations", f"{self.arena_bytes:,} bytes"),
        )
        head = ("layer", "operator", "kernel", "steps", "cycles", "share")
        return Card(f"Plan of {self.graph.name}", figures, head, tuple(rows), texts=3)

    @cached_property
    def running(self) -> tuple[Layer, ...]:
        """The layers that code runs for."""
        return tuple(layer for layer in self.layers if not self.moves_nothing(layer))

    @property
    def cycles(self) -> int:
        """Predicted for an inference: all layers, and what runs around them."""
        layers = sum(layer.lowered.cycles for layer in self.running)
        return layers + self._copies + around(self.schedule_work, self.target)

    def cycles_at(self, target: Target) -> int:
        """The same kernels' cycles elsewhere; of a kernel that was never measured, as the plan has them."""
        layers = 0
        for layer in self.running:
            found = predicted(layer.lowered.kernel, layer.rule.steps, layer.lowered.work, target)
            layers += layer.lowered.cycles if found is None else found
        return layers + self._copies + around(self.schedule_work, target)

    @property
    def _copies(self) -> int:
        """Cycles that rows take which land."""
        return sum(landing.cycles for landing in self.landings)

    @property
    def schedule_work(self) -> Work:
        """What runs around the layers: a push of each row, the calls of steps, and the questions whether they can."""
        steps = sum(layer.rule.steps for layer in self.running)
        asks = self.mode == ROWS and not self.step_table
        questions = asked(self.order, [layer.index for layer in self.running], self.cuts) if asks else 0
        form = "table" if self.step_table else self.mode
        return work({f"{form}_pushes": self.order.count(PUSH), f"{form}_steps": steps, "asked": questions})

    @cached_property
    def cuts(self) -> frozenset[int]:
        """The layers behind which a round of questions may end (``asking``)."""
        return cuts(self.graph, {layer.index for layer in self.running})

    @cached_property
    def step_table(self) -> tuple[int, ...]:
        """The layers that run behind each row, by number, ``PUSH`` behind the last; empty where it would be long."""
        if self.mode != ROWS:
            return ()
        running = {layer.index for layer in self.running}
        steps = (*(i for i in self.order[1:] if i == PUSH or i in running), PUSH)
        fits = len(steps) <= _TABLE_BYTES * len(running) and len(self.layers) < TABLE_END
        return steps if fits else ()

    @cached_property
    def latency_cycles(self) -> int:
        """Predicted from the last row on to the result; a layer's steps are taken to be of equal length."""
        if self.mode == LAYERS:
            return self.cycles
        last = len(self.order) - 1 - self.order[::-1].index(PUSH)
        by_index = {layer.index: layer for layer in self.running}
        behind = [by_index[i] for i in self.order[last + 1 :] if i in by_index]
        return round(sum(layer.lowered.cycles / layer.rule.steps for layer in behind))

    @cached_property
    def _by_name(self) -> dict[str, Buffer]:
        return {b.name: b for b in self.buffers}

    def buffer(self, name: str) -> Buffer:
        """The buffer of a tensor or of a layer's accumulators."""
        return self._by_name[self.storage.get(name, name)]

    @property
    def state_copies(self) -> tuple[tuple[str, str], ...]:
        """The states whose next value lies elsewhere: as (bringing input, taking output)."""
        ends = [(entry, exit_) for _, entry, exit_ in self.graph.carried]
        return tuple(pair for pair in ends if self.storage[pair[1]] != pair[0])

    def moves_nothing(self, layer: Layer) -> bool:
        """Whether the layer's output already lies where it should, so that no code runs."""
        same = self.storage[layer.node.output] == self.storage.get(layer.node.inputs[0], "")
        return layer.node.op.MOVES_NOTHING and same


def state_name(layer: Layer) -> str:
    """The buffer name of a layer's accumulators."""
    return f"{layer.node.output}#state"


def scratch_name(layer: Layer) -> str:
    """The buffer name of what a layer needs only while a step runs."""
    return f"{layer.node.output}#scratch"
