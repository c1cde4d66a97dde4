# SPDX-License-Identifier: Apache-2.0
"""Move transposes after the operators that they commute with, until they cancel or vanish in weights.

Networks that came from a channels-first framework hold a pair of transposes around every convolution.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from ascmcu.ir.graph import Graph, Node, with_tensor
from ascmcu.ir.op import Op
from ascmcu.ir.types import Tensor
from ascmcu.ops.fully_connected import FullyConnected
from ascmcu.ops.reshape import Reshape
from ascmcu.ops.transpose import Transpose
from ascmcu.passes._rewire import sole_consumer

Permutation = tuple[int, ...]


def sink_transposes(graph: Graph) -> Graph:
    """Exact: only the order changes in which elements are visited."""
    changed: Graph | None = graph
    while changed is not None:
        graph, changed = changed, next(_rewrites(changed), None)
    return graph


def _rewrites(graph: Graph) -> Iterator[Graph]:
    """Graphs that are one rewrite further; the first is taken."""
    for node in graph.nodes:
        for rule in (
            _merge,
            _as_reshape,
            _into_weights,
            _behind,
        ):
            found = rule(graph, node)
            if found is not None:
                yield found


def _source(graph: Graph, name: str) -> tuple[Tensor, Permutation] | None:
    """What a transpose that only one node reads was made of."""
    producer = graph.producer(name) if name else None
    if producer is None or not isinstance(producer.op, Transpose) or sole_consumer(graph, name) is None:
        return None
    return graph.tensors[producer.inputs[0]], producer.op.permutation


def _replaced(graph: Graph, old: Node, new: Sequence[Node], tensors: Sequence[Tensor] = ()) -> Graph:
    """``new`` nodes in the place of ``old``; transposes that nobody reads any more go."""
    nodes = [n for node in graph.nodes for n in (new if node is old else (node,))]
    used = {name for n in nodes for name in n.inputs} | set(graph.outputs)
    kept = [n for n in nodes if not isinstance(n.op, Transpose) or n.output in used]
    return graph.replace(nodes=kept, tensors=tensors)


def _merge(graph: Graph, node: Node) -> Graph | None:
    """A transpose of a transpose is one; of its inverse, none (``drop_identities`` takes it)."""
    if not isinstance(node.op, Transpose):
        return None
    first = graph.producer(node.inputs[0])
    if first is None or not isinstance(first.op, Transpose):
        return None
    both = tuple(first.op.permutation[axis] for axis in node.op.permutation)
    merged = dataclasses.replace(node, op=Transpose(both), inputs=first.inputs)
    return _replaced(graph, node, [merged])


def _as_reshape(graph: Graph, node: Node) -> Graph | None:
    """Moving axes of a single entry moves nothing."""
    if not isinstance(node.op, Transpose):
        return None
    shape = graph.tensors[node.inputs[0]].shape
    moved = [axis for axis in node.op.permutation if shape[axis] > 1]
    if moved != sorted(moved):
        return None
    return _replaced(graph, node, [dataclasses.replace(node, op=Reshape(graph.output_tensor(node).shape))])


def _into_weights(graph: Graph, node: Node) -> Graph | None:
    """A dense layer over all elements reads them in the order in which they lie."""
    found = _source(graph, node.inputs[0]) if isinstance(node.op, FullyConnected) else None
    if found is None:
        return None
    source, permutation = found
    weights = graph.tensors[node.inputs[1]]
    if weights.shape[1] != source.elements:
        return None
    order = np.arange(source.elements).reshape(source.shape).transpose(permutation).reshape(-1)
    data = np.empty_like(weights.values)
    data[:, order] = weights.values
    moved = with_tensor(weights, name=graph.fresh_name(f"{weights.name}.ordered"), data=data)
    inputs = (source.name, moved.name, *node.inputs[2:])
    return _replaced(graph, node, [dataclasses.replace(node, inputs=inputs)], [moved])


def _behind(graph: Graph, node: Node) -> Graph | None:
    """Transposes of all operands in front become one behind."""
    sources: list[str] = []
    constants: list[Tensor] = []
    permutations = set()
    for index, tensor in enumerate(graph.input_tensors(node)):
        if tensor is None:
            return None
        if not node.op.has_axes(index):
            sources.append(tensor.name)
        elif tensor.is_const:
            constants.append(tensor)
            sources.append(tensor.name)
        else:
            found = _source(graph, tensor.name)
            if found is None:
                return None
            sources.append(found[0].name)
            permutations.add(found[1])
    permutation = permutations.pop() if len(permutations) == 1 else None
    sunk = permutation and node.op.permuted(permutation)
    if not permutation or not sunk or any(len(t.shape) != len(permutation) for t in constants):
        return None
    inverse = tuple(int(i) for i in np.argsort(permutation))
    moved = {}
    for t in constants:
        name = graph.fresh_name(f"{t.name}.transposed")
        moved[t.name] = with_tensor(t, name=name, data=np.ascontiguousarray(t.values.transpose(inverse)))
    inputs = tuple(moved[name].name if name in moved else name for name in sources)
    return _with_transpose_behind(graph, node, sunk.op, inputs, sunk.permutation, list(moved.values()))


def _with_transpose_behind(
    graph: Graph, node: Node, op: Op, inputs: tuple[str, ...], permutation: Permutation, added: list[Tensor]
) -> Graph:
    """``op`` on untransposed inputs, and the transpose that gives its old output."""
    output = graph.output_tensor(node)
    shape = [0] * len(permutation)
    for axis, source in enumerate(permutation):
        shape[source] = output.shape[axis]
    name = graph.fresh_name(f"{node.output}.untransposed")
    before = with_tensor(output, name=name, shape=tuple(shape))
    new = [
        dataclasses.replace(node, op=op, inputs=inputs, output=name),
        Node(f"{node.name}.transpose", Transpose(permutation), (name,), node.output, node.source_index),
    ]
    return _replaced(graph, node, new, [*added, before])
