# SPDX-License-Identifier: Apache-2.0
"""The integer interpreter: it defines what a graph means, and every pass must preserve its results."""

from __future__ import annotations

from collections.abc import Sequence

from ascmcu.errors import DataError
from ascmcu.ir.graph import Graph
from ascmcu.ir.types import Array


def run(graph: Graph, inputs: Sequence[Array]) -> list[Array]:
    """Evaluate the graph on one input set, each array of its input's shape and dtype.

    Raises:
        DataError: an input has another shape or dtype.
    """
    values = run_all(graph, inputs)
    return [values[name] for name in graph.outputs]


def run_all(graph: Graph, inputs: Sequence[Array]) -> dict[str, Array]:
    """Evaluate the graph and return every tensor's value by name."""
    values = {name: t.data for name, t in graph.tensors.items() if t.data is not None}
    for name, array in zip(graph.inputs, inputs, strict=True):
        tensor = graph.tensors[name]
        if tuple(array.shape) != tensor.shape or array.dtype != tensor.dtype.numpy:
            raise DataError(
                "input does not fit the network",
                where=tensor.describe(),
                expected=f"{tensor.dtype.numpy}{list(tensor.shape)}",
                found=f"{array.dtype}{list(array.shape)}",
            )
        values[name] = array
    for node in graph.nodes:
        arrays = [values[name] if name else None for name in node.inputs]
        values[node.output] = node.op.evaluate(arrays, graph.input_tensors(node), graph.output_tensor(node))
    return values
