# SPDX-License-Identifier: Apache-2.0
"""A recurrent layer behind convolutions runs row by row: only a few rows are kept, and little is left at the end."""

from __future__ import annotations

import numpy as np
import pytest

from ascmcu import passes
from ascmcu.frontends import tflite
from ascmcu.schedule import make_plan
from ascmcu.schedule.plan import LAYERS, ROWS
from tests.support import chain, recurrent
from tests.support.host_model import HostModel
from tests.support.litert import Reference
from tests.support.recurrent import Lstm, Parts
from tests.support.tflite_builder import OperatorSpec

TIME, BANDS, CHANNELS, CELLS = 32, 8, 6, 7
CONV = {"padding": 0, "strideH": 2, "strideW": 2, "dilationHFactor": 1, "dilationWFactor": 1}


def _network(real: bool) -> bytes:
    """A convolution that halves both axes, its rows as vectors, an LSTM over time."""
    rng, parts = np.random.default_rng(1), Parts()
    depth, time = BANDS // 2 * CHANNELS, TIME // 2
    kind = "float32" if real else "int8"

    def tensor(name: str, shape: tuple[int, ...], zero: int = 3) -> int:
        return parts.add(name, shape, kind, **({} if real else {"scale": 0.05, "zero_point": zero}))

    kernel, bias = rng.integers(-127, 128, (CHANNELS, 3, 3, 1)), rng.integers(-500, 500, CHANNELS)
    x = tensor("x", (1, TIME, BANDS, 1))
    if real:
        w = parts.add("w", kernel.shape, kind, data=(kernel / 127).astype(np.float32))
        b = parts.add("b", bias.shape, kind, data=(bias / 500).astype(np.float32))
    else:
        w = parts.add("w", kernel.shape, kind, 0.01, data=kernel.astype(np.int8))
        b = parts.add("b", bias.shape, "int32", 0.0005, data=bias.astype(np.int32))
    conv = tensor("conv", (1, time, BANDS // 2, CHANNELS), -128)
    parts.operators.append(OperatorSpec("CONV_2D", [x, w, b], [conv], {**CONV, "fusedActivationFunction": 1}))
    shape = parts.add("shape", (3,), "int32", data=np.array([1, time, depth], np.int32))
    rows = tensor("rows", (1, time, depth), -128)
    parts.operators.append(OperatorSpec("RESHAPE", [conv, shape], [rows], {"newShape": [1, time, depth]}))
    return recurrent.built(parts, x, recurrent.lstm(parts, Lstm(depth, CELLS, time, real=real), rows, rng))


@pytest.mark.parametrize("real", [False, True], ids=["int8", "float32"])
def test_lstm_behind_a_convolution(real: bool) -> None:
    data = _network(real)
    last = passes.optimize(tflite.parse(data, "net"))
    layers, rows = (make_plan(last, mode) for mode in (LAYERS, ROWS))
    # Whole layers hold the whole input and its map; rows three input rows, one of the map, and what comes out.
    assert 2 * rows.arena_bytes < layers.arena_bytes
    # Behind the last row come one output row of the convolution, one step of the LSTM, and the output.
    assert 8 * rows.latency_cycles < rows.cycles
    hosts = [HostModel(last, mode, sanitize=True) for mode in (LAYERS, ROWS)]
    for x in chain.input_sets(last, 3, np.random.default_rng(2)):
        expected = Reference(data)(x)
        for host in hosts:
            assert chain.difference(expected, host(x), 2e-5 if real else 0.0) is None, host
