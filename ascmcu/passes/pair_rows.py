# SPDX-License-Identifier: Apache-2.0
"""Let 1x1 convolutions on maps with a small odd number of columns process two rows at a time.

The pixel without a partner is a part of such a row that counts. Rings become about a row higher.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

from ascmcu.ir.graph import Graph, Node, with_tensor
from ascmcu.ir.types import Tensor
from ascmcu.kernels import DEFAULT_TUNING, conv2d_two_rows
from ascmcu.ops.conv2d import Conv2D

_MOST_COLUMNS = 9
_LEAST_ROWS = 4


def pair_rows(graph: Graph, chosen: Collection[str] | None = None) -> Graph:
    """Exact: the same sums, two rows at a time. ``chosen``: the nodes, by their outputs, that a search has found
    to gain; where absent, all that do as a rule."""
    nodes = [node for node in graph.nodes if chosen is None or node.output in chosen]
    paired = {name: t for node in nodes for name, t in _paired(graph, node, chosen is None).items()}
    return graph.replace(tensors=paired.values()) if paired else graph


def _paired(graph: Graph, node: Node, as_a_rule: bool) -> dict[str, Tensor]:
    """What the node reads and writes, with rows in pairs."""
    op, output = node.op, graph.output_tensor(node)
    if not isinstance(op, Conv2D):
        return {}
    x, weights, bias = op.operands(graph.input_tensors(node))
    narrow = x.shape[2] % 2 == 1 and x.shape[2] <= _MOST_COLUMNS and x.rows >= _LEAST_ROWS
    if (
        (as_a_rule and not narrow)
        or x.is_const
        or not (weights.is_const and bias.is_const)
        or x.layout.time_steps > 1
    ):
        return {}
    source, target = (
        with_tensor(t, layout=dataclasses.replace(t.layout, row_pairs=True)) for t in (x, output)
    )
    if conv2d_two_rows.lower(op, (source, weights, bias), target, DEFAULT_TUNING) is None:
        return {}
    return {x.name: source, output.name: target}
