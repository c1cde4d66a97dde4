# SPDX-License-Identifier: Apache-2.0
"""What is said of a whole network: its size as challenges count it, and what its outputs mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.graph import Graph, Node
from ascmcu.ir.types import Tensor


@dataclass(frozen=True)
class Figures:
    """What limits speak of, of one network; zeros are parameters too."""

    parameters: int
    parameter_bytes: int
    nonzero_bytes: int
    macs: int
    int8_weights: bool


def figures_of(source: Graph) -> Figures:
    """The figures of the graph as the file has it."""
    parameters = parameters_of(source, source.nodes)
    return Figures(
        parameters=sum(t.elements for t in parameters),
        parameter_bytes=sum(t.size_bytes for t in parameters),
        nonzero_bytes=sum(
            int(np.count_nonzero(t.data)) * t.dtype.size_bytes for t in parameters if t.data is not None
        ),
        macs=source.macs,
        int8_weights=all(t.dtype.size_bytes == 1 or t.elements == t.shape[-1] for t in parameters),
    )


def computes(graph: Graph, node: Node) -> bool:
    """Whether the operator works on data: arithmetic on shapes is done with at compile time."""
    tensors = [t for t in graph.input_tensors(node) if t is not None]
    return not all(t.is_const for t in tensors) and graph.output_tensor(node).dtype.size_bytes != 8


def parameters_of(graph: Graph, nodes: Sequence[Node]) -> list[Tensor]:
    """Constants of computing nodes, each once."""
    names = {
        name
        for node in nodes
        if computes(graph, node)
        for name in node.op.parameter_inputs(node.inputs)
        if name and graph.tensors[name].is_const
    }
    return [graph.tensors[name] for name in sorted(names)]


def gives_probabilities(graph: Graph, tensor: str) -> bool:
    """Whether a tensor holds a distribution over its last axis, in whatever shape or type."""
    node = graph.producer(tensor)
    while node is not None and node.op.KEEPS_NUMBERS:
        node = graph.producer(node.inputs[0])
    return node is not None and node.op.PROBABILITIES
