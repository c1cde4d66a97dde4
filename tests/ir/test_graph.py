# SPDX-License-Identifier: Apache-2.0
"""Graphs: who reads and writes what, what counts as a parameter, and what a rewrite keeps."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from ascmcu.errors import DataError
from ascmcu.frontends import tflite
from ascmcu.ir import figures, interp
from ascmcu.ir.graph import Graph, Node, State, with_tensor
from ascmcu.ir.types import DType, Quantization, Tensor
from ascmcu.ops.add import Add
from ascmcu.ops.dequantize import Dequantize
from ascmcu.ops.fully_connected import FullyConnected
from ascmcu.ops.lookup import Lookup
from ascmcu.ops.relu import Relu
from ascmcu.ops.reshape import Reshape
from ascmcu.ops.softmax import Softmax
from tests.support import step_models

Q = Quantization((0.5,), (3,))


def _tensor(name: str, *shape: int, dtype: DType = DType.INT8, data: np.ndarray | None = None) -> Tensor:
    return Tensor(name, shape, dtype, Q, data)


def _graph() -> Graph:
    """Two dense layers share weights and bias, and a table follows."""
    weights = np.array([[0, 1, 2, 0], [5, 0, 0, 7], [1, 1, 1, 1], [0, 0, 0, 9]], np.int8)
    tensors = [
        _tensor("x", 1, 4), _tensor("s", 1, 4), _tensor("w", 4, 4, data=weights),
        _tensor("b", 4, dtype=DType.INT32, data=np.array([1, 0, 3, 4], np.int32)),
        _tensor("table", 256, data=np.arange(256, dtype=np.uint8).view(np.int8)),
        _tensor("a", 1, 4), _tensor("c", 1, 4), _tensor("y", 1, 4), _tensor("t", 1, 4), _tensor("unused", 7),
    ]  # fmt: skip
    dense = FullyConnected((1, 4), (-128, 127))
    nodes = (
        Node("first", dense, ("x", "w", "b"), "a", 0),
        Node("second", dense, ("a", "w", "b"), "c", 4),
        Node("sum", Add((-128, 127)), ("c", "s"), "t"),
        Node("table", Lookup(), ("c", "table"), "y", 5),
    )
    return Graph(
        "g", {t.name: t for t in tensors}, nodes, ("x", "s"), ("y", "t"), (State("s", np.zeros((1, 4), np.int8)),)
    )  # fmt: skip


def test_who_reads_and_writes() -> None:
    graph = _graph()
    first, second, added, table = graph.nodes
    assert graph.producer("c") is second and graph.producer("x") is None
    assert graph.consumers("c") == (added, table) and graph.consumers("y") == ()
    absent = dataclasses.replace(first, inputs=("x", "w", ""))
    assert [t and t.name for t in graph.input_tensors(absent)] == ["x", "w", None]
    assert [t.name for t in graph.activations(added)] == ["c", "s"]
    assert [t.name for t in graph.activations(first)] == ["x"]
    assert graph.output_tensor(added).name == "t"
    assert (first.describe(), added.describe()) == (
        "fully_connected 'first', operator 0", "add 'sum'",
    )  # fmt: skip


def test_states_are_the_last_inputs_and_outputs() -> None:
    graph = _graph()
    assert graph.data_inputs == ("x",) and graph.data_outputs == ("y",)
    assert [(s.name, a, b) for s, a, b in graph.carried] == [("s", "s", "t")]
    assert graph.state_bytes == 4


def test_parameters_are_counted_once_and_tables_not() -> None:
    graph = _graph()
    assert graph.parameters == 16 + 4
    assert graph.replace(nodes=[dataclasses.replace(graph.nodes[0], inputs=("x", "w", ""))]).parameters == 16
    assert graph.macs == 2 * 16
    found = figures.figures_of(graph)
    assert (found.parameters, found.macs) == (20, 32)
    assert found.parameter_bytes == 16 + 4 * 4
    assert found.nonzero_bytes == 9 + 4 * 3
    assert found.int8_weights
    wide = with_tensor(graph.tensors["w"], data=np.ones((4, 4), np.int16), dtype=DType.INT16)
    assert not figures.figures_of(graph.replace(tensors=[wide])).int8_weights


@pytest.mark.parametrize(
    ("dtype", "computes"), [(DType.INT8, True), (DType.INT32, True), (DType.INT64, False)]
)
def test_arithmetic_on_shapes_is_no_work(dtype: DType, computes: bool) -> None:
    graph = _graph()
    first = graph.nodes[0]
    assert figures.computes(graph.replace(tensors=[_tensor("a", 1, 4, dtype=dtype)]), first) is computes
    constant = _tensor("x", 1, 4, data=np.zeros((1, 4), np.int8))
    assert not figures.computes(graph.replace(tensors=[constant]), first)


def test_probabilities_go_through_what_keeps_numbers() -> None:
    tensors = [_tensor(name, 1, 4) for name in ("x", "p", "q", "r")]
    tensors += [_tensor("f", 1, 4, dtype=DType.FLOAT32), _tensor("d", 4, dtype=DType.FLOAT32)]
    nodes = (
        Node("p", Softmax(1.0), ("x",), "p"), Node("f", Dequantize(), ("p",), "f"),
        Node("d", Reshape((4,)), ("f",), "d"), Node("q", Relu("relu"), ("p",), "q"),
        Node("r", Reshape((1, 4)), ("x",), "r"),
    )  # fmt: skip
    graph = Graph("g", {t.name: t for t in tensors}, nodes, ("x",), ("d", "q", "r"))
    found = {name for name in graph.tensors if figures.gives_probabilities(graph, name)}
    assert found == {"p", "f", "d"}


def test_a_rewrite_keeps_what_is_used() -> None:
    graph = _graph()
    same = graph.replace()
    assert set(same.tensors) == {*graph.tensors} - {"unused"} and same.states == graph.states
    assert (same.nodes, same.inputs, same.outputs, same.name) == (
        graph.nodes,
        graph.inputs,
        graph.outputs,
        "g",
    )
    less = graph.replace(nodes=graph.nodes[:1], outputs=("a",), inputs=("x",))
    assert set(less.tensors) == {"x", "w", "b", "a"} and less.outputs == ("a",) and less.inputs == ("x",)
    # Inputs and outputs stay, whether a node has them or not.
    assert set(graph.replace(nodes=()).tensors) == {"x", "s", "y", "t"}
    added = graph.replace(tensors=[_tensor("c", 2, 2), _tensor("nobody's", 3)])
    assert added.tensors["c"].shape == (2, 2) and "nobody's" not in added.tensors


def test_fresh_names_are_free() -> None:
    graph = _graph()
    assert graph.fresh_name("z") == "z" and graph.fresh_name("x") == "x.1"
    taken = {**graph.tensors, **{n: _tensor(n, 1) for n in ("x.1", "x.2")}}
    assert Graph("g", taken, (), (), ()).fresh_name("x") == "x.3"


def test_data_brings_its_shape() -> None:
    x = _tensor("x", 1, 4)
    data = np.zeros((2, 3), np.int8)
    made = with_tensor(x, data=data, name="y")
    assert (made.shape, made.name, made.is_const, x.is_const) == ((2, 3), "y", True, False)
    assert with_tensor(x, shape=(4,)).shape == (4,) and with_tensor(x, shape=(4,)).data is None
    with pytest.raises(ValueError, match="read-only"):
        made.values[0, 0] = 1


def test_states_go_from_step_to_step() -> None:
    initial = np.arange(12, dtype=np.int8).reshape(1, 3, 1, 4)
    graph = tflite.parse(step_models.ring(initial), "ring")
    steps, rows = (
        interp.Steps(graph),
        np.random.default_rng(1).integers(-128, 128, (5, 1, 2, 1, 4)).astype(np.int8),
    )
    held = initial
    for x in rows:
        whole = np.concatenate([held, x], axis=1)
        (found,) = steps([x])
        assert np.array_equal(found, whole.max(axis=1, keepdims=True))
        held = whole[:, 2:]
    steps.reset()
    first = np.concatenate([initial, rows[0]], axis=1).max(axis=1, keepdims=True)
    assert np.array_equal(steps([rows[0]])[0], first)
    assert np.array_equal(interp.run(graph, [rows[0]])[0], first)


@pytest.mark.parametrize(
    "wrong", [np.zeros((1, 5), np.int8), np.zeros((4,), np.int8), np.zeros((1, 4), np.uint8)]
)
def test_inputs_of_another_form_are_refused(wrong: np.ndarray) -> None:
    graph = Graph("g", {"x": _tensor("x", 1, 4)}, (), ("x",), ("x",))
    assert np.array_equal(interp.run(graph, [np.ones((1, 4), np.int8)])[0], np.ones((1, 4)))
    with pytest.raises(DataError, match="does not fit") as refused:
        interp.run(graph, [wrong])
    assert (
        refused.value.expected == "int8[1, 4]" and refused.value.found == f"{wrong.dtype}{list(wrong.shape)}"
    )
