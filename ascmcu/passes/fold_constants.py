# SPDX-License-Identifier: Apache-2.0
"""Compute nodes whose inputs are all constant."""

from __future__ import annotations

from ascmcu.ir.graph import Graph, with_tensor
from ascmcu.ir.types import Tensor


def fold_constants(graph: Graph) -> Graph:
    """Evaluate constant nodes with the reference kernels."""
    tensors: dict[str, Tensor] = dict(graph.tensors)
    kept = []
    for node in graph.nodes:
        inputs = [tensors[name] if name else None for name in node.inputs]
        if all(t is None or t.is_const for t in inputs):
            value = node.op.evaluate(
                [None if t is None else t.data for t in inputs], inputs, tensors[node.output]
            )
            tensors[node.output] = with_tensor(tensors[node.output], data=value)
        else:
            kept.append(node)
    return graph.replace(nodes=kept, tensors=tensors.values())
