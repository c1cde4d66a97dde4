# SPDX-License-Identifier: Apache-2.0
"""Remove channels that are constant for every input; their contribution goes into biases.

A convolution's output channel is dropped when nobody can tell: every reader either ignores it (zero weights), or it is
provably constant and its contribution is. At a border the contribution is another one, because a tap outside the map
reads the zero point: a constant is folded into a padded convolution only where it equals the zero point. Through
depthwise convolutions, tables and pooling a channel is followed to the layer that mixes channels.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ascmcu.ir.graph import Graph, Node, with_tensor
from ascmcu.ir.op import Op, present
from ascmcu.ir.ranges import Range
from ascmcu.ir.types import Tensor
from ascmcu.ops.conv2d import Conv2D
from ascmcu.ops.depthwise_conv2d import DepthwiseConv2D
from ascmcu.ops.fully_connected import FullyConnected
from ascmcu.passes._ranges import channel_ranges

Mask = npt.NDArray[np.bool_]
_INT32 = 1 << 31


def drop_dead_channels(graph: Graph) -> Graph:
    """Exact; repeated, since a layer that lost outputs may no longer need an input."""
    while True:
        smaller = _dropped_once(graph)
        if smaller is None:
            return graph
        graph = smaller


def _dropped_once(graph: Graph) -> Graph | None:
    ranges = channel_ranges(graph)
    gone = _chosen(graph, _droppable(graph, ranges))
    if not any(mask.any() for mask in gone.values()):
        return None
    work = _Work(graph, ranges, gone)
    nodes = [work.node(node) for node in graph.nodes]
    return None if work.overflow else graph.replace(nodes=nodes, tensors=work.tensors)


def _droppable(graph: Graph, ranges: dict[str, Range]) -> dict[str, Mask]:
    """Per computed tensor, the channels that no reader needs."""
    found: dict[str, Mask] = {}
    for name in [node.output for node in reversed(graph.nodes)]:
        channels = graph.tensors[name].shape[-1] if graph.tensors[name].shape else 1
        readers = graph.consumers(name)
        mask = np.full(channels, bool(readers) and name not in graph.outputs)
        for reader in readers:
            mask &= _ignored(graph, reader, name, ranges[name], found)
        found[name] = mask
    return found


def _ignored(graph: Graph, node: Node, name: str, bounds: Range, found: dict[str, Mask]) -> Mask:
    x = graph.tensors[name]
    none = np.zeros(x.shape[-1] if x.shape else 1, bool)
    if isinstance(node.op, Conv2D | FullyConnected):
        taps = _taps(graph, node)
        if taps is None:
            return none
        padded = isinstance(node.op, Conv2D) and any(node.op.padding)
        foldable = bounds.constant & ((bounds.low == x.zero_point) | (not padded))
        ignored: Mask = foldable | ~taps.any(axis=(0, 1))
        return ignored
    if isinstance(node.op, DepthwiseConv2D):
        return np.asarray(found[node.output].reshape(x.shape[-1], -1).all(axis=1))
    return found[node.output] if node.op.keeps_channels(x) else none


def _taps(graph: Graph, node: Node) -> npt.NDArray[np.int64] | None:
    """A mixing layer's centred weights as (output, tap, input channel); None where channels do not mix freely."""
    x, weights, _ = present(graph.input_tensors(node))
    if isinstance(node.op, Conv2D) and weights.shape[3] != x.shape[3]:
        return None
    if weights.elements // weights.shape[0] % x.shape[-1]:
        return None
    centred = weights.values.astype(np.int64) - weights.zero_point
    return centred.reshape(weights.shape[0], -1, x.shape[-1])


def _chosen(graph: Graph, droppable: dict[str, Mask]) -> dict[str, Mask]:
    """Per tensor, the channels that go: they begin at a mixing layer and end at the next."""
    gone = {
        name: np.zeros(graph.tensors[name].shape[-1], bool)
        for name in graph.inputs
        if graph.tensors[name].shape
    }
    for node in graph.nodes:
        mask = droppable[node.output]
        x = graph.tensors[node.inputs[0]]
        source = gone.get(node.inputs[0])
        if isinstance(node.op, Conv2D | FullyConnected) and _taps(graph, node) is not None:
            gone[node.output] = _all_but_one(mask)
        elif isinstance(node.op, DepthwiseConv2D) and source is not None:
            gone[node.output] = np.repeat(source, len(mask) // len(source))
        elif source is not None and node.op.keeps_channels(x):
            gone[node.output] = source
        else:
            gone[node.output] = np.zeros_like(mask)
    return gone


def _all_but_one(mask: Mask) -> Mask:
    """A tensor needs a channel."""
    return mask if not mask.all() else np.arange(len(mask)) > 0


@dataclass
class _Work:
    """Writes the smaller nodes; ``overflow`` tells that a bias would leave int32."""

    graph: Graph
    ranges: dict[str, Range]
    gone: dict[str, Mask]

    def __post_init__(self) -> None:
        self.tensors: list[Tensor] = []
        self.overflow = False

    def node(self, node: Node) -> Node:
        """The node without the channels that go, at both its ends."""
        out_gone = self.gone[node.output]
        in_gone = self.gone.get(node.inputs[0])
        if in_gone is None or not (out_gone.any() or in_gone.any()):
            return node
        output = self.graph.output_tensor(node)
        shape = (*output.shape[:-1], int((~out_gone).sum()))
        self.tensors.append(with_tensor(output, shape=shape))
        if isinstance(node.op, Conv2D | FullyConnected):
            return self._mixing(node, in_gone, out_gone, shape)
        if isinstance(node.op, DepthwiseConv2D):
            return self._depthwise(node, out_gone)
        return node

    def _mixing(self, node: Node, in_gone: Mask, out_gone: Mask, shape: tuple[int, ...]) -> Node:
        x, weights, bias = present(self.graph.input_tensors(node))
        taps = _taps(self.graph, node)
        if taps is None:
            return node
        constants = np.where(in_gone, self.ranges[x.name].low - x.zero_point, 0)
        folded = bias.values + (taps.sum(axis=1) * constants).sum(axis=1)
        self.overflow |= bool(np.abs(folded).max() >= _INT32)
        kept = np.flatnonzero(~out_gone)
        data = weights.values.reshape(taps.shape)[kept][:, :, ~in_gone]
        trailing = (*weights.shape[1:-1], -1) if isinstance(node.op, Conv2D) else (-1,)
        data = data.reshape(len(kept), *trailing)
        names = self._constants(weights, data, 0, kept, bias, folded)
        op: Op = node.op
        if isinstance(op, FullyConnected):
            op = dataclasses.replace(op, output_shape=shape)
        return dataclasses.replace(node, op=op, inputs=(x.name, *names))

    def _depthwise(self, node: Node, out_gone: Mask) -> Node:
        x, weights, bias = present(self.graph.input_tensors(node))
        kept = np.flatnonzero(~out_gone)
        names = self._constants(weights, weights.values[..., kept], 3, kept, bias, bias.values)
        return dataclasses.replace(node, inputs=(x.name, *names))

    def _constants(
        self, weights: Tensor, data: Any, axis: int, kept: Any, bias: Tensor, values: Any
    ) -> tuple[str, str]:
        quant = weights.quantization
        quant = quant.take(kept) if quant.axis == axis else quant
        bias_quant = None if bias.quant is None else bias.quant.take(kept)
        changed = (
            self._add(weights, np.ascontiguousarray(data), quant),
            self._add(bias, values[kept].astype(np.int32), bias_quant),
        )
        return changed[0].name, changed[1].name

    def _add(self, like: Tensor, data: Any, quant: Any) -> Tensor:
        taken = {t.name for t in self.tensors}
        name, number = f"{like.name}.kept", 0
        while name in taken or name in self.graph.tensors:
            number += 1
            name = f"{like.name}.kept.{number}"
        made = with_tensor(like, name=name, data=data, quant=quant)
        self.tensors.append(made)
        return made
