"""Helpers that several passes share."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from ascmcu.ir.graph import Graph, Node
from ascmcu.ir.types import Tensor


def bypass(graph: Graph, unneeded: Mapping[str, str]) -> Graph:
    """Let everything that reads a key of ``unneeded`` read its value instead; the nodes that wrote the keys go.

    A key whose place in the outputs could not be taken (by an input, a constant, or another output) keeps its node.
    """
    chosen = {old: _end(new, unneeded) for old, new in unneeded.items()}
    taken = set(graph.outputs)
    for old in [name for name in graph.outputs if name in chosen]:
        new = chosen[old]
        if new in taken or new in graph.inputs or graph.tensors[new].is_const:
            del chosen[old]
        else:
            taken.add(new)
    nodes = [
        dataclasses.replace(node, inputs=tuple(chosen.get(name, name) for name in node.inputs))
        for node in graph.nodes
        if node.output not in chosen
    ]
    return graph.replace(nodes=nodes, outputs=tuple(chosen.get(name, name) for name in graph.outputs))


def _end(name: str, chain: Mapping[str, str]) -> str:
    while name in chain:
        name = chain[name]
    return name


def sole_consumer(graph: Graph, tensor: str) -> Node | None:
    """The only node that reads ``tensor``, if it has one and is no output of the graph."""
    readers = graph.consumers(tensor)
    return readers[0] if len(readers) == 1 and tensor not in graph.outputs else None


def same_values(a: Tensor, b: Tensor) -> bool:
    """Whether equal raw integers of both mean equal numbers."""
    return a.dtype is b.dtype and a.quant == b.quant
