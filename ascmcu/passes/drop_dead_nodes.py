# SPDX-License-Identifier: Apache-2.0
"""Remove nodes that no output depends on."""

from __future__ import annotations

from ascmcu.ir.graph import Graph


def drop_dead_nodes(graph: Graph) -> Graph:
    """Keep what the outputs need, in order."""
    needed = set(graph.outputs)
    kept = []
    for node in reversed(graph.nodes):
        if node.output in needed:
            kept.append(node)
            needed.update(node.inputs)
    return graph.replace(nodes=reversed(kept))
