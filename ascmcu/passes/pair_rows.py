"""1x1 convolutions on maps of few, oddly many columns take two rows at a time, where they have a kernel for it.

Not part of the pipeline: the schedule asks for it once maps have their layout. Rings become about a row higher.
"""

from __future__ import annotations

import dataclasses
import functools

from ascmcu.ir.graph import Graph, Node
from ascmcu.ops._planes import NO_PLANES
from ascmcu.ops.conv2d import Conv2D
from ascmcu.ops.conv2d_pairs import Conv2DPairs
from ascmcu.ops.conv2d_planes import Conv2DPlanes

# The pixel without a partner is a part of the row that counts, and there are rows to pair.
_MOST_COLUMNS = 9
_LEAST_ROWS = 4


@functools.lru_cache(maxsize=8)
def pair_rows(graph: Graph) -> Graph:
    """Exact: the same sums, two rows at a time."""
    nodes = tuple(_paired(graph, node) for node in graph.nodes)
    return graph if nodes == graph.nodes else graph.replace(nodes=nodes)


def _paired(graph: Graph, node: Node) -> Node:
    op, output = node.op, graph.output_tensor(node)
    if type(op) not in (Conv2D, Conv2DPlanes):
        return node
    assert isinstance(op, Conv2D)
    x, weights, bias = graph.input_tensors(node)
    assert x is not None and weights is not None and bias is not None
    simple = weights.shape[1:] == (1, 1, x.shape[3]) and op.stride == (1, 1) and not any(op.padding)
    narrow = x.shape[2] % 2 == 1 and x.shape[2] <= _MOST_COLUMNS and x.rows >= _LEAST_ROWS
    if not simple or not narrow or x.is_const or weights.data is None or bias.data is None:
        return node
    planes = op.planes if isinstance(op, Conv2DPlanes) else NO_PLANES
    pairs = Conv2DPairs(*op.common, planes)
    if pairs.try_lower(graph.input_tensors(node), output) is None:
        return node
    return dataclasses.replace(node, op=pairs)
