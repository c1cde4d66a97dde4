# SPDX-License-Identifier: Apache-2.0
"""Small networks with state."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.support.tflite_builder import OperatorSpec, TensorSpec, VariableSpec, build

Q: dict[str, Any] = {"scales": (0.05,), "zero_point": 3}
OTHER: dict[str, Any] = {"scales": (0.04,), "zero_point": -7}


def _values(*numbers: int) -> TensorSpec:
    return TensorSpec(f"numbers{numbers}", (len(numbers),), "int32", data=np.array(numbers, np.int32))


def ring(initial: np.ndarray, rows: int = 2, kept: int = 3) -> bytes:
    """The last ``kept`` rows of all that came are kept in front of the new ones, and the maximum over time goes out."""
    shape = (1, kept + rows, 1, 4)
    tensors = [
        TensorSpec("x", (1, rows, 1, 4), **Q),
        TensorSpec("old", (1, kept, 1, 4), **Q),
        TensorSpec("all", shape, **Q),
        TensorSpec("new", (1, kept, 1, 4), **Q),
        _values(0, rows, 0, 0),
        _values(1, kept, 1, 4),
        TensorSpec("y", (1, 1, 1, 4), **Q),
    ]
    operators = [
        OperatorSpec("CONCATENATION", [1, 0], [2], {"axis": 1}),
        OperatorSpec("SLICE", [2, 4, 5], [3]),
        OperatorSpec("MAX_POOL_2D", [2], [6], {"filterHeight": kept + rows, "filterWidth": 1, "strideH": 1,
                                                "strideW": 1, "padding": 1}),
    ]  # fmt: skip
    return build(tensors, operators, [0], [6], [VariableSpec("ring", 1, 3, initial)])


def sums(shape: tuple[int, ...], initial: int) -> bytes:
    """s = s + x, whose output is the old sum: the new one cannot lie in its bytes before that is read."""
    tensors = [
        TensorSpec("x", shape, **Q),
        TensorSpec("s", shape, **Q),
        TensorSpec("sum", shape, **Q),
        TensorSpec("y", shape, **OTHER),
    ]
    operators = [OperatorSpec("ADD", [1, 0], [2]), OperatorSpec("MUL", [1, 0], [3])]
    return build(tensors, operators, [0], [3], [VariableSpec("s", 1, 2, np.full(shape, initial, np.int8))])
