# SPDX-License-Identifier: Apache-2.0
"""Merge consecutive lookup tables and remove tables that change nothing."""

from __future__ import annotations

import dataclasses

import numpy as np

from ascmcu.ir.graph import Graph, Node, with_tensor
from ascmcu.ir.types import Tensor
from ascmcu.ops.lookup import Lookup, every_byte
from ascmcu.passes._rewire import bypass, same_values


def compose_lookups(graph: Graph) -> Graph:
    """Exact by construction: the second table is applied to each of the first one's 256 results."""
    producers = {node.output: node for node in graph.nodes}
    tables: list[Tensor] = []
    for node in graph.nodes:
        first = producers.get(node.inputs[0])
        if isinstance(node.op, Lookup) and first is not None and isinstance(first.op, Lookup):
            table = _composed(graph, tables, first, node)
            tables.append(table)
            producers[node.output] = dataclasses.replace(node, inputs=(first.inputs[0], table.name))
    graph = graph.replace(nodes=[producers[node.output] for node in graph.nodes], tensors=tables)
    return bypass(graph, {n.output: n.inputs[0] for n in graph.nodes if _changes_nothing(graph, n)})


def _composed(graph: Graph, made: list[Tensor], first: Node, second: Node) -> Tensor:
    known = {**graph.tensors, **{t.name: t for t in made}}
    inner, outer = known[first.inputs[1]], known[second.inputs[1]]
    name = graph.fresh_name(f"{second.output}.composed")
    return with_tensor(dataclasses.replace(outer, name=name), data=outer.values[inner.values.view(np.uint8)])


def _changes_nothing(graph: Graph, node: Node) -> bool:
    if not isinstance(node.op, Lookup):
        return False
    source, table = graph.tensors[node.inputs[0]], graph.tensors[node.inputs[1]]
    same = same_values(source, graph.output_tensor(node))
    return same and bool(np.array_equal(table.values, every_byte(source.dtype)))
