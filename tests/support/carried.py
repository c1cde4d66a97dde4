# SPDX-License-Identifier: Apache-2.0
"""LiteRT's answers for a sequence of inputs: the steps of one clip where the network has states."""

from __future__ import annotations

from collections.abc import Sequence

from ascmcu.frontends import tflite
from ascmcu.ir.graph import Graph
from ascmcu.ir.types import Array
from tests.support.litert import Reference


def answers(data: bytes, graph: Graph, inputs: Sequence[Sequence[Array]]) -> list[list[Array]]:
    """Outputs for each input set, states apart.

    Variables live on in LiteRT's interpreter, which is a fresh one; states that are further inputs and outputs of the
    file are carried here.

    Args:
        data: the file.
        graph: the file's, with its states (``ascmcu.api.compiling.compile_model(…).source``).
        inputs: for every step its data inputs.
    """
    file, oracle = tflite.parse(data, "file"), Reference(data)
    carried = [(entry, exit_) for _, entry, exit_ in graph.carried if entry in file.data_inputs]
    values = {entry: state.initial for state, entry, _ in graph.carried}
    found = []
    for x in inputs:
        given = values | dict(zip(graph.data_inputs, x, strict=True))
        results = [y.copy() for y in oracle([given[name] for name in file.data_inputs])]
        outputs = dict(zip(file.data_outputs, results, strict=True))
        values |= {entry: outputs[exit_].reshape(values[entry].shape) for entry, exit_ in carried}
        found.append([outputs[name] for name in graph.data_outputs])
    return found
