# SPDX-License-Identifier: Apache-2.0
"""Maps one row high, as one-dimensional convolutions of Keras make them, become maps one column wide.

Their axis is time: rows along it stream, and the kernels along time (``ascmcu.passes.time_to_width``) serve them.
"""

from __future__ import annotations

from ascmcu.ir.graph import Graph, Node
from ascmcu.ops._conv import Convolution
from ascmcu.passes._exchange import Exchange, is_map


def columns_to_rows(graph: Graph) -> Graph:
    """Exact: a map of one row and its exchanged form are the same bytes, and weights are permuted."""
    chosen = {node.name for node in graph.nodes if _lies(graph, node)}
    if not any(isinstance(n.op, Convolution) and n.name in chosen for n in graph.nodes):
        return graph
    work = Exchange(graph)
    inputs = tuple(_input(graph, work, name, chosen) for name in graph.inputs)
    for node in graph.nodes:
        (work.node if node.name in chosen else work.as_is)(node)
    return work.done(inputs)


def _lies(graph: Graph, node: Node) -> bool:
    """Whether all maps of the node are one row high, and one of them is longer than a pixel."""
    maps = [t for t in (*graph.activations(node), graph.output_tensor(node)) if is_map(t)]
    return all(t.shape[1] == 1 for t in maps) and any(t.shape[2] > 1 for t in maps)


def _input(graph: Graph, work: Exchange, name: str, chosen: set[str]) -> str:
    """An input of the graph, exchanged where all that read it are."""
    readers = graph.consumers(name)
    if readers and all(reader.name in chosen for reader in readers):
        return work.input(graph.tensors[name])
    work.originals[name] = name
    return name
