# SPDX-License-Identifier: Apache-2.0
"""What a kernel is said to do grows as the map does: twice as many rows are twice as much of everything.

Of any kernel, from the case rows of its operator: the map is given more rows, and no padding above and below. A product
that should be a sum, a factor that is left out or counted twice grow otherwise.
"""

from __future__ import annotations

import dataclasses
import functools

from ascmcu import passes
from ascmcu.frontends import tflite
from ascmcu.ir.graph import Graph, Node, with_tensor
from ascmcu.ir.op import Op
from ascmcu.ir.types import Tensor
from ascmcu.kernels._registry import kernels_of
from tests.support import cases, lowering

# Rows of the output: by blocks of two and four, and more than any window has.
ROWS = 24


@functools.cache
def _nodes() -> list[tuple[Graph, Node]]:
    graphs = [passes.optimize(tflite.parse(case.model(), case.id)) for case in cases.load()]
    return [(graph, node) for graph in graphs for node in graph.nodes]


def _unpadded(op: Op) -> Op:
    """Without rows of padding."""
    padding = getattr(op, "padding", None)
    if isinstance(padding, tuple) and len(padding) == 4 and isinstance(padding[0], int):
        return dataclasses.replace(op, padding=(0, 0, *padding[2:]))  # type: ignore[call-arg]
    return op


def _with_rows(
    op: Op, inputs: list[Tensor | None], output: Tensor, rows: int
) -> tuple[list[Tensor | None], Tensor] | None:
    """The operands of an output of so many rows; the inputs that are maps of the same height grow alike."""
    x = next((t for t in inputs if t is not None and not t.is_const), None)
    if x is None or len(x.shape) != 4 or len(output.shape) != 4:
        return None
    for height in range(1, 4 * rows + 40):
        changed = [
            with_tensor(t, shape=(1, height, *t.shape[2:]))
            if t is not None and not t.is_const and len(t.shape) == 4 and t.shape[1] == x.shape[1]
            else t
            for t in inputs
        ]
        try:
            found = op.infer(changed)
        except Exception:  # too few rows for the window, or none of this op's shapes
            continue
        if found.shape[1] == rows and found.shape[2:] == output.shape[2:]:
            return changed, with_tensor(output, shape=tuple(found.shape))
    return None


@functools.cache
def _tried() -> dict[str, list[tuple[dict[str, int], dict[str, int]]]]:
    """By kernel: what it does for so many rows, and for twice as many."""
    found: dict[str, list[tuple[dict[str, int], dict[str, int]]]] = {}
    for graph, node in _nodes():
        op, inputs, output = _unpadded(node.op), list(graph.input_tensors(node)), graph.output_tensor(node)
        grown = [_with_rows(op, inputs, output, rows) for rows in (ROWS, 2 * ROWS)]
        if grown[0] is None or grown[1] is None:
            continue
        for kernel in kernels_of(type(op)):
            if len(found.get(kernel.name, ())) >= 6:
                continue
            x = next(t for t in grown[0][0] if t is not None and not t.is_const)
            for pair in lowering.layouts(kernel, op, x, output, inputs):
                made = [lowering.lowered(kernel, op, *g, pair) for g in grown if g is not None]
                counts = [dict(m.work.parts) if m is not None else {} for m in made]
                if counts[0]:
                    found.setdefault(kernel.name, []).append((counts[0], counts[1]))
    return found


def test_twice_as_many_rows_are_twice_as_much_work() -> None:
    found = _tried()
    assert len(found) >= 25 and sum(map(len, found.values())) > 100
    assert {
        "conv2d_packed",
        "conv2d_winograd",
        "depthwise_window",
        "average_pool2d",
        "wide_depthwise",
    } <= set(found)
    for name, pairs in found.items():
        for once, twice in pairs:
            assert twice == {part: 2 * count for part, count in once.items()}, name
