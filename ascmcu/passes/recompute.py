# SPDX-License-Identifier: Apache-2.0
"""Compute the rows that wait for a barrier again after it, instead of storing them.

Channel attention weighs every row of a map by what the whole map's mean says. Streamed, the map must be stored until
the last row is in, or its rows must be made a second time: from an earlier, smaller tensor.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from ascmcu.ir.graph import Graph, Node
from ascmcu.ops.barrier import Barrier


@dataclass(frozen=True)
class Recomputation:
    """``node`` reads ``stored`` row by row together with ``gate``, which needs all of it. ``again`` are the nodes
    that make ``stored`` out of ``source``."""

    node: str
    stored: str
    gate: str
    source: str
    again: tuple[str, ...]

    def macs(self, graph: Graph) -> int:
        """What it costs."""
        return sum(
            node.op.macs(graph.input_tensors(node), graph.output_tensor(node))
            for node in graph.nodes
            if node.name in self.again
        )


def recomputations(graph: Graph) -> Iterator[Recomputation]:
    """Every barrier with every tensor that it can be computed again from, the nearest first."""
    above = _ancestors(graph)
    for node in graph.nodes:
        rows = [t.name for t in graph.activations(node) if t.rows > 1]
        gates = [t.name for t in graph.activations(node) if t.rows == 1]
        for stored in rows:
            for gate in gates:
                if stored in above[gate]:
                    yield from _sources(graph, node, stored, gate)


def recompute(graph: Graph, choice: Recomputation) -> Graph:
    """The graph in which the nodes of ``choice`` run a second time, behind the gate. Exact: they are the same."""
    suffix = f".again_{choice.node}"
    source = graph.tensors[choice.source]
    held = dataclasses.replace(source, name=f"{source.name}{suffix}", source_index=-1)
    nodes = [Node(held.name, Barrier(), (source.name, choice.gate), held.name)]
    tensors, renamed = [held], {source.name: held.name}
    for node in graph.nodes:
        if node.name in choice.again:
            output = graph.output_tensor(node)
            copy = dataclasses.replace(output, name=f"{output.name}{suffix}", source_index=-1)
            inputs = tuple(renamed.get(name, name) for name in node.inputs)
            nodes.append(
                dataclasses.replace(node, name=f"{node.name}{suffix}", inputs=inputs, output=copy.name)
            )
            tensors.append(copy)
            renamed[output.name] = copy.name
    at = next(i for i, node in enumerate(graph.nodes) if node.name == choice.node)
    reader = graph.nodes[at]
    moved = tuple(renamed[n] if n == choice.stored else n for n in reader.inputs)
    rewired = dataclasses.replace(reader, inputs=moved)
    return graph.replace(nodes=[*graph.nodes[:at], *nodes, rewired, *graph.nodes[at + 1 :]], tensors=tensors)


def _ancestors(graph: Graph) -> dict[str, set[str]]:
    """By tensor: the run-time tensors that it depends on."""
    above: dict[str, set[str]] = {name: set() for name in graph.inputs}
    for node in graph.nodes:
        inputs = [t.name for t in graph.activations(node)]
        above[node.output] = set(inputs).union(*(above[name] for name in inputs))
    return above


def _sources(graph: Graph, node: Node, stored: str, gate: str) -> Iterator[Recomputation]:
    """Walk up from ``stored``: whenever all that is still open is one tensor, the walk could begin there."""
    open_: set[str] = {stored}
    again: list[str] = []
    for maker in reversed(graph.nodes):
        if maker.output not in open_:
            continue
        if len(open_) == 1 and again:
            yield Recomputation(node.name, stored, gate, maker.output, tuple(reversed(again)))
        open_.discard(maker.output)
        again.append(maker.name)
        # Single rows, such as an earlier gate, are kept.
        open_.update(t.name for t in graph.activations(maker) if t.rows > 1)
    # Nothing but inputs is left open.
    if len(open_) == 1:
        yield Recomputation(node.name, stored, gate, open_.pop(), tuple(reversed(again)))
