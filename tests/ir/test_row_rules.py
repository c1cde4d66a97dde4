# SPDX-License-Identifier: Apache-2.0
"""Rows: what a step reads and finishes, counted one by one; and the types that rows are of."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from ascmcu.errors import VerifyError
from ascmcu.ir.layout import Layout, channel_planar
from ascmcu.ir.op import (
    RowMode,
    RowReads,
    RowRule,
    accumulate_rule,
    elementwise_rule,
    present,
    swap_constants,
    swap_pair,
    whole_rule,
)
from ascmcu.ir.ranges import full_range
from ascmcu.ir.types import DType, Quantization, Tensor
from ascmcu.ops.average_pool2d import AveragePool2D
from ascmcu.ops.max_pool2d import MaxPool2D

SMALL = range(-3, 4)


@pytest.mark.parametrize("stride", [0, 1, 2, 3])
def test_a_span_is_the_window_inside_the_tensor(stride: int) -> None:
    for first, count, step, rows in itertools.product(SMALL, (1, 2, 3), range(4), (1, 2, 5)):
        window = range(step * stride + first, step * stride + first + count)
        low, high = RowReads(stride, first, count).span(step, rows)
        assert list(range(low, high)) == [row for row in window if 0 <= row < rows]
        assert 0 <= low <= rows and 0 <= high <= rows


@pytest.mark.parametrize("per_step", [1, 2, 4])
def test_rows_of_a_map_are_done_in_turn(per_step: int) -> None:
    for rows in range(2, 9):
        steps = math.ceil(rows / per_step)
        if steps < 2:
            continue  # one step is the whole: below
        rule = RowRule(RowMode.MAP, steps, (RowReads(1, 0, 1),), rows_per_step=per_step)
        for step in range(steps):
            written = [r for r in range(step * per_step, (step + 1) * per_step) if r < rows]
            assert list(rule.output_rows(step, rows)) == written
            assert rule.rows_done(step + 1, rows) == written[-1] + 1
        assert rule.rows_done(0, rows) == 0


def test_groups_finish_one_row_or_all() -> None:
    rule = accumulate_rule(6, 2, (RowReads(1, 0, 1),))
    assert [rule.rows_done(n, 3) for n in range(7)] == [0, 0, 1, 1, 2, 2, 3]
    assert [list(rule.output_rows(n, 3)) for n in range(6)] == [[0], [0], [1], [1], [2], [2]]
    every = accumulate_rule(4, 4, (RowReads(1, 0, 1),))
    assert [every.rows_done(n, 3) for n in range(5)] == [0, 0, 0, 0, 3]
    assert list(every.output_rows(1, 3)) == [0, 1, 2]


def _map(rows: int, columns: int = 2, *, data: bool = False) -> Tensor:
    shape = (1, rows, columns, 3)
    return Tensor("t", shape, DType.INT8, None, np.zeros(shape, np.int8) if data else None)


def test_operands_are_read_row_by_row_or_whole() -> None:
    vector, one = Tensor("v", (1, 6), DType.INT8), RowReads(1, 0, 1)
    rule = elementwise_rule([_map(5), None, _map(5, data=True), _map(1)], _map(5))
    assert (rule.mode, rule.steps, rule.reads) == (RowMode.MAP, 5, (one, None, None, RowReads(0, 0, 1)))
    assert elementwise_rule([_map(5), _map(3)], _map(5)) == whole_rule([_map(5), _map(3)])
    # A vector has one row and no row axis, and so has its sum with another.
    assert elementwise_rule([vector, vector], vector).reads == (one, one)
    assert elementwise_rule([_map(1), vector], _map(1)).reads == (one, RowReads(0, 0, 1))
    whole = whole_rule([_map(5), None, _map(5, data=True)])
    assert whole == RowRule(RowMode.WHOLE, 1, (RowReads(0, 0, 5), None, None))


def test_absent_inputs_are_told() -> None:
    assert present([1, 2]) == (1, 2) and present([]) == ()
    with pytest.raises(VerifyError, match="absent") as refused:
        present([1, None, None])
    assert (refused.value.expected, refused.value.found) == (3, 1)


def test_height_and_width_change_places() -> None:
    assert swap_pair("abcd") == ("a", "c", "b", "d") and swap_pair("abc") == ("a", "b", "c")
    x = np.arange(24, dtype=np.int8).reshape(1, 2, 3, 4)
    constant, vector = (
        Tensor("c", x.shape, DType.INT8, None, x),
        Tensor("v", (4,), DType.INT8, None, x[0, 0, 0]),
    )
    ((index, swapped),) = swap_constants([_map(2), None, constant, vector])
    assert index == 2 and swapped.shape == (1, 3, 2, 4)
    assert all(swapped[0, w, h, c] == x[0, h, w, c] for h in range(2) for w in range(3) for c in range(4))


# Type, its name in NumPy, bytes, lowest and highest.
TYPES = [
    (DType.INT8, "int8", 1, -128, 127), (DType.UINT8, "uint8", 1, 0, 255), (DType.INT16, "int16", 2, -32768, 32767),
    (DType.INT32, "int32", 4, -(1 << 31), (1 << 31) - 1),
]  # fmt: skip


@pytest.mark.parametrize(("dtype", "name", "size", "low", "high"), TYPES)
def test_types(dtype: DType, name: str, size: int, low: int, high: int) -> None:
    assert (dtype.numpy, dtype.size_bytes, dtype.integer_range) == (np.dtype(name), size, (low, high))
    assert dtype.c_name == ("model_int32" if dtype is DType.INT32 else f"{name}_t")
    found = full_range(Tensor("t", (2, 3), dtype))
    assert found.low.tolist() == [low] * 3 and found.high.tolist() == [high] * 3
    assert not found.constant.any() and len(full_range(Tensor("t", (), dtype)).low) == 1


@pytest.mark.parametrize(
    ("shape", "rows", "row"),
    [((1, 5, 2, 3), 5, (2, 3)), ((1, 5, 2), 5, (2,)), ((1, 5), 1, (1, 5)), ((2, 5, 2, 3), 1, (2, 5, 2, 3)),
     ((4,), 1, (4,)), ((), 1, ())],
)  # fmt: skip
def test_the_row_axis(shape: tuple[int, ...], rows: int, row: tuple[int, ...]) -> None:
    for dtype in (DType.INT8, DType.INT32):
        t = Tensor("t", shape, dtype)
        assert (t.rows, t.row_shape, t.has_row_axis) == (rows, row, rows > 1)
        assert t.row_elements == math.prod(row) and t.row_bytes == math.prod(row) * dtype.size_bytes
        assert (t.elements, t.size_bytes) == (math.prod(shape), math.prod(shape) * dtype.size_bytes)


def test_a_wide_layout_has_its_own_bytes() -> None:
    t = Tensor("t", (1, 4, 6, 2), DType.INT8, layout=Layout(int16=True))
    assert (t.stored_dtype, t.row_bytes, t.size_bytes) == (DType.INT16, 24, 96)
    planes = channel_planar(columns=5, out_columns=3, stride=2, left=1, kernel_w=3)
    assert (planes.left, planes.width) == (1, 8) and channel_planar(6, 6, 1, 1, 3).width == 8
    assert channel_planar(7, 7, 1, 1, 2).width == 8 and channel_planar(3, 9, 1, 0, 1).width == 12


def test_slices_of_a_quantization() -> None:
    by_channel = Quantization((0.1, 0.2, 0.3), (0,), 1)
    assert by_channel.take(np.array([2, 0])) == Quantization((0.3, 0.1), (0, 0), 1)
    assert Quantization((0.1, 0.2), (5, 6), 3).take(np.array([1, 0])) == Quantization((0.2, 0.1), (6, 5), 3)
    single = Quantization((0.5,), (3,))
    assert single.take(np.array([0, 0])) is single and (single.scale, single.zero_point) == (0.5, 3)
    assert by_channel.per_axis and not single.per_axis and Quantization((1.0,), (0,)).axis == 0


def test_what_a_tensor_is_to_whoever_computes_with_it() -> None:
    def made(**changed: object) -> Tensor:
        fields = {"name": "t", "shape": (1, 2), "dtype": DType.INT8, "quant": None, "data": None} | changed
        return Tensor(**fields)  # type: ignore[arg-type]

    assert made(name="u").content == made().content
    others = [
        made(shape=(2, 1)), made(dtype=DType.UINT8), made(quant=Quantization((0.5,), (0,))),
        made(data=np.zeros((1, 2), np.int8)), made(data=np.ones((1, 2), np.int8)),
        made(shape=(1, 2, 2, 4), layout=Layout(int16=True)),
    ]  # fmt: skip
    assert len({t.content for t in (made(), *others)}) == 1 + len(others)
    assert (
        made().describe() == "'t' (i8[1x2])" and made(source_index=0).describe() == "'t' (i8[1x2], tensor 0)"
    )
    for broken in ("values", "quantization", "scale"):
        with pytest.raises(VerifyError):
            getattr(made(), broken)
    assert made().zero_point == 0


@pytest.mark.parametrize(
    ("kind", "kernel", "stride", "width", "padding", "accumulates"),
    [
        # Maxima leave nothing but the output row; sums take four bytes an element, against rows of one byte each.
        (MaxPool2D, 2, 2, 1, (0, 0), True), (MaxPool2D, 1, 1, 1, (0, 0), False), (MaxPool2D, 2, 1, 1, (0, 0), False),
        (MaxPool2D, 2, 2, 1, (1, 0), False), (MaxPool2D, 2, 2, 1, (0, 1), False), (MaxPool2D, 4, 1, 1, (0, 0), True),
        (AveragePool2D, 4, 4, 1, (0, 0), False), (AveragePool2D, 4, 4, 2, (0, 0), False),
        (AveragePool2D, 2, 2, 3, (0, 0), False),
    ],
)  # fmt: skip
def test_a_pool_takes_rows_one_by_one_where_less_lives_on(
    kind: type, kernel: int, stride: int, width: int, padding: tuple[int, int], accumulates: bool
) -> None:
    quant = Quantization((0.1,), (0,))
    rows = (4 + sum(padding) - kernel) // stride + 1
    x, y = (
        Tensor("x", (1, 4, width, 1), DType.INT8, quant),
        Tensor("y", (1, rows, width, 1), DType.INT8, quant),
    )
    op = kind((kernel, 1), (stride, 1), (*padding, 0, 0), (-128, 127))
    assert op.accumulates([x], y) == accumulates


def test_sums_are_kept_where_they_are_less_than_rows() -> None:
    """Six rows of one byte live on otherwise: more than the four bytes of a sum."""
    quant = Quantization((0.1,), (0,))
    for kernel, accumulates in ((5, False), (6, True)):
        x, y = Tensor("x", (1, kernel, 1, 1), DType.INT8, quant), Tensor("y", (1, 1, 1, 1), DType.INT8, quant)
        assert (
            AveragePool2D((kernel, 1), (1, 1), (0, 0, 0, 0), (-128, 127)).accumulates([x], y) == accumulates
        )
