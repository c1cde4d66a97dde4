"""What each channel of each tensor can be: interval arithmetic on the reference's own integers.

A channel is the last axis. The bounds hold for every element of the channel and every input of the network, borders
included; a channel whose bounds meet is a constant.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ascmcu.ir.graph import Graph, Node
from ascmcu.ir.types import Tensor
from ascmcu.ops._fixed import I64
from ascmcu.ops._pool import Pool
from ascmcu.ops._quant import Requantization
from ascmcu.ops.conv2d import Conv2D
from ascmcu.ops.depthwise_conv2d import DepthwiseConv2D
from ascmcu.ops.fully_connected import FullyConnected
from ascmcu.ops.lookup import Lookup
from ascmcu.ops.mean import Mean
from ascmcu.ops.pad import Pad
from ascmcu.ops.reduce_max import ReduceMax

_INT32 = 1 << 31


@dataclass(frozen=True)
class Range:
    """Lowest and highest raw integer per channel, each of shape (channels,)."""

    low: I64
    high: I64

    @property
    def constant(self) -> Any:
        """Which channels have one value."""
        return self.low == self.high


def channel_ranges(graph: Graph) -> dict[str, Range]:
    """The range of every 8-bit tensor that is computed."""
    found = {name: full(graph.tensors[name]) for name in graph.inputs}
    for node in graph.nodes:
        output = graph.output_tensor(node)
        rule = next((rule for kind, rule in _RULES.items() if isinstance(node.op, kind)), None)
        made = rule(graph, node, found) if rule is not None and output.dtype.size_bytes == 1 else None
        found[node.output] = made if made is not None else full(output)
    return found


def full(tensor: Tensor) -> Range:
    """All that the element type holds."""
    low, high = tensor.dtype.integer_range if tensor.dtype.numpy.kind in "iu" else (0, 1)
    channels = tensor.shape[-1] if tensor.shape else 1
    return Range(np.full(channels, low, np.int64), np.full(channels, high, np.int64))


def _weighted(products: tuple[I64, I64], padded: bool, bias: Any, requant: Requantization) -> Range | None:
    """Bounds of requant(bias + Σ products) from the products at both ends of their inputs, (channels, taps)."""
    lowest, highest = np.minimum(*products), np.maximum(*products)
    if padded:
        # A tap outside the input contributes nothing.
        lowest, highest = np.minimum(lowest, 0), np.maximum(highest, 0)
    low, high = lowest.sum(axis=1) + bias, highest.sum(axis=1) + bias
    left = max(*requant.shifts, 0)
    if not requant.once and max(-int(low.min()), int(high.max())) << left >= _INT32:
        return None  # the accumulator would wrap, and the requantization not be monotone
    if low.min() < -_INT32 or high.max() >= _INT32:
        return None
    return Range(requant.apply(low), requant.apply(high))


def _conv2d(graph: Graph, node: Node, found: dict[str, Range]) -> Range | None:
    x, weights, bias = graph.input_tensors(node)
    assert isinstance(node.op, Conv2D) and x is not None and weights is not None and bias is not None
    assert weights.data is not None and bias.data is not None
    channels, depth = weights.shape[0], weights.shape[3]
    first = np.arange(channels) // (channels // node.op.groups(x, weights)) * depth
    read = first[:, None, None, None] + np.arange(depth)
    w, source = weights.data.astype(np.int64), found[x.name]
    products = tuple(
        (w * (bound[read] - x.zero_point)).reshape(channels, -1) for bound in (source.low, source.high)
    )
    requant = node.op.requantization((x, weights, bias), graph.output_tensor(node))
    return _weighted((products[0], products[1]), any(node.op.padding), bias.data, requant)


def _depthwise(graph: Graph, node: Node, found: dict[str, Range]) -> Range | None:
    x, weights, bias = graph.input_tensors(node)
    assert isinstance(node.op, DepthwiseConv2D) and x is not None and weights is not None and bias is not None
    assert weights.data is not None and bias.data is not None
    multiplier = weights.shape[3] // x.shape[3]
    w, source = weights.data.reshape(-1, weights.shape[3]).T.astype(np.int64), found[x.name]
    products = tuple(
        w * (np.repeat(bound, multiplier)[:, None] - x.zero_point) for bound in (source.low, source.high)
    )
    requant = node.op.requantization((x, weights, bias), graph.output_tensor(node))
    return _weighted((products[0], products[1]), any(node.op.padding), bias.data, requant)


def _dense(graph: Graph, node: Node, found: dict[str, Range]) -> Range | None:
    x, weights, bias = graph.input_tensors(node)
    assert isinstance(node.op, FullyConnected) and x is not None and weights is not None and bias is not None
    assert weights.data is not None and bias.data is not None
    source, repeats = found[x.name], weights.shape[1] // x.shape[-1]
    if repeats * x.shape[-1] != weights.shape[1]:
        return None
    w = weights.data.astype(np.int64) - weights.zero_point
    products = tuple(w * (np.tile(bound, repeats) - x.zero_point) for bound in (source.low, source.high))
    requant = node.op.requantization((x, weights, bias), graph.output_tensor(node))
    return _weighted((products[0], products[1]), False, bias.data, requant)


def _lookup(graph: Graph, node: Node, found: dict[str, Range]) -> Range | None:
    source, table = graph.tensors[node.inputs[0]], graph.tensors[node.inputs[1]]
    if table.data is None or source.dtype.size_bytes != 1:
        return None
    bounds = found[source.name]
    ends = []
    for low, high in zip(bounds.low.tolist(), bounds.high.tolist(), strict=True):
        values = np.arange(low, high + 1).astype(source.dtype.numpy)
        results = table.data[values.view(np.uint8)].astype(np.int64)
        ends.append((results.min(), results.max()))
    low_high = np.array(ends, np.int64)
    return Range(low_high[:, 0], low_high[:, 1])


def _pool(graph: Graph, node: Node, found: dict[str, Range]) -> Range | None:
    assert isinstance(node.op, Pool)
    source = found[node.inputs[0]]
    return Range(np.clip(source.low, *node.op.clamp), np.clip(source.high, *node.op.clamp))


def _reduced(graph: Graph, node: Node, found: dict[str, Range]) -> Range | None:
    """Both reductions are monotone: their values on constant maps bound them."""
    x, output = graph.tensors[node.inputs[0]], graph.output_tensor(node)
    assert isinstance(node.op, Mean | ReduceMax)
    if len(x.shape) - 1 in node.op.axes:
        return None
    bounds = found[x.name]
    ends = [
        node.op.evaluate([np.broadcast_to(bound, x.shape).astype(x.dtype.numpy)], [x], output)
        for bound in (bounds.low, bounds.high)
    ]
    low, high = (end.reshape(-1, output.shape[-1])[0].astype(np.int64) for end in ends)
    return Range(low, high)


def _pad(graph: Graph, node: Node, found: dict[str, Range]) -> Range | None:
    assert isinstance(node.op, Pad)
    if node.op.paddings[-1] != (0, 0):
        return None
    source, value = found[node.inputs[0]], node.op.value
    return Range(np.minimum(source.low, value), np.maximum(source.high, value))


_RULES: dict[type, Callable[[Graph, Node, dict[str, Range]], Range | None]] = {
    Conv2D: _conv2d,
    DepthwiseConv2D: _depthwise,
    FullyConnected: _dense,
    Lookup: _lookup,
    Pool: _pool,
    Mean: _reduced,
    ReduceMax: _reduced,
    Pad: _pad,
}
