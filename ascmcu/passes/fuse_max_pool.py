# SPDX-License-Identifier: Apache-2.0
"""Merge a convolution and the maximum over windows of its outputs into one step, where a kernel does both faster. A
clamp behind the maximum may as well come before it."""

from __future__ import annotations

import dataclasses

from ascmcu import kernels
from ascmcu.ir.graph import Graph, Node
from ascmcu.ops.conv2d import Conv2D
from ascmcu.ops.conv2d_max_pool import Conv2DMaxPool
from ascmcu.ops.max_pool2d import MaxPool2D
from ascmcu.passes._rewire import same_values, sole_consumer


def fuse_max_pool(graph: Graph) -> Graph:
    """Exact: the same outputs of the convolution, of which the same is the largest; only the tensor between goes."""
    fused = {node.output: node for node in graph.nodes}
    for node in graph.nodes:
        made = _fused(graph, node)
        if made is not None:
            del fused[node.output]
            fused[made.output] = made
    order = {node.output: i for i, node in enumerate(graph.nodes)}
    found = sorted(fused.values(), key=lambda n: order[n.output])
    return graph.replace(nodes=found) if len(found) < len(graph.nodes) else graph


def parted(graph: Graph, node: Node) -> Graph:
    """The graph with such a step in two again: a convolution, and the maximum over windows of its outputs."""
    op, inputs, output = node.op, graph.input_tensors(node), graph.output_tensor(node)
    assert isinstance(op, Conv2DMaxPool)
    middle = dataclasses.replace(op.middle(inputs, output), name=f"{output.name}.map")
    pair = (
        dataclasses.replace(node, op=op.convolution, output=middle.name),
        Node(output.name, op.pooling, (middle.name,), output.name),
    )
    nodes = [each for old in graph.nodes for each in (pair if old is node else (old,))]
    return graph.replace(nodes=nodes, tensors=[middle])


def _fused(graph: Graph, node: Node) -> Node | None:
    behind = sole_consumer(graph, node.output)
    if not isinstance(node.op, Conv2D) or behind is None or not isinstance(behind.op, MaxPool2D):
        return None
    middle, output = graph.output_tensor(node), graph.output_tensor(behind)
    conv, pool = node.op.clamped(*behind.op.clamp), behind.op
    apart = pool.kernel == pool.stride and not any(pool.padding)
    if not isinstance(conv, Conv2D) or not apart or not same_values(middle, output):
        return None
    op = Conv2DMaxPool(conv.stride, conv.dilation, conv.padding, conv.clamp, pool.kernel)
    return (
        dataclasses.replace(node, op=op, output=behind.output) if _faster(graph, node, behind, op) else None
    )


def _faster(graph: Graph, node: Node, behind: Node, op: Conv2DMaxPool) -> bool:
    inputs, output = graph.input_tensors(node), graph.output_tensor(behind)
    together = kernels.lower(op, inputs, output)
    if together is None:
        return False
    first = kernels.lower(node.op, inputs, graph.output_tensor(node))
    second = kernels.lower(behind.op, graph.input_tensors(behind), output)
    return _cycles(together) < _cycles(first) + _cycles(second)


def _cycles(lowered: kernels.Lowered | None) -> float:
    """As predicted: how far that may be off does not count against one step, for it also saves the map between."""
    return float("inf") if lowered is None else float(lowered.cycles)
