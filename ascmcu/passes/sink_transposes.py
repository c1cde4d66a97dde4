"""Transposes are moved behind what they commute with, until they meet their inverse, vanish in weights, or end.

Networks that came from a channels-first framework hold a pair of transposes around every convolution.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from ascmcu.ir.graph import Graph, Node, with_tensor
from ascmcu.ir.op import Op
from ascmcu.ir.types import Tensor
from ascmcu.ops.add import Add
from ascmcu.ops.concatenation import Concatenation
from ascmcu.ops.dequantize import Dequantize
from ascmcu.ops.fully_connected import FullyConnected
from ascmcu.ops.lookup import Lookup
from ascmcu.ops.maximum import Maximum
from ascmcu.ops.mean import Mean
from ascmcu.ops.minimum import Minimum
from ascmcu.ops.mul import Mul
from ascmcu.ops.prelu import Prelu
from ascmcu.ops.quantize import Quantize
from ascmcu.ops.reduce_max import ReduceMax
from ascmcu.ops.reshape import Reshape
from ascmcu.ops.sub import Sub
from ascmcu.ops.sum import Sum
from ascmcu.ops.transpose import Transpose
from ascmcu.passes._rewire import sole_consumer

Permutation = tuple[int, ...]
_ELEMENTWISE = (Lookup, Dequantize, Quantize, Add, Sub, Mul, Maximum, Minimum, Prelu)
_REDUCTIONS = (Mean, Sum, ReduceMax)


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
            _behind_elementwise,
            _behind_reduction,
            _behind_join,
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
    assert weights.data is not None
    if weights.shape[1] != source.elements:
        return None
    order = np.arange(source.elements).reshape(source.shape).transpose(permutation).reshape(-1)
    data = np.empty_like(weights.data)
    data[:, order] = weights.data
    moved = with_tensor(weights, name=graph.fresh_name(f"{weights.name}.ordered"), data=data)
    inputs = (source.name, moved.name, *node.inputs[2:])
    return _replaced(graph, node, [dataclasses.replace(node, inputs=inputs)], [moved])


def _behind_elementwise(graph: Graph, node: Node) -> Graph | None:
    if not isinstance(node.op, _ELEMENTWISE):
        return None
    sources: list[str] = []
    constants: list[Tensor] = []
    permutations = set()
    for position, tensor in enumerate(graph.input_tensors(node)):
        assert tensor is not None
        if isinstance(node.op, Lookup) and position == 1:
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
    if len(permutations) != 1:
        return None
    (permutation,) = permutations
    inverse = tuple(int(i) for i in np.argsort(permutation))
    moved = {}
    for t in constants:
        assert t.data is not None
        if t.data.ndim != len(permutation):
            return None
        name = graph.fresh_name(f"{t.name}.transposed")
        moved[t.name] = with_tensor(t, name=name, data=np.ascontiguousarray(t.data.transpose(inverse)))
    inputs = tuple(moved[name].name if name in moved else name for name in sources)
    return _with_transpose_behind(graph, node, node.op, inputs, permutation, list(moved.values()))


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


def _behind_reduction(graph: Graph, node: Node) -> Graph | None:
    if not isinstance(node.op, _REDUCTIONS):
        return None
    found = _source(graph, node.inputs[0])
    if found is None:
        return None
    source, permutation = found
    axes = tuple(sorted(permutation[axis] for axis in node.op.axes))
    op = dataclasses.replace(node.op, axes=axes)
    behind = permutation
    if not node.op.keep_dims:
        kept = [axis for axis in permutation if axis not in axes]
        behind = tuple(sorted(kept).index(axis) for axis in kept)
    return _with_transpose_behind(graph, node, op, (source.name,), behind, [])


def _behind_join(graph: Graph, node: Node) -> Graph | None:
    if not isinstance(node.op, Concatenation):
        return None
    found = [_source(graph, name) for name in node.inputs]
    permutations = {f[1] for f in found if f is not None}
    if None in found or len(permutations) != 1:
        return None
    (permutation,) = permutations
    inputs = tuple(f[0].name for f in found if f is not None)
    return _with_transpose_behind(
        graph, node, Concatenation(permutation[node.op.axis]), inputs, permutation, []
    )
