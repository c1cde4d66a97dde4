# SPDX-License-Identifier: Apache-2.0
"""Layouts: what lies in memory, what a tensor says of it, and that no kernel meets one that it does not know."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from ascmcu import kernels
from ascmcu.errors import VerifyError
from ascmcu.ir import registry, text
from ascmcu.ir.graph import Graph, Node
from ascmcu.ir.layout import (
    CHANNEL_PLANAR,
    INT16,
    ROW_MAJOR,
    TIME_INT16,
    TIME_PLANAR,
    TIME_TO_WIDTH,
    Layout,
    channel_planar,
    folded_time,
)
from ascmcu.ir.types import DType, Quantization, Tensor
from ascmcu.ir.verify import verify
from ascmcu.kernels._registry import kernels_of
from ascmcu.ops.add import Add
from ascmcu.ops.depthwise_conv2d import DepthwiseConv2D
from ascmcu.ops.relayout import Relayout

# Layout, shape of a map, and the shape of what lies in memory.
STORED = [
    (ROW_MAJOR, (1, 5, 6, 3), (1, 5, 6, 3)),
    (Layout(row_pairs=True), (1, 5, 6, 3), (1, 5, 6, 3)),
    (channel_planar(6, 6, 1, 1, 3), (1, 5, 6, 3), (1, 5, 3, 8)),
    (channel_planar(5, 2, 2, 0, 3), (1, 5, 5, 3), (1, 5, 3, 8)),
    (Layout(int16=True), (1, 5, 6, 4), (1, 5, 6, 4)),
    (folded_time(), (1, 9, 1, 3), (1, 3, 4, 3)),
    (Layout(2), (1, 9, 1, 3), (1, 5, 2, 3)),
    (Layout(2, planar=True, width=2), (1, 8, 1, 3), (1, 4, 3, 2)),
    (folded_time(planar=True), (1, 9, 1, 3), (1, 3, 3, 4)),
    (Layout(4, int16=True, pitch=6), (1, 8, 1, 4), (1, 2, 4, 6)),
]


def _tensor(name: str, shape: tuple[int, ...], layout: Layout = ROW_MAJOR) -> Tensor:
    return Tensor(name, shape, DType.INT8, Quantization((0.5,), (3,)), layout=layout)


@pytest.mark.parametrize(("layout", "shape", "stored"), STORED)
def test_what_is_stored(layout: Layout, shape: tuple[int, ...], stored: tuple[int, ...]) -> None:
    tensor = _tensor("x", shape, layout)
    assert tensor.stored_shape == stored and tensor.rows == stored[1] and tensor.shape == shape
    assert tensor.row_bytes == stored[2] * stored[3] * (2 if layout.int16 else 1)
    assert tensor.size_bytes == tensor.rows * tensor.row_bytes
    values = np.arange(1, 1 + tensor.elements).reshape(shape)
    lying = layout.store(values, 0)
    # Every value lies there once, and the rest is the fill.
    assert lying.shape == stored and sorted(lying[lying != 0]) == sorted(values.reshape(-1))
    assert layout.problem(shape) is None and Layout.parse(str(layout)) == layout
    graph = Graph("g", {"x": tensor}, (), ("x",), ("x",))
    assert text.parse(text.dump(graph)).tensors["x"].layout == layout


KINDS = [
    (Layout(row_pairs=True, pitch=3), ROW_MAJOR), (channel_planar(6, 6, 1, 1, 3), CHANNEL_PLANAR),
    (Layout(int16=True, pitch=4), INT16), (folded_time(), TIME_TO_WIDTH), (folded_time(planar=True), TIME_PLANAR),
    (Layout(4, int16=True, pitch=6), TIME_INT16),
]  # fmt: skip


@pytest.mark.parametrize(("layout", "kind"), KINDS)
def test_a_layout_without_its_sizes_is_one_of_the_kinds(layout: Layout, kind: Layout) -> None:
    assert layout.kind == kind and [k for _, k in KINDS].count(kind) == 1


@pytest.mark.parametrize("kernel_w", range(1, 5))
@pytest.mark.parametrize("stride", range(1, 4))
@pytest.mark.parametrize("left", range(3))
def test_planes_hold_the_map_and_every_window_by_whole_words(left: int, stride: int, kernel_w: int) -> None:
    for columns in range(1, 12):
        for out_columns in range(1, 12):
            layout = channel_planar(columns, out_columns, stride, left, kernel_w)
            of_map = {left + i for i in range(columns)}
            of_windows = {stride * o + tap for o in range(out_columns) for tap in range(kernel_w)}
            assert layout.width % 4 == 0
            assert layout.width - 4 <= max(of_map | of_windows) < layout.width


def test_order_of_what_is_stored() -> None:
    x = np.arange(12).reshape(1, 2, 3, 2)
    planes = Layout(planar=True, left=1, width=5).store(x, -1)
    assert planes[0, 0].tolist() == [[-1, 0, 2, 4, -1], [-1, 1, 3, 5, -1]]
    steps = folded_time().store(np.arange(10).reshape(1, 5, 1, 2), -1)
    assert steps[0, 1].tolist() == [[8, 9], [-1, -1], [-1, -1], [-1, -1]]


@pytest.mark.parametrize(
    ("layout", "shape"),
    [
        (folded_time(), (1, 8, 2, 3)),
        (channel_planar(6, 6, 1, 1, 3), (1, 5, 8, 3)),
        (Layout(4, int16=True, pitch=3), (1, 8, 1, 4)),
        (Layout(planar=True, width=8), (1, 8)),
        (Layout(left=1), (1, 5, 6, 3)),
    ],
)
def test_a_layout_that_does_not_fit_is_refused(layout: Layout, shape: tuple[int, ...]) -> None:
    x = _tensor("x", shape, layout)
    with pytest.raises(VerifyError, match="some-pass"):
        verify(Graph("g", {"x": x}, (), ("x",), ("x",)), "some-pass")


def test_kernels_read_and_write_the_layouts_that_they_name() -> None:
    """An op that knows nothing of layouts has no kernel on planes."""
    a, b, y = (_tensor(name, (1, 4, 6, 8)) for name in "aby")
    planes, op = channel_planar(6, 6, 1, 1, 3), Add((-128, 127))
    assert kernels.lower(op, (a, b), y) is not None
    assert kernels.lower(op, (a, b), dataclasses.replace(y, layout=planes)) is None
    assert kernels.lower(op, (dataclasses.replace(a, layout=planes), b), y) is None
    known = {ROW_MAJOR, CHANNEL_PLANAR, INT16, TIME_TO_WIDTH, TIME_PLANAR, TIME_INT16}
    for op in registry.kinds().values():
        for kernel in kernels_of(op):
            assert {*kernel.reads, *kernel.writes} <= known and kernel.reads and kernel.writes


def test_a_node_without_a_kernel_is_named() -> None:
    x, y = _tensor("x", (1, 8, 1, 4)), _tensor("y", (1, 8, 1, 4), Layout(int16=True))
    node = Node("move", Relayout(), ("x",), "y")
    graph = Graph("g", {"x": x, "y": y}, (node,), ("x",), ("y",))
    with pytest.raises(VerifyError, match="move") as error:
        kernels.select(graph, node)
    assert "int16=True" in str(error.value)


def test_the_cheapest_exact_kernel_is_taken() -> None:
    """Of three for the same layer, by predicted cycles; the next where one declines."""

    def lowered(columns: int, channels: int, least: int) -> str:
        rng = np.random.default_rng(1)
        quant = Quantization((0.01,), (0,))
        weights = rng.integers(least, 128, (1, 3, 3 if columns > 1 else 1, channels)).astype(np.int8)
        weights.reshape(-1)[0] = least
        bias = np.zeros(channels, np.int32)
        inputs = (
            Tensor("x", (1, 8, columns, channels), DType.INT8, Quantization((0.05,), (3,))),
            Tensor("w", weights.shape, DType.INT8, quant, weights),
            Tensor("b", bias.shape, DType.INT32, None, bias),
        )
        padding = (1, 1, 1, 1) if columns > 1 else (1, 1, 0, 0)
        op = DepthwiseConv2D((1, 1), (1, 1), padding, (-128, 127))
        output = Tensor("y", (1, 8, columns, channels), DType.INT8, Quantization((0.06,), (-11,)))
        found = kernels.lower(op, inputs, output)
        assert found is not None and found.cycles > 0
        return found.kernel

    assert lowered(5, 8, -127) == "depthwise_im2row"
    # A weight of -128 times 256 leaves a halfword.
    assert lowered(5, 8, -128) == "depthwise_window"
    assert lowered(1, 8, -127) == "depthwise_window"
    assert lowered(1, 6, -127) == "depthwise_window"
