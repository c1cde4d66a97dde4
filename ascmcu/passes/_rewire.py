# SPDX-License-Identifier: Apache-2.0
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
    wanted = dict(unneeded)
    while (refused := _refused(graph, wanted)) is not None:
        del wanted[refused]
    chosen = {old: _end(new, wanted) for old, new in wanted.items()}
    nodes = [
        dataclasses.replace(node, inputs=tuple(chosen.get(name, name) for name in node.inputs))
        for node in graph.nodes
        if node.output not in chosen
    ]
    return graph.replace(nodes=nodes, outputs=tuple(chosen.get(name, name) for name in graph.outputs))


def _refused(graph: Graph, wanted: Mapping[str, str]) -> str | None:
    """An output that its source cannot stand for."""
    taken = set(graph.outputs)
    for old in dict.fromkeys(graph.outputs):
        if old in wanted:
            new = _end(wanted[old], wanted)
            if new in taken or new in graph.inputs or graph.tensors[new].is_const:
                return old
            taken.add(new)
    return None


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
