# SPDX-License-Identifier: Apache-2.0
"""What templates are told of tensors, constants, rows and states, read as a C compiler or a reader would."""

from __future__ import annotations

import ast
import functools
import itertools
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ascmcu import passes
from ascmcu.codegen import memory_map, model
from ascmcu.frontends import tflite
from ascmcu.ir.graph import Graph
from ascmcu.ir.op import RowReads
from ascmcu.ir.types import DType, Tensor
from ascmcu.schedule import LAYERS, ROWS, Buffer, Plan, make_plan
from tests.support import cases, kernel_networks, recipes_flat, step_models

MAP = Tensor("m", (1, 6, 2, 3), DType.INT8)


def _c(expression: str, **names: int) -> int:
    """The value of a C expression on non-negative integers."""
    text = re.sub(r"(?<![/])/(?!/)", "//", expression.replace("&&", " and ").replace("||", " or "))
    text = re.sub(r"^(.*?) \? (.*?) : (.*)$", r"(\2) if (\1) else (\3)", text)
    functions = {"min_i32": min, "clamp_i32": lambda x, low, high: max(low, min(high, x))}
    for name, value in names.items():
        text = re.sub(rf"\b{name}\b(?!\[)", str(value), text)
    return int(eval(text, {"__builtins__": {}}, functions))


@pytest.mark.parametrize("ring", [1, 2, 5, 6, 9])
def test_rows_lie_in_their_slots(ring: int) -> None:
    for tensor in (MAP, Tensor("m", (1, 6, 2, 3), DType.INT32)):
        view = model.TensorView("t3", tensor, 40, ring, True)
        for row in range(6):
            assert _c(view.slot_offset(), row=row) == row % ring * tensor.row_bytes
            assert view.slot_offset("newest") == view.slot_offset().replace("row", "newest")
        assert view.at("step") == "t3(step)"
    for per_step, step in itertools.product((1, 2, 4), range(12)):
        first_use = step * per_step < ring
        assert _c(view.unfilled(per_step).replace("true", "1"), step=step) == first_use
    assert model.TensorView("t", MAP, 0, ring, False).unfilled() == "true"


@pytest.mark.parametrize(("rows", "steps"), [(6, 6), (5, 5), (9, 3)])
def test_a_step_waits_for_the_rows_that_it_reads(rows: int, steps: int) -> None:
    view = model.TensorView("t1", Tensor("x", (1, rows, 2, 3), DType.INT8), 0, rows, True)
    for stride, first, count in itertools.product((0, 1, 2, 3), (-2, 0, 1), (1, 3)):
        reads = RowReads(stride, first, count)
        condition = model._rows_are_there(view, reads, 4, steps)
        for step, there in itertools.product(range(steps), range(rows + 1)):
            text = condition.replace("done[4]", str(step)).replace("rows_t1", str(there))
            assert bool(_c(text)) == (there >= reads.span(step, rows)[1]), condition


def _networks() -> list[Graph]:
    data = [recipes_flat.make(r) for form in kernel_networks.FORMS for r in kernel_networks.drawn(form, 3, 2)]
    data += [case.model() for case in cases.load()[::9]]
    data.append(step_models.ring(np.arange(12, dtype=np.int8).reshape(1, 3, 1, 4)))
    graphs = [passes.optimize(tflite.parse(d, "net")) for d in data]
    return [graph for graph in graphs if graph.nodes]


@functools.cache
def _plans() -> list[Plan]:
    return [make_plan(graph, mode) for graph in _networks() for mode in (LAYERS, ROWS)]


def _every(check: Callable[[Plan], int]) -> None:
    assert sum(check(plan) for plan in _plans())


def test_layers_say_when_they_run_and_what_is_done() -> None:
    def check(plan: Plan) -> int:
        views = model._layer_views(plan)
        assert [view.index for view in views] == [x.index for x in plan.layers if not plan.moves_nothing(x)]
        for view in views:
            rule, rows = view.layer.rule, view.y.tensor.rows
            limits, *waits = view.conditions
            for done in range(rule.steps + 1):
                text = view.rows_done.replace(f"done[{view.index}]", str(done))
                assert _c(text) == rule.rows_done(done, rows), view.rows_done
                assert bool(_c(limits.replace(f"done[{view.index}]", str(done)))) == (done < rule.steps)
            assert len(waits) == sum(reads is not None for reads in rule.reads)
            kind, macs = view.layer.node.op.kind(), view.layer.node.op.macs(
                plan.graph.input_tensors(view.layer.node), view.y.tensor)  # fmt: skip
            assert view.comment.startswith(f"Layer {view.index}: {kind} '{view.layer.node.name}', ")
            assert (f", {macs} MACs." in view.comment) == (macs > 0) and view.macs == macs
            assert view.comment.partition(" -> ")[2].split(",")[0].rstrip(".") == _dims(view.y.tensor)
        return len(views)

    _every(check)


def _dims(tensor: Tensor) -> str:
    shape = tensor.shape[1:] if len(tensor.shape) >= 3 and tensor.shape[0] == 1 else tensor.shape
    return "x".join(map(str, shape))


def test_constants_are_there_once_and_weigh_what_they_do() -> None:
    def check(plan: Plan) -> int:
        made = model.render_model(plan, name="net", sha256="0" * 64, labels=["a"])
        views = model._layer_views(plan)
        arrays = {c.symbol: c for view in views for c in view.constants}
        text = made.files["model.c"]
        for symbol, constant in arrays.items():
            assert len(re.findall(rf"\b{symbol}\[\d+\] = {{", text)) <= 1
            assert [a.symbol for a in made.arrays].count(symbol) == 1
            assert constant.count == constant.values.size and constant.size_bytes == constant.values.nbytes
        assert sum(made.layer_weights_bytes) == sum(c.size_bytes for c in arrays.values())
        # By values: no two arrays of one name in the kernels are alike.
        keys = [(c.symbol.rpartition("_")[0], c.values.dtype, c.values.tobytes()) for c in arrays.values()]
        assert len(set(keys)) == len(keys)
        for array in made.arrays:
            assert array.size_bytes == arrays[array.symbol].size_bytes
            readers = [v.index for v in views if array.symbol in {c.symbol for c in v.constants}]
            assert list(array.layers) == readers
        return len(arrays)

    _every(check)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "float32", "float64"])
def test_an_initialiser_reads_back(dtype: str) -> None:
    rng = np.random.default_rng(4)
    values = rng.normal(0, 1000, 77).astype(dtype)
    constant = model.Constant("w_3", "x", values)
    words = [word for line in constant.lines for word in line.split(", ")]
    read = [float.fromhex(w.rstrip("f")) if values.dtype.kind == "f" else int(w) for w in words]
    assert np.array_equal(np.array(read, dtype), values)
    per_line = {1: 24, 2: 16, 4: 10, 8: 4}[values.dtype.itemsize]
    assert {len(line.split(", ")) for line in constant.lines[:-1]} == {per_line}
    assert all(w.endswith("f") for w in words) == (dtype == "float32")


@pytest.mark.parametrize(
    "text", ["plain", 'quo"te', "back\\slash", "tri??graph", "Grüße 1", "tab\t2", "\x7f7", ""]
)
def test_a_string_reads_back(text: str) -> None:
    literal = model._string_literal(text)
    assert literal.isascii() and literal[0] == literal[-1] == '"' and "??" not in literal
    assert ast.literal_eval("b" + literal).decode() == text


def test_states_begin_with_their_values() -> None:
    for initial, constant in ((np.arange(12, dtype=np.int8), True), (np.full(12, -7, np.int8), False)):
        graph = passes.optimize(tflite.parse(step_models.ring(initial.reshape(1, 3, 1, 4)), "ring"))
        for mode in (LAYERS, ROWS):
            (view,) = model._state_views(make_plan(graph, mode))
            assert (view.initial is not None) == constant
            if view.initial is None:
                assert np.int8(np.uint8(view.fill)) == -7
            else:
                assert view.initial.values.reshape(-1).tolist() == initial.tolist()


def _runs(path: str) -> list[tuple[int, float, int, float]]:
    """(x, y, width, height) of the boxes of a path."""
    found = re.findall(r"M(\d+) (-?[\d.]+)h(\d+)v([\d.]+)h-(\d+)z", path)
    assert "".join(f"M{x} {y}h{w}v{h}h-{back}z" for x, y, w, h, back in found) == path
    assert all(w == back for _, _, w, _, back in found)
    return [(int(x), float(y), int(w), float(h)) for x, y, w, h, _ in found]


def test_boxes_of_the_memory_map_are_as_high_and_as_long_as_buffers_live() -> None:
    left, top, width, height = (
        getattr(memory_map, f"_{name}") for name in ("LEFT", "TOP", "WIDTH", "HEIGHT")
    )

    def check(plan: Plan) -> int:
        per_byte, scale = height / plan.arena_bytes, width / (plan.events + 2)
        live = memory_map.live_at(plan, memory_map.peak_event(plan))
        assert sum(b.size_bytes for b in live) == plan.lower_bound_bytes
        assert f"peak: {plan.lower_bound_bytes:,} bytes, " in memory_map.render_memory_map(plan, "net")
        for buffer in plan.buffers:
            shape = memory_map._shape(plan, buffer, "#fff", per_byte)
            boxes = _runs(shape.path)
            columns = {c - left for x, _, w, _ in boxes for c in range(x, x + w)}
            for _, y, _, high in boxes:
                assert high == pytest.approx(max(buffer.size_bytes * per_byte, 0.5), abs=0.006)
                assert y == pytest.approx(
                    top + height - (buffer.offset + buffer.size_bytes) * per_byte, abs=0.006
                )
            assert columns <= set(range(width))
            for first, last in buffer.live:
                assert {int(e * scale) for e in range(first, last + 1)} <= columns
            near = [(first * scale - 1, (last + 1) * scale + 1) for first, last in buffer.live]
            assert all(any(a <= c <= b for a, b in near) for c in columns)
            assert shape.title.startswith(f"{buffer.name}: {buffer.size_bytes} bytes at {buffer.offset}, ")
            assert f"{buffer.ring_rows} row(s) of {buffer.row_bytes} bytes" in shape.title
        for tick in memory_map._ticks(plan.arena_bytes, per_byte):
            value = int(tick.text.replace(",", ""))
            assert (
                tick.y == pytest.approx(top + height - value * per_byte)
                and top - 1e-6 <= tick.y <= top + height
            )
        values = [int(t.text.replace(",", "")) for t in memory_map._ticks(plan.arena_bytes, per_byte)]
        *below, last = values
        steps = {b - a for a, b in itertools.pairwise(below)}
        assert last == plan.arena_bytes and below[0] == 0 and len(steps) <= 1 and len(values) <= 9
        assert all(step & (step - 1) == 0 and step >= 16 for step in steps)
        assert (last - below[-1]) * per_byte > memory_map._LABEL_HEIGHT
        return len(plan.buffers)

    _every(check)


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("net/conv_1/Relu:0", "conv_1"),
        ("t3", "t3"),
        ("a/b", "a"),
        ("x" * 40, "x" * memory_map._LETTERS),
        ("/y", ""),
    ],
)
def test_names_in_the_picture(name: str, short: str) -> None:
    assert memory_map._short(name) == short


# Bytes, life, and how a name of ten letters stands in the box.
LABELS = [
    (1000, (0, 99), "lies"), (10, (0, 99), "not"), (1000, (0, 2), "stands"), (1000, (5, 5), "not"),
    (600, (0, 2), "not"),
]  # fmt: skip


@pytest.mark.parametrize(("row_bytes", "live", "expected"), LABELS)
def test_a_label_stands_where_it_fits(row_bytes: int, live: tuple[int, int], expected: str) -> None:
    plan: Any = SimpleNamespace(events=98)
    shape = memory_map._shape(plan, Buffer("name_of_it", 1, row_bytes, (live,), 0), "#fff", 0.1)
    assert shape.label == ("" if expected == "not" else "name_of_it")
    assert shape.turned == (expected == "stands")


def test_kernels_are_there_once() -> None:
    assert _plans()
    for plan in _plans():
        views = model._layer_views(plan)
        assert [k.name for k in model._kernels(views)] == list(dict.fromkeys(v.kernel for v in views))
        alike = {(v.template, repr(v.k)) for v in views}
        assert len(alike) <= len({v.kernel for v in views}) == len({(v.template, v.k) for v in views})
