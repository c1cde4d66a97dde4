# SPDX-License-Identifier: Apache-2.0
"""WHILE loops over time, as Keras writes recurrent layers: unrolled, equal to LiteRT, or refused for a reason."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ascmcu.errors import ModelError
from ascmcu.frontends import tflite
from ascmcu.ops._float import TOLERANCE
from tests.support import chain, outside
from tests.support.tflite_builder import OperatorSpec, TensorSpec, build

TIME, DEPTH, CELLS = 5, 3, 4


def _numbers(name: str, *values: int) -> TensorSpec:
    return TensorSpec(name, (len(values),), "int32", data=np.array(values, np.int32))


def _scalar(name: str, value: int) -> TensorSpec:
    return TensorSpec(name, (), "int32", data=np.array(value, np.int32))


def _real(name: str, *shape: int, zero: bool = False) -> TensorSpec:
    rng = np.random.default_rng(len(name))
    data = np.zeros(shape, np.float32) if zero else rng.normal(size=shape).astype(np.float32)
    return TensorSpec(name, shape, "float32", data=data)


def _condition(turns: int | None) -> tuple[Any, ...]:
    """counter < turns, or a comparison of inputs, which nobody knows."""
    state = [TensorSpec(f"c{i}", shape, dtype) for i, (shape, dtype) in enumerate(_STATE)]
    tensors = [*state, _scalar("turns", turns or 0), TensorSpec("go", (), "bool")]
    compared = [3, 3] if turns is None else [0, 4]
    return tensors, [OperatorSpec("LESS", compared, [5])], [0, 1, 2, 3], [5]


# Counter, the rows that the loop fills, the hidden state, the input.
_STATE = (
    ((), "int32"),
    ((TIME, 1, CELLS), "float32"),
    ((1, CELLS), "float32"),
    ((TIME, 1, DEPTH), "float32"),
)


def _open(name: str) -> tuple[int, ...]:
    """The rows before and behind the one that a turn makes are none in the first turn and the last."""
    return (-1, 1, CELLS) if name in ("first", "behind") else ()


def _body() -> tuple[Any, ...]:
    """A simple recurrent step; its state goes into the rows at the counter's place, as converters write it."""
    tensors = [TensorSpec(f"b{i}", shape, dtype) for i, (shape, dtype) in enumerate(_STATE)]

    def add(spec: TensorSpec) -> int:
        tensors.append(spec)
        return len(tensors) - 1

    one, weights, recurrent = (
        add(_scalar("one", 1)),
        add(_real("w", CELLS, DEPTH)),
        add(_real("u", CELLS, CELLS)),
    )
    zeros, rest, open_end = (
        add(_numbers("zeros", 0, 0, 0)),
        add(_numbers("rest", 1, CELLS)),
        add(_numbers("open", -1, -1, -1)),
    )
    flat, row_shape, corner = (
        add(_numbers("flat", 1)),
        add(_numbers("shape", 1, 1, CELLS)),
        add(_numbers("corner", 0, 0)),
    )
    made = {name: add(TensorSpec(name, shape, dtype, signature=_open(name))) for name, shape, dtype in (
        ("next", (), "int32"), ("x", (1, DEPTH), "float32"), ("wx", (1, CELLS), "float32"),
        ("uh", (1, CELLS), "float32"), ("sum", (1, CELLS), "float32"), ("h", (1, CELLS), "float32"),
        ("before", (1,), "int32"), ("upto", (3,), "int32"), ("first", (1, 1, CELLS), "float32"),
        ("row", (1, 1, CELLS), "float32"), ("place", (1,), "int32"), ("from", (3,), "int32"),
        ("behind", (1, 1, CELLS), "float32"), ("rows", (TIME, 1, CELLS), "float32"),
    )}  # fmt: skip
    m = made
    operators = [
        OperatorSpec("ADD", [0, one], [m["next"]]),
        OperatorSpec("GATHER", [3, 0], [m["x"]], {"axis": 0}),
        OperatorSpec("FULLY_CONNECTED", [m["x"], weights, -1], [m["wx"]]),
        OperatorSpec("FULLY_CONNECTED", [2, recurrent, -1], [m["uh"]]),
        OperatorSpec("ADD", [m["wx"], m["uh"]], [m["sum"]]),
        OperatorSpec("TANH", [m["sum"]], [m["h"]]),
        OperatorSpec("RESHAPE", [0, flat], [m["before"]]),
        OperatorSpec("CONCATENATION", [m["before"], rest], [m["upto"]], {"axis": 0}),
        OperatorSpec("SLICE", [1, zeros, m["upto"]], [m["first"]]),
        OperatorSpec("RESHAPE", [m["h"], row_shape], [m["row"]]),
        OperatorSpec("RESHAPE", [m["next"], flat], [m["place"]]),
        OperatorSpec("CONCATENATION", [m["place"], corner], [m["from"]], {"axis": 0}),
        OperatorSpec("SLICE", [1, m["from"], open_end], [m["behind"]]),
        OperatorSpec("CONCATENATION", [m["first"], m["row"], m["behind"]], [m["rows"]], {"axis": 0}),
    ]
    return tensors, operators, [0, 1, 2, 3], [m["next"], m["rows"], m["h"], 3]


def _loop(turns: int | None = TIME, *, last: bool = False) -> bytes:
    tensors = [
        TensorSpec("input", (TIME, 1, DEPTH), "float32"),
        _scalar("zero", 0),
        _real("empty", TIME, 1, CELLS, zero=True),
        _real("still", 1, CELLS, zero=True),
        *(TensorSpec(f"after{i}", shape, dtype) for i, (shape, dtype) in enumerate(_STATE)),
    ]
    operators = [
        OperatorSpec("WHILE", [1, 2, 3, 0], [4, 5, 6, 7], {"condSubgraphIndex": 1, "bodySubgraphIndex": 2})
    ]
    return build(tensors, operators, [0], [6 if last else 5], others=[_condition(turns), _body()])


@pytest.mark.parametrize("last", [False, True], ids=["all rows", "last state"])
def test_a_loop_over_time(last: bool) -> None:
    chain.check(_loop(last=last), tolerance=TOLERANCE)


def test_a_loop_that_stops_early_leaves_rows_as_they_were() -> None:
    chain.check(_loop(TIME - 2), tolerance=TOLERANCE)


def test_counters_and_lists_leave_nothing_behind() -> None:
    graph = tflite.parse(_loop(), "loop")
    assert not [node for node in graph.nodes if graph.tensors[node.output].dtype.name.startswith("INT")]
    assert [node.op.kind() for node in graph.nodes].count("concatenation") == 1


def test_a_condition_on_data_is_refused() -> None:
    with pytest.raises(ModelError, match=r"LESS|how often a loop runs") as caught:
        tflite.parse(_loop(None), "loop")
    assert "Traceback" not in str(caught.value)


def test_a_loop_without_end_is_refused() -> None:
    with pytest.raises(ModelError, match=r"too many turns|out of range"):
        tflite.parse(_loop(1 << 30), "loop")


@pytest.mark.parametrize("name", ["portiloop_gru_while_float", "sensogrip_rnn_while_quantized"])
def test_published_loops(name: str) -> None:
    """LiteRT itself runs no Flex operators: of the second model, only that it is imported."""
    path = outside.model(f"{name}.tflite")
    outside.require(path)
    data = path.read_bytes()
    if name.startswith("portiloop"):
        chain.check(data, sets=3, tolerance=TOLERANCE, compiled=False)
    assert len(tflite.parse(data, name).nodes) > 100
