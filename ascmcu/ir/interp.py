# SPDX-License-Identifier: Apache-2.0
"""The integer interpreter. It defines the meaning of a graph, and every pass must preserve its results."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ascmcu.errors import DataError
from ascmcu.ir.graph import Graph
from ascmcu.ir.types import Array


def run(graph: Graph, inputs: Sequence[Array]) -> list[Array]:
    """Evaluate the graph on one input set, each array of its input's shape and dtype; a step model on its first step.

    Raises:
        DataError: an input has another shape or dtype.
    """
    return Steps(graph)(inputs)


class Steps:
    """A network called step after step; each call takes the inputs and gives the outputs of one, states apart."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._states: list[Array] = []
        self.reset()

    def reset(self) -> None:
        """Let the states take their initial values."""
        self._states = [state.initial for state in self.graph.states]

    def __call__(self, inputs: Sequence[Array]) -> list[Array]:
        """One step.

        Raises:
            DataError: an input has another shape or dtype.
        """
        graph = self.graph
        shapes = [graph.tensors[entry].shape for _, entry, _ in graph.carried]
        states = [np.asarray(s).reshape(shape) for s, shape in zip(self._states, shapes, strict=True)]
        values = run_all(graph, [*inputs, *states])
        self._states = [values[exit_] for _, _, exit_ in graph.carried]
        return [values[name] for name in graph.data_outputs]


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
