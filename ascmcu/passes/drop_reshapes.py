# SPDX-License-Identifier: Apache-2.0
"""Remove reshapes that move nothing: before a dense layer, after another reshape, and at the input."""

from __future__ import annotations

import dataclasses

from ascmcu.ir.graph import Graph, Node
from ascmcu.ops.reshape import Reshape
from ascmcu.passes._rewire import sole_consumer


def drop_reshapes(graph: Graph, rows_pushed: bool = False) -> Graph:
    """An op that takes its input's elements in C order whatever their shape, as dense layers do, needs no reshape.

    Args:
        graph: any.
        rows_pushed: a front end pushes the rows of the input as it is: one that such an op flattens stays so.
    """
    if not rows_pushed:
        graph = _through_inputs(graph)
    nodes = []
    for node in graph.nodes:
        if node.op.READS_FLAT:
            node = _past_reshapes(graph, node)
        nodes.append(node)
    return _through_inputs(graph.replace(nodes=nodes))


def _past_reshapes(graph: Graph, node: Node) -> Node:
    source = node.inputs[0]
    while (producer := graph.producer(source)) is not None and isinstance(producer.op, Reshape):
        source = producer.inputs[0]
    return dataclasses.replace(node, inputs=(source, *node.inputs[1:]))


def _through_inputs(graph: Graph) -> Graph:
    """An input that is only reshaped is taken in the new shape: its bytes are the same."""
    for index in range(len(graph.inputs)):
        while (reshape := _only_reshape(graph, graph.inputs[index])) is not None:
            name, reshaped = graph.inputs[index], graph.output_tensor(reshape)
            nodes = [node for node in graph.nodes if node is not reshape]
            renamed = dataclasses.replace(reshaped, source_index=graph.tensors[name].source_index)
            inputs = tuple(renamed.name if n == name else n for n in graph.inputs)
            graph = graph.replace(nodes=nodes, tensors=(renamed,), inputs=inputs)
    return graph


def _only_reshape(graph: Graph, name: str) -> Node | None:
    reader = sole_consumer(graph, name)
    if reader is None or not isinstance(reader.op, Reshape) or reader.output in graph.outputs:
        return None
    return reader
