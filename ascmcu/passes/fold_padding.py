# SPDX-License-Identifier: Apache-2.0
"""Merge a PAD with the zero point into the padding of the convolution after it."""

from __future__ import annotations

import dataclasses

from ascmcu.ir.graph import Graph, Node
from ascmcu.ops.conv2d import Conv2D
from ascmcu.ops.depthwise_conv2d import DepthwiseConv2D
from ascmcu.ops.pad import Pad


def fold_padding(graph: Graph) -> Graph:
    """Exact: a padded tap adds weight × (zero point − zero point) = 0, as a tap outside the input does.

    Only spatial padding folds. A convolution that pads on its own pads around the PAD: both add up.
    """
    nodes = list(graph.nodes)
    for i, node in enumerate(nodes):
        if isinstance(node.op, Conv2D | DepthwiseConv2D):
            nodes[i] = _folded(graph, node)
    return graph.replace(nodes=nodes)


def _folded(graph: Graph, node: Node) -> Node:
    pad = graph.producer(node.inputs[0])
    if pad is None or not isinstance(pad.op, Pad) or len(pad.op.paddings) != 4:
        return node
    source = graph.tensors[pad.inputs[0]]
    batch, vertical, horizontal, channels = pad.op.paddings
    if batch != (0, 0) or channels != (0, 0) or pad.op.value != source.zero_point:
        return node
    assert isinstance(node.op, Conv2D | DepthwiseConv2D)
    around = (*vertical, *horizontal)
    top, bottom, left, right = (own + extra for own, extra in zip(node.op.padding, around, strict=True))
    op = dataclasses.replace(node.op, padding=(top, bottom, left, right))
    return dataclasses.replace(node, op=op, inputs=(pad.inputs[0], *node.inputs[1:]))
