# SPDX-License-Identifier: Apache-2.0
"""Compute a wide 1 × 1 convolution in groups of its channels, each of which is reduced before the next begins.

The last convolution of many networks has more channels than all before it, and its map is only read to be averaged. By
groups, a row of one group and its sums are in RAM, not those of all. Nothing is computed twice: every channel is
computed from the same numbers as before.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from ascmcu.ir.graph import Graph, Node, with_tensor
from ascmcu.ir.types import Tensor
from ascmcu.ops.concatenation import Concatenation
from ascmcu.ops.conv2d import Conv2D
from ascmcu.ops.crop import Crop
from ascmcu.ops.mean import Mean

# A row and the sums of fewer bytes than this are not worth groups.
_LEAST_BYTES = 2048
_SUM_BYTES = 4


def wide(graph: Graph) -> list[str]:
    """The maps of convolutions whose means over height and width are all that is read of them."""
    return [node.output for node in graph.nodes if _mean_of(graph, node) is not None]


def channel_groups(graph: Graph, names: Sequence[str], groups: int) -> Graph:
    """Exact: the convolutions of ``names`` in ``groups``, each with its mean; the means are joined."""
    made: list[Node] = []
    tensors: list[Tensor] = []
    replaced: set[str] = set()
    for node in graph.nodes:
        mean = _mean_of(graph, node) if node.output in names else None
        if mean is not None:
            nodes, new = _grouped(graph, node, mean, groups)
            made += nodes
            tensors += new
            replaced.add(mean.output)
        elif node.output not in replaced:
            made.append(node)
    return graph.replace(nodes=made, tensors=tensors)


def _mean_of(graph: Graph, node: Node) -> Node | None:
    """The mean of a convolution's map, where that is worth groups."""
    y = graph.output_tensor(node)
    if not isinstance(node.op, Conv2D) or len(y.shape) != 4 or node.output in graph.outputs:
        return None
    weights = graph.tensors[node.inputs[1]]
    readers = graph.consumers(node.output)
    if weights.shape[1:3] != (1, 1) or len(readers) != 1 or not isinstance(readers[0].op, Mean):
        return None
    mean = readers[0]
    channels = y.shape[3]
    alone = graph.output_tensor(mean).elements == channels and weights.shape[3] == _depth(graph, node)
    return mean if alone and y.row_bytes + _SUM_BYTES * channels >= _LEAST_BYTES else None


def _depth(graph: Graph, node: Node) -> int:
    return graph.tensors[node.inputs[0]].shape[3]


def _grouped(graph: Graph, conv: Node, mean: Node, groups: int) -> tuple[list[Node], list[Tensor]]:
    x, weights, bias = (graph.tensors[name] for name in conv.inputs)
    y, z = graph.output_tensor(conv), graph.output_tensor(mean)
    nodes: list[Node] = []
    tensors: list[Tensor] = []

    def emit(node: Node, output: Tensor) -> str:
        nodes.append(node)
        tensors.append(output)
        return output.name

    parts: list[str] = []
    for number in range(groups):
        channels = np.arange(*(y.shape[3] * n // groups for n in (number, number + 1)))
        end = f".group{number}"
        source = x.name
        if number:
            again = with_tensor(x, name=f"{y.name}.source{number}", source_index=-1)
            source = emit(Node(again.name, Crop(0, x.shape[2]), (x.name, parts[-1]), again.name), again)
        w = _taken(weights, channels, end)
        b = _taken(bias, channels, end)
        tensors += [w, b]
        part = with_tensor(y, name=f"{y.name}{end}", shape=(*y.shape[:3], len(channels)), source_index=-1)
        emit(
            dataclasses.replace(conv, name=part.name, inputs=(source, w.name, b.name), output=part.name), part
        )
        sums = with_tensor(z, name=f"{z.name}{end}", shape=(*z.shape[:-1], len(channels)), source_index=-1)
        inputs = (part.name, *mean.inputs[1:])
        parts.append(emit(dataclasses.replace(mean, name=sums.name, inputs=inputs, output=sums.name), sums))
    nodes.append(Node(mean.name, Concatenation(len(z.shape) - 1), tuple(parts), z.name))
    return nodes, tensors


def _taken(t: Tensor, channels: np.ndarray, end: str) -> Tensor:
    """Some output channels of weights or of a bias, with their scales."""
    quant = None if t.quant is None else t.quant.take(channels) if t.quant.axis == 0 else t.quant
    return with_tensor(t, name=f"{t.name}{end}", data=t.values[channels].copy(), quant=quant, source_index=-1)
