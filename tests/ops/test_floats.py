# SPDX-License-Identifier: Apache-2.0
"""Operators on float32: the interpreter is as near to LiteRT as it says, row by row of ``floats/rows.toml``."""

from __future__ import annotations

import numpy as np
import pytest

from ascmcu.frontends import tflite
from ascmcu.ir import interp, registry
from ascmcu.ops._float import TOLERANCE
from tests.support import cases
from tests.support.litert import Reference

CASES = cases.floats()
SETS = 5
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
    for inputs in case.inputs(SETS):
        (expected,), (found,) = reference(inputs), interp.run(graph, inputs)
        assert found.dtype == expected.dtype and found.shape == expected.shape
        largest = np.abs(expected, where=np.isfinite(expected), out=np.zeros_like(expected)).max()
        tolerance = LOOSE.get(case.row["op"].lower(), TOLERANCE) * max(float(largest), 1e-3)
        assert np.allclose(found, expected, rtol=0, atol=tolerance, equal_nan=True)


def test_every_float_operator_has_a_row() -> None:
    known = {kind for kind in registry.kinds() if kind.startswith("float_")} - RECURRENT
    rows = {registry.importer(case.row["op"], floats=True).kind() for case in CASES}  # type: ignore[union-attr]
    assert {kind for kind in rows if kind.startswith("float_")} == known


def test_the_tolerance_is_a_few_roundings() -> None:
    assert 2.0**-24 < TOLERANCE <= 400 * 2.0**-24
