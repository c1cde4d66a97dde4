# SPDX-License-Identifier: Apache-2.0
"""Move ops that read only the network's input to the front.

They depend on nothing: when a row is pushed, all branches take their part of it before any of them computes, and the
row's bytes are free again.
"""

from __future__ import annotations

from ascmcu.ir.graph import Graph, Node


def input_readers_first(graph: Graph) -> Graph:
    """Exact: the nodes in another order in which they can run."""

    def waits(node: Node) -> bool:
        return any(tensor.name not in graph.inputs for tensor in graph.activations(node))

    ordered = tuple(sorted(graph.nodes, key=waits))
    return graph if ordered == graph.nodes else graph.replace(nodes=ordered)
