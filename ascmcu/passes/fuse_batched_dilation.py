# SPDX-License-Identifier: Apache-2.0
"""Replace a convolution between SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND by a dilated convolution."""

from __future__ import annotations

import dataclasses

from ascmcu.ir.graph import Graph, Node
from ascmcu.ops._space_to_batch import TO_BATCH, TO_SPACE
from ascmcu.ops._window import Pair
from ascmcu.ops.conv2d import Conv2D
from ascmcu.ops.depthwise_conv2d import DepthwiseConv2D
from ascmcu.ops.reshape import Reshape
from ascmcu.ops.transpose import Transpose
from ascmcu.passes._rewire import sole_consumer


def fuse_batched_dilation(graph: Graph) -> Graph:
    """Exact: the same products are summed, for an unpadded convolution of stride 1 between both."""
    nodes = {node.name: node for node in graph.nodes}
    for node in graph.nodes:
        fused = _fused(graph, node)
        if fused is not None:
            nodes[fused.name] = fused
    return graph.replace(nodes=list(nodes.values()))


def _fused(graph: Graph, node: Node) -> Node | None:
    op = node.op
    if not isinstance(op, Conv2D | DepthwiseConv2D):
        return None
    if (op.stride, op.dilation, op.padding) != ((1, 1), (1, 1), (0, 0, 0, 0)):
        return None
    source, last = _split_source(graph, node.inputs[0]), _joined(graph, node.output)
    if source is None or last is None or source[1] != last[1]:
        return None
    dilated = dataclasses.replace(op, dilation=source[1])
    return dataclasses.replace(last[0], op=dilated, inputs=(source[0], *node.inputs[1:]))


def _split_source(graph: Graph, name: str) -> tuple[str, Pair] | None:
    """What SPACE_TO_BATCH_ND took apart to make ``name``, and its block."""
    join = graph.producer(name)
    moved = join and isinstance(join.op, Reshape) and graph.producer(join.inputs[0])
    split = moved and moved.op == Transpose(TO_BATCH) and graph.producer(moved.inputs[0])
    if not (split and isinstance(split.op, Reshape)):
        return None
    (n, rows, block_h, columns, block_w, channels), source = split.op.shape, split.inputs[0]
    whole = (n, rows * block_h, columns * block_w, channels)
    parts = (n * block_h * block_w, rows, columns, channels)
    exact = n == 1 and graph.tensors[source].shape == whole and graph.tensors[name].shape == parts
    return (source, (block_h, block_w)) if exact else None


def _joined(graph: Graph, name: str) -> tuple[Node, Pair] | None:
    """The last node of the BATCH_TO_SPACE_ND that alone reads ``name``, and its block."""
    split = sole_consumer(graph, name)
    moved = split and isinstance(split.op, Reshape) and sole_consumer(graph, split.output)
    join = moved and moved.op == Transpose(TO_SPACE) and sole_consumer(graph, moved.output)
    if not (split and join and isinstance(join.op, Reshape)):
        return None
    block_h, block_w, n, rows, columns, channels = graph.tensors[split.output].shape
    whole = (1, rows * block_h, columns * block_w, channels)
    exact = n == 1 and graph.tensors[join.output].shape == whole
    return (join, (block_h, block_w)) if exact else None
