# SPDX-License-Identifier: Apache-2.0
"""Exchange height and width, so that the streaming axis is the row axis. Exact: weights are permuted."""

from __future__ import annotations

from ascmcu.ir.graph import Graph
from ascmcu.passes._exchange import Exchange, with_inputs


def swap_axes(graph: Graph) -> Graph:
    """The same function of exchanged input maps (1, W, H, C); outputs keep their axes.

    Where an op has no exchanged form, maps are transposed in front of it and behind it.
    """
    work = Exchange(graph)
    inputs = tuple(work.input(graph.tensors[name]) for name in graph.inputs)
    for node in graph.nodes:
        work.node(node)
    return work.done(inputs)


def transpose_input(graph: Graph) -> Graph:
    """The same function of exchanged input maps, transposed as a whole in front of the network."""
    work = Exchange(graph)
    inputs = tuple(work.input(graph.tensors[name]) for name in graph.inputs)
    for name in graph.inputs:
        work.original(name)
    renamed = {name: work.original(name) for name in graph.inputs}
    nodes = [with_inputs(node, tuple(renamed.get(n, n) for n in node.inputs)) for node in graph.nodes]
    outputs = tuple(renamed.get(n, n) for n in graph.outputs)
    tensors = {**graph.tensors, **work.tensors}
    return Graph(graph.name, tensors, (*work.nodes, *nodes), inputs, outputs, graph.states).replace()
