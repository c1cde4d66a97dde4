# SPDX-License-Identifier: Apache-2.0
"""Replace functions of one 8-bit element by tables, computed by the reference kernel."""

from __future__ import annotations

import dataclasses

import numpy as np

from ascmcu.ir.graph import Graph, Node, with_tensor
from ascmcu.ir.types import Tensor
from ascmcu.ops.lookup import Lookup, every_byte


def unary_to_lookup(graph: Graph) -> Graph:
    """Exact by construction: the table is the function on all 256 inputs."""
    nodes, tables = [], []
    for node in graph.nodes:
        source = _element(graph, node)
        if source is not None:
            table = _table(graph, node, source)
            tables.append(table)
            node = dataclasses.replace(node, op=Lookup(), inputs=(source.name, table.name))
        nodes.append(node)
    return graph.replace(nodes=nodes, tensors=tables)


def _element(graph: Graph, node: Node) -> Tensor | None:
    """The only tensor whose elements decide the output's elements, one by one, if there is one."""
    output = graph.output_tensor(node)
    if not node.op.ELEMENTWISE or isinstance(node.op, Lookup) or output.dtype.size_bytes != 1:
        return None
    tensors = [graph.tensors[name] for name in node.inputs]
    computed = list({t.name: t for t in tensors if not t.is_const}.values())
    if not all(t.data is None or _uniform(t) for t in tensors):
        return None
    if len(computed) != 1 or computed[0].shape != output.shape:
        return None
    return computed[0] if computed[0].dtype.size_bytes == 1 else None


def _uniform(tensor: Tensor) -> bool:
    values = tensor.values
    return bool(np.all(values == values.reshape(-1)[0]))


def _table(graph: Graph, node: Node, source: Tensor) -> Tensor:
    """The node's own reference on a vector of all bytes; constants are cut down to their one value."""
    output = graph.output_tensor(node)
    tensors, arrays = [], []
    for name in node.inputs:
        t = graph.tensors[name]
        data = every_byte(t.dtype) if t.data is None else t.data.reshape(-1)[:1]
        arrays.append(data)
        tensors.append(t if t.data is None else with_tensor(t, data=data.copy()))
    values = node.op.evaluate(arrays, tensors, output)
    name = graph.fresh_name(f"{node.output}.table")
    return Tensor(name, (256,), output.dtype, output.quant, values)
