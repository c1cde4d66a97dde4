# SPDX-License-Identifier: Apache-2.0
"""Let a depthwise convolution store int16 for the 1x1 convolution after it, which then need not widen.

Such a map takes twice the bytes, but the convolution no longer any for what it widens.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

from ascmcu import kernels
from ascmcu.ir.graph import Graph, Node, with_tensor
from ascmcu.ir.types import Tensor
from ascmcu.kernels import DEFAULT_TUNING, conv2d_two_rows
from ascmcu.kernels.conv2d_time import common_pitches
from ascmcu.ops.conv2d import Conv2D
from ascmcu.ops.depthwise_conv2d import DepthwiseConv2D
from ascmcu.passes._rewire import sole_consumer


def widen_maps(graph: Graph, chosen: Collection[str] | None = None) -> Graph:
    """Exact: the same numbers in more bytes. ``chosen``: the tensors that may be widened; all if absent."""
    pitches = common_pitches(graph)
    found = [t for node in graph.nodes if (t := _widened(graph, node, pitches)) is not None]
    wide = [t for t in found if chosen is None or t.name in chosen]
    return graph.replace(tensors=wide) if wide else graph


def _widened(graph: Graph, node: Node, pitches: dict[str, int]) -> Tensor | None:
    """The input of a convolution as int16, where a depthwise convolution can store it so."""
    op, before = node.op, graph.producer(node.inputs[0])
    if not isinstance(op, Conv2D) or before is None or not isinstance(before.op, DepthwiseConv2D):
        return None
    if sole_consumer(graph, before.output) is None:
        return None
    x, weights, bias = op.operands(graph.input_tensors(node))
    pitch = max(pitches.get(node.output, 0), x.shape[3]) if x.layout.time_steps > 1 else 0
    wide = with_tensor(x, layout=dataclasses.replace(x.layout, int16=True, pitch=pitch))
    if kernels.lower(before.op, graph.input_tensors(before), wide) is None:
        return None
    inputs, output = (wide, weights, bias), graph.output_tensor(node)
    # What takes two rows at a time goes on doing so.
    if x.layout.row_pairs:
        return None if conv2d_two_rows.lower(op, inputs, output, DEFAULT_TUNING) is None else wide
    return None if kernels.lower(op, inputs, output) is None else wide
