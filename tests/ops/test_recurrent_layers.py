# SPDX-License-Identifier: Apache-2.0
"""Recurrent layers: float ones step by step as LiteRT, and what is refused where a layer is imported."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import numpy as np
import pytest

from ascmcu.errors import ModelError
from ascmcu.frontends import tflite
from ascmcu.ops._float import TOLERANCE
from tests.support import recurrent
from tests.support.chain import check_steps
from tests.support.recurrent import Bidirectional, Lstm, Svdf

FLOATS: list[Any] = [
    Bidirectional(5, 4, 6),
    Bidirectional(3, 2, 1),
    Bidirectional(4, 3, 5, input_gate=False),
    Bidirectional(4, 3, 5, merged=False),
    Bidirectional(2, 5, 4, input_gate=False, merged=False),
    Lstm(4, 3, 5, real=True),
    Lstm(4, 3, 5, real=True, time_major=True),
    Lstm(4, 6, 3, real=True, projected=2, projection_bias=True, cell_clip=0.4, projection_clip=0.1),
    Lstm(4, 3, 5, real=True, peephole=True),
    Lstm(4, 5, 3, real=True, peephole=True, input_gate=False),
    Lstm(4, 3, 5, real=True, norm=True),
    Lstm(5, 6, 4, real=True, norm=True, peephole=True, projected=3),
    Svdf(4, 3, 5, real=True),
    Svdf(4, 3, 5, rank=2, bias=False, real=True),
]
MAKERS = {Bidirectional: recurrent.bidirectional, Lstm: recurrent.lstm, Svdf: recurrent.svdf}


def _made(spec: Any, **changes: dict[str, Any]) -> bytes:
    """A network of one layer. Of its tensors whose name is a letter and a number, those of some letters are changed;
    ``options`` and ``intermediates`` are those of the operator, and ``inputs`` the number of its inputs."""
    parts, real = recurrent.Parts(), isinstance(spec, Bidirectional) or spec.real
    quant: dict[str, Any] = {} if real else {"scale": 0.031, "zero_point": 7}
    x = parts.add("x", spec.x_shape, "float32" if real else "int8", **quant)
    made = MAKERS[type(spec)](parts, spec, x, np.random.default_rng(5))
    (operator,) = parts.operators
    operator.options.update(changes.pop("options", {}))
    for name, value in changes.pop("operator", {}).items():
        setattr(operator, name, getattr(operator, name)[:value])
    for letter, change in changes.items():
        places = [i for i, t in enumerate(parts.tensors) if re.fullmatch(rf"{letter}\d+", t.name)]
        assert places, letter
        parts.tensors[places[0]] = dataclasses.replace(parts.tensors[places[0]], **change)
    return recurrent.built(parts, x, *(made if isinstance(made, list) else [made]))


@pytest.mark.parametrize("spec", FLOATS, ids=str)
def test_floats_step_by_step(spec: Any) -> None:
    check_steps(_made(spec), steps=4, seed=3, tolerance=TOLERANCE)


LSTM, NORMED = Lstm(4, 3, 5), Lstm(4, 3, 5, norm=True)
SVDF, NARROW = Svdf(4, 3, 5), Svdf(4, 3, 5, state="int8")
TWO = {"scales": (0.01, 0.02), "axis": 0}
REFUSED: list[tuple[Any, dict[str, Any], str]] = [
    (LSTM, {"c": {"scales": (0.003,)}}, "the cell state's scale must be a power of two"),
    (LSTM, {"c": {"scales": (2.0**-11 * 1.002,)}}, "the cell state's scale must be a power of two"),
    (LSTM, {"c": {"scales": (2.0**-16,)}}, "the cell state's scale must be a power of two"),
    (LSTM, {"c": {"scales": (2.0**-8,)}}, "the cell state's scale must be a power of two"),
    (LSTM, {"w": {"zero_point": 1}}, "weights of an LSTM have one scale and no zero point"),
    (LSTM, {"r": {"scales": (0.01, 0.02, 0.03)}}, "weights of an LSTM have one scale and no zero point"),
    (LSTM, {"w": {"scales": (0.0,)}}, "weights of an LSTM have one scale and no zero point"),
    (LSTM, {"w": {"scales": ()}}, "weights of an LSTM have one scale and no zero point"),
    (SVDF, {"w": {"scales": (0.0,)}}, "weights of SVDF have one scale and no zero point"),
    (SVDF, {"s": {"scales": (0.0,)}}, "the state of SVDF needs a scale"),
    (LSTM, {"options": {"cellClip": -1.0}}, "CellClip must not be negative"),
    (Lstm(4, 3, 5, projected=2), {"options": {"projClip": -1.0}}, "ProjClip must not be negative"),
    (Lstm(4, 3, 5, projected=4, peephole=True), {}, "an LSTM with peepholes has no more outputs than cells"),
    (LSTM, {"operator": {"intermediates": 4}}, "the file does not state the scale of the LSTM's hidden values"),
    (NORMED, {"operator": {"intermediates": 0}}, "the file does not state"),
    (LSTM, {"x": {"shape": (2, 5, 4)}}, "a recurrent layer takes one sequence at a time"),
    (LSTM, {"x": {"shape": (1, 20)}}, "a recurrent layer takes one sequence at a time"),
    (Lstm(4, 3, 5, real=True), {"options": {"fusedActivationFunction": 2}}, "activation is not supported"),
    (Lstm(4, 3, 5, real=True), {"options": {"cellClip": -0.5}}, "a clip must not be negative"),
    (SVDF, {"w": {"zero_point": 1}}, "weights of SVDF have one scale and no zero point"),
    (SVDF, {"t": {"scales": (0.1, 0.2, 0.3)}}, "weights of SVDF have one scale and no zero point"),
    (SVDF, {"s": {"zero_point": 1}}, "an int16 state has no zero point"),
    (SVDF, {"s": {"scales": ()}}, "the state of SVDF needs a scale"),
    (SVDF, {"s": {"shape": (1, 14)}}, "the state of SVDF has another shape"),
    (SVDF, {"x": {"shape": (2, 4)}}, "SVDF takes one vector at a time"),
    (SVDF, {"options": {"rank": 2}}, "rank or bias does not fit the filters"),
    (SVDF, {"options": {"rank": 0}}, "rank or bias does not fit the filters"),
    (SVDF, {"b": {"shape": (2,), "data": np.zeros(2, np.int32)}}, "rank or bias does not fit the filters"),
    (SVDF, {"operator": {"inputs": 4}}, "SVDF has five inputs"),
    (NARROW, {"t": {"dtype": "int16", "data": np.ones((3, 5), np.int16)}}, "weights over time have the state's type"),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "changes", "says"), REFUSED, ids=lambda v: str(v)[:60])
def test_refused(spec: Any, changes: dict[str, Any], says: str) -> None:
    tflite.parse(_made(dataclasses.replace(spec, peephole=False) if "peepholes" in says else spec), "layer")
    with pytest.raises(ModelError, match=re.escape(says)):
        tflite.parse(_made(spec, **changes), "layer")


@pytest.mark.parametrize("bits", [0, 1, 4, 6])
def test_cell_states_of_a_power_of_two_are_taken(bits: int) -> None:
    tflite.parse(_made(Lstm(4, 3, 5, cell_bits=bits)), "layer")
    tflite.parse(_made(LSTM, c={"scales": (2.0 ** (bits - 15) * 1.0005,)}), "layer")
