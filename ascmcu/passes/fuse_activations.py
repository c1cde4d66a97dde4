# SPDX-License-Identifier: Apache-2.0
"""Merge a clamp into the operator before it, if that operator clamps anyway."""

from __future__ import annotations

import dataclasses

import numpy as np

from ascmcu.ir.graph import Graph, Node
from ascmcu.ops.lookup import Lookup
from ascmcu.passes._rewire import same_values, sole_consumer

Clamp = tuple[int, int]


def fuse_activations(graph: Graph) -> Graph:
    """Exact: the producer clamps the same integers one step earlier, and nobody else reads them."""
    nodes = {node.output: node for node in graph.nodes}
    for node in graph.nodes:
        # The table's clamp moves to the producer, which then writes the table's output.
        clamp = _clamp(graph, node)
        producer = nodes.get(node.inputs[0])
        op = producer.op.clamped(*clamp) if clamp is not None and producer is not None else None
        if op is None or producer is None or sole_consumer(graph, node.inputs[0]) is None:
            continue
        del nodes[producer.output]
        nodes[node.output] = dataclasses.replace(producer, op=op, output=node.output)
    order = {node.output: i for i, node in enumerate(graph.nodes)}
    return graph.replace(nodes=sorted(nodes.values(), key=lambda n: order[n.output]))


def _clamp(graph: Graph, node: Node) -> Clamp | None:
    """The range to which a table clips, if clipping is all that it does."""
    if not isinstance(node.op, Lookup):
        return None
    source, table = graph.tensors[node.inputs[0]], graph.tensors[node.inputs[1]]
    if not same_values(source, graph.output_tensor(node)) or table.data is None:
        return None
    low, high = source.dtype.integer_range
    values = np.arange(low, high + 1)
    results = table.data[values.astype(source.dtype.numpy).view(np.uint8)].astype(np.int64)
    clamp = int(results.min()), int(results.max())
    return clamp if np.array_equal(results, np.clip(values, *clamp)) else None
