# SPDX-License-Identifier: Apache-2.0
"""Operators on numbers that are known while importing: counters of loops, their conditions, shapes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ascmcu.ir.types import Array, DType

_COUNTING = (DType.INT32, DType.INT64, DType.BOOL)
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "ADD": np.add,
    "SUB": np.subtract,
    "MUL": np.multiply,
    "MAXIMUM": np.maximum,
    "MINIMUM": np.minimum,
    "LESS": np.less,
    "LESS_EQUAL": np.less_equal,
    "GREATER": np.greater,
    "GREATER_EQUAL": np.greater_equal,
    "EQUAL": np.equal,
    "NOT_EQUAL": np.not_equal,
    "LOGICAL_AND": np.logical_and,
    "LOGICAL_OR": np.logical_or,
    "LOGICAL_NOT": np.logical_not,
}
# Operators that have no other form than this one.
BUILTINS = (
    "LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL", "EQUAL", "NOT_EQUAL", "LOGICAL_AND", "LOGICAL_OR", "LOGICAL_NOT",
    "FILL", "RANGE", "DENSIFY",
)  # fmt: skip


def counts(builtin: str, dtype: DType) -> bool:
    """Whether it is one of these operators, with a result of ``dtype``."""
    return builtin in ("FILL", "DENSIFY") or (
        dtype in _COUNTING and (builtin == "RANGE" or builtin in _FUNCTIONS)
    )


def evaluate(builtin: str, inputs: Sequence[Array], dtype: DType) -> Array:
    """The operator's result of ``dtype``."""
    if builtin == "FILL":
        return np.full([int(n) for n in inputs[0].reshape(-1)], inputs[1].reshape(-1)[0], dtype.numpy)
    if builtin == "DENSIFY":
        return inputs[0]
    if builtin == "RANGE":
        return np.arange(*(int(v.reshape(-1)[0]) for v in inputs), dtype=dtype.numpy)
    return np.asarray(_FUNCTIONS[builtin](*inputs), dtype.numpy)
