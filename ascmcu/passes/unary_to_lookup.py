"""Functions of one 8-bit element become tables, filled by the reference kernel itself."""

from __future__ import annotations

import dataclasses

from ascmcu.ir.graph import Graph, Node
from ascmcu.ir.types import Tensor
from ascmcu.ops._unary import Unary
from ascmcu.ops.lookup import Lookup, every_byte
from ascmcu.ops.quantize import Quantize


def unary_to_lookup(graph: Graph) -> Graph:
    """Exact by construction: the table is the function on all 256 inputs."""
    nodes, tables = [], []
    for node in graph.nodes:
        if _is_byte_function(graph, node):
            table = _table(graph, node)
            tables.append(table)
            node = dataclasses.replace(node, op=Lookup(), inputs=(node.inputs[0], table.name))
        nodes.append(node)
    return graph.replace(nodes=nodes, tensors=tables)


def _is_byte_function(graph: Graph, node: Node) -> bool:
    unary = isinstance(node.op, Unary | Quantize)
    return unary and graph.tensors[node.inputs[0]].dtype.size_bytes == 1


def _table(graph: Graph, node: Node) -> Tensor:
    source, output = graph.tensors[node.inputs[0]], graph.output_tensor(node)
    values = node.op.evaluate([every_byte(source.dtype)], [source], output)
    name = graph.fresh_name(f"{node.output}.table")
    return Tensor(name, (256,), output.dtype, output.quant, values)
