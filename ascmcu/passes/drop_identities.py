# SPDX-License-Identifier: Apache-2.0
"""Remove operators that return their input unchanged."""

from __future__ import annotations

from ascmcu.ir.graph import Graph, Node
from ascmcu.passes._rewire import bypass, same_values


def drop_identities(graph: Graph) -> Graph:
    """Only where shape, type and quantization stay, so that every reader sees what it saw."""
    return bypass(graph, {n.output: n.inputs[0] for n in graph.nodes if _is_identity(graph, n)})


def _is_identity(graph: Graph, node: Node) -> bool:
    source, output = graph.tensors[node.inputs[0]], graph.output_tensor(node)
    same = source.shape == output.shape and same_values(source, output)
    return same and node.op.is_identity(source, output)
