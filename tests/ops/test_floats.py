# SPDX-License-Identifier: Apache-2.0
"""Operators on float32, row by row of ``floats/rows.toml``: the interpreter is as near to LiteRT as it says, and the
generated C as near to the interpreter, in both schedules."""

from __future__ import annotations

import numpy as np
import pytest

from ascmcu import passes
from ascmcu.frontends import tflite
from ascmcu.ir import interp, registry
from ascmcu.ir.types import Array
from ascmcu.ops._float import TOLERANCE
from tests.support import cases
from tests.support.host_model import HostModel
from tests.support.litert import Reference

CASES = cases.floats()
SETS = 5
MODES = ("layers", "rows")
# Run over several steps, in tests of their own.
RECURRENT = {"float_lstm", "float_svdf", "float_svdf_time"}
# Of LiteRT's kernels alone: its hyperbolic tangent and its exponential are approximations.
LOOSE = {"tanh": 5e-5, "logistic": 5e-5, "gelu": 5e-5}


# Operators of any element type.
MOVING = {"reshape", "depth_to_space", "transpose"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_close_to_litert(case: cases.Case) -> None:
    data = case.model()
    reference = Reference(data, case.row.get("resolver", "BUILTIN_REF"))
    graph = tflite.parse(data, case.id)
    assert all(node.op.kind().startswith("float_") or node.op.kind() in MOVING for node in graph.nodes)
    optimized = passes.optimize(graph)
    compiled = [HostModel(optimized, mode, sanitize=True) for mode in MODES] if optimized.nodes else []
    for inputs in case.inputs(SETS):
        (expected,), (found,) = reference(inputs), interp.run(graph, inputs)
        _near(found, expected, LOOSE.get(case.row["op"].lower(), TOLERANCE))
        for model in compiled:
            (answer,) = model(inputs)
            _near(answer.reshape(found.shape), found, TOLERANCE)


def _near(found: Array, expected: Array, tolerance: float) -> None:
    assert found.dtype == expected.dtype and found.shape == expected.shape
    largest = np.abs(expected, where=np.isfinite(expected), out=np.zeros_like(expected)).max()
    assert np.allclose(found, expected, rtol=0, atol=tolerance * max(float(largest), 1e-3), equal_nan=True)


def test_an_exponential_up_to_the_end_of_float32() -> None:
    """And from its beginning: numbers below the normal range may be zero."""
    case = next(case for case in CASES if case.row["op"] == "EXP")
    graph = tflite.parse(case.model(), case.id)
    model = HostModel(passes.optimize(graph), "layers", sanitize=True)
    shape = graph.tensors[graph.inputs[0]].shape
    for low, high in (
        (-104.0, -80.0),
        (-1.0, 1.0),
        (80.0, 88.0),
        (88.0, 88.7228),
        (88.72, 89.0),
        (1e3, 1e30),
    ):
        x = np.linspace(low, high, int(np.prod(shape)), dtype=np.float32).reshape(shape)
        with np.errstate(over="ignore"):
            expected = np.exp(x.astype(np.float64)).astype(np.float32)
        assert np.allclose(model(x)[0], expected, rtol=4e-7, atol=2.0**-125)


def test_every_float_operator_has_a_row() -> None:
    known = {kind for kind in registry.kinds() if kind.startswith("float_")} - RECURRENT
    rows = {registry.importer(case.row["op"], floats=True).kind() for case in CASES}  # type: ignore[union-attr]
    assert {kind for kind in rows if kind.startswith("float_")} == known


def test_the_tolerance_is_a_few_roundings() -> None:
    assert 2.0**-24 < TOLERANCE <= 400 * 2.0**-24
