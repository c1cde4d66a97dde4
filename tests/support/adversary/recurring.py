# SPDX-License-Identifier: Apache-2.0
"""Families of recurrent layers: whatever parts they may have, with scales over many magnitudes, step after step."""

from __future__ import annotations

from typing import Any

import numpy as np

from ascmcu.ops._float import TOLERANCE
from tests.support import recurrent
from tests.support.adversary.arithmetic import Draw, Trial
from tests.support.adversary.families import FLOAT, family
from tests.support.recurrent import Bidirectional, Lstm, Parts, Svdf
from tests.support.tflite_builder import build

_STEPS = 3


def _lstm(draw: Draw, real: bool) -> Lstm:
    cells = draw.pick(1, 5, 8, 11)
    projected = draw.pick(0, 0, 3, cells + 2)
    peephole = draw.chance(0.4) and projected <= cells
    return Lstm(
        draw.pick(1, 4, 7), cells, draw.pick(1, 3), real, draw.chance(0.7), peephole, draw.chance(0.4), projected,
        draw.chance(0.5), draw.chance(0.2), draw.pick(0, 2, 4, 6), draw.pick(0.0, 0.6),
        draw.pick(0.0, 0.5) if projected else 0.0, draw.pick(0.5, 1.0) if real else draw.scale(-2, 5),
    )  # fmt: skip


def _trial(draw: Draw, append: Any, spec: Any, real: bool) -> Trial:
    parts = Parts()
    quant = {} if real else {"zero_point": draw.pick(-128, -3, 0, 17)}
    dtype = "float32" if real else "int8"
    x = parts.add("x", spec.x_shape, dtype, 0.0 if real else draw.scale(-9, 0), **quant)
    outputs = append(parts, spec, x, draw.rng)
    outputs = outputs if isinstance(outputs, list) else [outputs]
    data = build(parts.tensors, parts.operators, [x], outputs)
    return Trial(data, [[np.zeros(spec.x_shape, dtype)]] * _STEPS, tolerance=TOLERANCE if real else 0.0)


@family("UNIDIRECTIONAL_SEQUENCE_LSTM", dtypes=("int8",))
def lstm(draw: Draw) -> Trial:
    """Integer gates, saturating or not."""
    return _trial(draw, recurrent.lstm, _lstm(draw, False), False)


@family("UNIDIRECTIONAL_SEQUENCE_LSTM", name="UNIDIRECTIONAL_SEQUENCE_LSTM, float32", dtypes=FLOAT)
def float_lstm(draw: Draw) -> Trial:
    """Of float32."""
    return _trial(draw, recurrent.lstm, _lstm(draw, True), True)


@family("BIDIRECTIONAL_SEQUENCE_LSTM", name="BIDIRECTIONAL_SEQUENCE_LSTM, float32", dtypes=FLOAT)
def bidirectional(draw: Draw) -> Trial:
    """Both directions, merged or not."""
    spec = Bidirectional(
        draw.pick(1, 4), draw.pick(1, 5), draw.pick(1, 4), draw.chance(0.5), draw.chance(0.5)
    )
    return _trial(draw, recurrent.bidirectional, spec, True)


def _svdf(draw: Draw, real: bool) -> Svdf:
    spread = 1.0 if real else draw.scale(-3, 5)
    return Svdf(
        draw.pick(1, 7, 8),
        draw.pick(1, 4),
        draw.pick(1, 5, 6),
        draw.pick(1, 2),
        draw.chance(0.6),
        real,
        "int16",
        spread,
    )


@family("SVDF", dtypes=("int8",))
def svdf(draw: Draw) -> Trial:
    """With a memory of int16."""
    return _trial(draw, recurrent.svdf, _svdf(draw, False), False)


@family("SVDF", name="SVDF, float32", dtypes=FLOAT)
def float_svdf(draw: Draw) -> Trial:
    """Of float32."""
    return _trial(draw, recurrent.svdf, _svdf(draw, True), True)
