# SPDX-License-Identifier: Apache-2.0
"""A network of clips → a network of steps: each step takes the rows of one hop and gives the scores of the window that
ends with them.

The rows of the window are a state. So are the rows of other tensors, if they are kept: the next step computes only
their first and last rows, in pieces of the layer, and ``Slide`` puts them around those that the windows share. What
follows a tensor of which all rows are needed, such as a mean over time, is computed as in a clip.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

import numpy as np

from ascmcu.ir.graph import Graph, Node, State
from ascmcu.ir.op import Op, RowReads
from ascmcu.ir.types import Tensor
from ascmcu.listening.sharing import Shared, indivisible, reads_of, shared, with_rows
from ascmcu.ops._conv import Convolution
from ascmcu.ops._pool import Pool
from ascmcu.ops.slice import Slice
from ascmcu.ops.slide import Slide

Rows = tuple[int, int]


def worth_keeping(graph: Graph, hop_rows: int) -> tuple[str, ...]:
    """The tensors whose shared rows spare work, in their order: something reads more of them than is computed."""
    rows = shared(graph, hop_rows)
    return tuple(
        node.output
        for node in graph.nodes
        if node.output in rows
        and any(_gathers(graph, reader, node.output, rows) for reader in _readers(graph, node))
    )


def why_nothing(graph: Graph, hop_rows: int, step_s: float) -> str:
    """Why no shared row spares work, in a sentence with a hop at which some do; empty where some do at this one.

    Args:
        graph: of a clip.
        hop_rows: input rows of a step.
        step_s: seconds from one row to the next.
    """
    if worth_keeping(graph, hop_rows):
        return ""
    hop = _ms(hop_rows * step_s)
    what = f"each window is computed anew: at a hop of {hop} no layer shares rows with the window before"
    blocked = indivisible(graph, hop_rows)
    if blocked is None:
        return what
    node, stride = blocked
    what += f", because {node.describe()} has stride {stride}, which does not divide the {hop_rows} rows of the hop"
    rows = graph.tensors[graph.inputs[0]].rows
    below = next((n for n in range(hop_rows, 0, -1) if worth_keeping(graph, n)), None)
    above = next((n for n in range(hop_rows, rows) if worth_keeping(graph, n)), None)
    better = " or ".join(f"--hop {_ms(n * step_s)}" for n in (below, above) if n is not None)
    return f"{what}; {better} shares some" if better else what


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:g}ms"


def _readers(graph: Graph, node: Node) -> tuple[Node | None, ...]:
    """The nodes that read the output, None for the caller."""
    return (*graph.consumers(node.output), *([None] if node.output in graph.outputs else []))


def _gathers(graph: Graph, reader: Node | None, name: str, rows: dict[str, Shared]) -> bool:
    if reader is None or reader.output not in rows:
        return True
    reads = reads_of(graph, reader)
    return reads is None or reads[name] != RowReads(1, 0, 1)


def stepping(graph: Graph, hop_rows: int, keep: Collection[str]) -> Graph:
    """The network of steps.

    Args:
        graph: of a clip: one input, no states, in the layouts that it was imported in.
        hop_rows: input rows of a step, fewer than the window has.
        keep: tensors whose shared rows are kept, of those that ``worth_keeping`` names.
    """
    return _Stepping(graph, hop_rows, keep).run()


@dataclass
class _Stepping:
    graph: Graph
    hop_rows: int
    keep: Collection[str]
    nodes: list[Node] = field(default_factory=list)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    states: list[tuple[State, str, str]] = field(default_factory=list)
    # By tensor of the clip: its rows that are there, and what holds them.
    parts: dict[str, dict[Rows, str]] = field(default_factory=dict)

    def run(self) -> Graph:
        graph = self.graph
        self.rows = shared(graph, self.hop_rows)
        (x,) = graph.inputs
        new = with_rows(graph.tensors[x], self.hop_rows, x)
        self.tensors[x] = new
        kept = self.rows[x].kept
        self.parts[x] = {(kept[1], graph.tensors[x].rows): x}
        self._slide(graph.tensors[x], self.rows[x], f"{x}.window")
        needed = self._needed()
        for node in graph.nodes:
            self._node(node, needed[node.output])
        outputs = tuple(self._whole(name) for name in graph.outputs)
        return Graph(
            graph.name,
            {**{n: t for n, t in graph.tensors.items() if t.is_const}, **self.tensors},
            tuple(self.nodes),
            (x, *(entry for _, entry, _ in self.states)),
            (*outputs, *(exit_ for _, _, exit_ in self.states)),
            tuple(state for state, _, _ in self.states),
        ).replace()

    # ---- which rows of each tensor are computed

    def _needed(self) -> dict[str, tuple[Rows, ...]]:
        """By computed tensor: the rows that its layer computes in a step, at most a run at either end."""
        wanted: dict[str, list[Rows]] = {name: [(0, self._count(name))] for name in self.graph.outputs}
        found: dict[str, tuple[Rows, ...]] = {}
        for node in reversed(self.graph.nodes):
            runs = self._computed(node, wanted.get(node.output, []))
            found[node.output] = runs
            reads = reads_of(self.graph, node) if self._is_cut(node.output, runs) else None
            for tensor in self.graph.activations(node):
                spans = (
                    [(0, tensor.rows)]
                    if reads is None
                    else [_span(r, reads[tensor.name], tensor) for r in runs]
                )
                wanted.setdefault(tensor.name, []).extend(spans if runs else [])
        return found

    def _computed(self, node: Node, wanted: list[Rows]) -> tuple[Rows, ...]:
        count = self._count(node.output)
        if not wanted:
            return ()
        if node.output in self.keep:
            low, high = self.rows[node.output].kept
            return tuple(r for r in ((0, low), (high, count)) if r[0] < r[1])
        runs = _merged(wanted)
        if len(runs) > 2 or node.output not in self.rows:
            return ((0, count),)
        return runs

    def _count(self, name: str) -> int:
        return self.graph.tensors[name].rows

    def _is_cut(self, name: str, runs: tuple[Rows, ...]) -> bool:
        return runs != ((0, self._count(name)),)

    # ---- the nodes of a step

    def _node(self, node: Node, runs: tuple[Rows, ...]) -> None:
        output = self.graph.output_tensor(node)
        if not runs:
            return
        if not self._is_cut(node.output, runs):
            inputs = tuple(self._whole(n) if self._is_computed(n) else n for n in node.inputs)
            self._add(dataclasses.replace(node, inputs=inputs), output)
            self.parts[output.name] = {(0, output.rows): output.name}
            return
        self.parts[output.name] = {run: self._piece(node, run) for run in runs}
        if node.output in self.keep:
            self._slide(output, self.rows[node.output], output.name)

    def _is_computed(self, name: str) -> bool:
        return bool(name) and not self.graph.tensors[name].is_const

    def _add(self, node: Node, output: Tensor) -> str:
        self.nodes.append(node)
        self.tensors[output.name] = output
        return output.name

    def _slide(self, window: Tensor, rows: Shared, name: str) -> None:
        """The whole tensor out of what is kept and what is computed."""
        entry = dataclasses.replace(window, name=f"{name}.old", source_index=-1)
        self.tensors[entry.name] = entry
        low, high = rows.kept
        parts = self.parts[window.name]
        inputs = (entry.name, parts.get((0, low), ""), parts[high, window.rows])
        after = dataclasses.replace(window, name=name)
        self._add(Node(name, Slide(rows.shift, low, high), inputs, name), after)
        fill = np.full(window.shape, window.zero_point, window.dtype.numpy)
        self.states.append((State(name, fill), entry.name, name))
        parts[0, window.rows] = name

    def _piece(self, node: Node, run: Rows) -> str:
        """The layer on what some of its rows are made of."""
        output = self.graph.output_tensor(node)
        reads = reads_of(self.graph, node)
        assert reads is not None
        op, inputs = node.op, []
        for name in node.inputs:
            if not self._is_computed(name):
                inputs.append(name)
                continue
            tensor = self.graph.tensors[name]
            inputs.append(self._rows_of(tensor, _span(run, reads[name], tensor)))
            op = _padded(op, run, reads[name], tensor)
        name = _name(output.name, run)
        piece = with_rows(output, run[1] - run[0], name)
        return self._add(Node(name, op, tuple(inputs), name), piece)

    def _whole(self, name: str) -> str:
        return self._rows_of(self.graph.tensors[name], (0, self._count(name)))

    def _rows_of(self, tensor: Tensor, run: Rows) -> str:
        """What holds these rows of a tensor, cut out of a longer part where there is one."""
        parts = self.parts[tensor.name]
        if run in parts:
            return parts[run]
        (low, _), source = next((r, n) for r, n in parts.items() if r[0] <= run[0] and run[1] <= r[1])
        begin = (0, run[0] - low, *[0] * (len(tensor.shape) - 2))
        cut = with_rows(tensor, run[1] - run[0], _name(tensor.name, run))
        parts[run] = self._add(
            Node(cut.name, Slice(begin, cut.shape, (1,) * len(begin)), (source,), cut.name), cut
        )
        return cut.name


def _name(tensor: str, run: Rows) -> str:
    return f"{tensor}.rows{run[0]}to{run[1]}"


def _merged(runs: list[Rows]) -> tuple[Rows, ...]:
    """The runs, those that touch made one."""
    found: list[Rows] = []
    for low, high in sorted(runs):
        if found and low <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], high)
        else:
            found.append((low, high))
    return tuple(found)


def _span(run: Rows, reads: RowReads, tensor: Tensor) -> Rows:
    """The rows of an input that some rows of the output are made of."""
    return reads.span(run[0], tensor.rows)[0], reads.span(run[1] - 1, tensor.rows)[1]


def _padded(op: Op, run: Rows, reads: RowReads, tensor: Tensor) -> Op:
    """The op with as much padding as those rows have."""
    if not isinstance(op, Convolution | Pool):
        return op
    top = max(0, -(run[0] * reads.stride + reads.first))
    bottom = max(0, (run[1] - 1) * reads.stride + reads.first + reads.count - tensor.rows)
    return dataclasses.replace(op, padding=(top, bottom, *op.padding[2:]))


def windows(rows: int, hop_rows: int) -> Iterator[Rows]:
    """The input rows of the window that each step ends, from the first step on; the first ones begin before row 0."""
    end = hop_rows
    while True:
        yield end - rows, end
        end += hop_rows
