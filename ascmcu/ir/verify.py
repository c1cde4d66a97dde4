# SPDX-License-Identifier: Apache-2.0
"""The IR's invariants; run after the import and after every pass."""

from __future__ import annotations

from ascmcu.errors import DamagedError, ModelError, VerifyError
from ascmcu.ir.graph import Graph, Node
from ascmcu.ir.layout import ROW_MAJOR


def verify(graph: Graph, stage: str) -> Graph:
    """Check every invariant and return the graph.

    Raises:
        VerifyError: an invariant is broken; ``stage`` (the pass that just ran) is named.
    """
    known = set(graph.inputs) | {name for name, t in graph.tensors.items() if t.is_const}
    for name, tensor in graph.tensors.items():
        if name != tensor.name:
            raise VerifyError(
                "tensor stored under another name", where=stage, expected=name, found=tensor.name
            )
        if tensor.data is not None and (
            tuple(tensor.data.shape) != tensor.shape or tensor.data.dtype != tensor.dtype.numpy
        ):
            raise VerifyError(
                "constant data does not match its type",
                where=f"{stage}: {tensor.describe()}",
                found=f"{tensor.data.dtype}{list(tensor.data.shape)}",
            )
        problem = tensor.layout.problem(tensor.shape)
        if problem is not None or (tensor.layout != ROW_MAJOR and tensor.is_const):
            raise VerifyError(
                problem or "a constant has no layout",
                where=f"{stage}: {tensor.describe()}",
                found=tensor.layout,
            )
    for node in graph.nodes:
        _verify_node(graph, node, known, stage)
        known.add(node.output)
    for name in graph.outputs:
        if name not in known:
            raise VerifyError("graph output is never computed", where=f"{stage}: '{name}'")
    for state, entry, exit_ in graph.carried:
        before, after = graph.tensors[entry], graph.tensors[exit_]
        if not before.size_bytes == after.size_bytes == state.initial.nbytes or before.dtype != after.dtype:
            raise VerifyError(
                "a state does not leave a step as it enters it",
                where=f"{stage}: '{state.name}'",
                expected=before.describe(),
                found=after.describe(),
            )
    return graph


def _verify_node(graph: Graph, node: Node, known: set[str], stage: str) -> None:
    where = f"{stage}: {node.describe()}"
    for name in node.inputs:
        if name and name not in known:
            raise VerifyError("input is used before it is computed", where=f"{where}, '{name}'")
    if node.output in known:
        raise VerifyError("tensor is written twice", where=f"{where}, '{node.output}'")
    output = graph.output_tensor(node)
    try:
        inferred = node.op.infer(graph.input_tensors(node))
    except ModelError as error:
        if error.where is None:
            error.where = where
        raise
    if inferred.shape != output.shape or inferred.dtype is not output.dtype:
        raise DamagedError(
            "the output tensor does not have the shape or type that the operator computes",
            where=f"{where}, {output.describe()}",
            expected=f"{inferred.dtype.value}{list(inferred.shape)}",
            found=f"{output.dtype.value}{list(output.shape)}",
        )
