# SPDX-License-Identifier: Apache-2.0
"""What an operator's import must refuse, to the last index, and what float functions compute."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from ascmcu.errors import ModelError
from ascmcu.frontends import tflite
from ascmcu.ir import interp
from ascmcu.ir.graph import Graph
from ascmcu.ops.float_unary import _FUNCTIONS
from ascmcu.ops.gather import _progressions
from tests.support.tflite_builder import OperatorSpec, TensorSpec, build

Q = {"scales": (0.1,), "zero_point": 3}


def _parsed(operator: str, tensors: list[TensorSpec], **options: Any) -> Graph:
    """A network of one operator: the last tensor is its output, the first its input."""
    inputs = list(range(len(tensors) - 1))
    model = build(
        tensors, [OperatorSpec(operator, inputs, [len(tensors) - 1], options)], [0], [len(tensors) - 1]
    )
    return tflite.parse(model, "net")


@pytest.mark.parametrize(
    ("indices", "axis", "right"),
    [
        ([0, 2], 1, True), ([2, 2], 1, True), ([3, 0], 1, False), ([-1, 0], 1, False), ([0, 1], -1, True),
        ([3, 0], -1, True), ([4, 0], -1, False), ([0, 0], 3, False), ([0, 0], -4, False),
    ],
)  # fmt: skip
def test_gather_takes_indices_below_the_extent(indices: list[int], axis: int, right: bool) -> None:
    shape = [1, 3, 4]
    to = list(shape)
    to[axis if -3 <= axis < 3 else 1] = 2
    tensors = [
        TensorSpec("x", tuple(shape), **Q),
        TensorSpec("at", (2,), "int32", data=np.array(indices, np.int32)),
        TensorSpec("y", tuple(to), **Q),
    ]
    if not right:
        with pytest.raises(ModelError, match="out of range"):
            _parsed("GATHER", tensors, axis=axis, batchDims=0)
        return
    x = np.arange(12, dtype=np.int8).reshape(shape)
    (found,) = interp.run(_parsed("GATHER", tensors, axis=axis, batchDims=0), [x])
    assert np.array_equal(found, np.take(x, indices, axis=axis))


@pytest.mark.parametrize(
    ("beta", "right"), [(0.0, False), (-1.0, False), (1e6, False), (0.5, True), (2.0, True)]
)
def test_softmax_s_beta_is_positive(beta: float, right: bool) -> None:
    tensors = [
        TensorSpec("x", (1, 6), **Q),
        TensorSpec("y", (1, 6), scales=(1 / 256,), zero_point=-128),
    ]
    if right:
        assert [node.op.kind() for node in _parsed("SOFTMAX", tensors, beta=beta).nodes] == ["softmax"]
        return
    with pytest.raises(ModelError, match="beta"):
        _parsed("SOFTMAX", tensors, beta=beta)


@pytest.mark.parametrize(("axis", "right"), [(1, True), (2, True), (3, False), (-1, True)])
def test_concatenation_is_along_an_axis_that_is_there(axis: int, right: bool) -> None:
    to = [1, 3, 4]
    to[axis if axis < 3 else 2] *= 2
    tensors = [TensorSpec("x", (1, 3, 4), **Q), TensorSpec("y", tuple(to), **Q)]
    model = build(
        tensors, [OperatorSpec("CONCATENATION", [0, 0], [1], {"axis": axis, "fusedActivationFunction": 0})], [0], [1]
    )  # fmt: skip
    if right:
        assert [node.op.kind() for node in tflite.parse(model, "net").nodes] == ["concatenation"]
        return
    with pytest.raises(ModelError):
        tflite.parse(model, "net")


@pytest.mark.parametrize("operator", ["MAX_POOL_2D", "AVERAGE_POOL_2D"])
@pytest.mark.parametrize("shape", [(1, 4), (1, 4, 4)])
def test_windows_slide_over_maps(operator: str, shape: tuple[int, ...]) -> None:
    window = {"filterHeight": 2, "filterWidth": 2, "strideH": 1, "strideW": 1, "padding": 0}
    with pytest.raises(ModelError):
        _parsed(operator, [TensorSpec("x", shape, **Q), TensorSpec("y", shape, **Q)], **window)


def test_dense_weights_are_a_matrix() -> None:
    weights = TensorSpec("w", (2, 2, 2), scales=(0.1,), data=np.ones((2, 2, 2), np.int8))
    with pytest.raises(ModelError):
        _parsed("FULLY_CONNECTED", [TensorSpec("x", (1, 4), **Q), weights, TensorSpec("y", (1, 2), **Q)])


VALUES = [
    -1e4,
    -7.0,
    -3.5,
    -3.0,
    -1.5,
    -1.0,
    -0.25,
    -0.0,
    0.0,
    0.25,
    1.0,
    1.5,
    3.0,
    3.5,
    5.5,
    6.0,
    6.5,
    7.0,
    1e4,
]
EXPECTED = {
    "relu": lambda x: max(x, 0.0),
    "relu6": lambda x: min(max(x, 0.0), 6.0),
    "relu_0_to_1": lambda x: min(max(x, 0.0), 1.0),
    "relu_n1_to_1": lambda x: min(max(x, -1.0), 1.0),
    "logistic": lambda x: 1 / (1 + np.exp(-x)) if x > -700 else 0.0,
    "tanh": np.tanh,
    "hard_swish": lambda x: x * min(max(x + 3, 0.0), 6.0) / 6,
    "leaky_relu": lambda x: x if x >= 0 else 0.3 * x,
    "abs": abs,
    "neg": lambda x: -x,
    "square": lambda x: x * x,
    "sqrt": lambda x: math.sqrt(x) if x >= 0 else math.nan,
    "rsqrt": lambda x: 1 / math.sqrt(x) if x > 0 else math.copysign(math.inf, x) if x == 0 else math.nan,
    "exp": lambda x: math.exp(x) if x < 88 else math.inf,
    "log": lambda x: math.log(x) if x > 0 else -math.inf if x == 0 else math.nan,
    "floor": math.floor,
    "ceil": math.ceil,
    "round": round,  # ties to even, as TFLite's
    "sign": lambda x: (x > 0) - (x < 0),
    "sin": math.sin,
    "cos": math.cos,
    "elu": lambda x: x if x >= 0 else math.expm1(x),
    "gelu": lambda x: 0.5 * x * math.erfc(-x / math.sqrt(2)),
}
# 1 + erf(x) of a large negative x is a difference of nearly equal numbers.
ABSOLUTE = {"gelu": 2e-6}


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_float_functions(name: str) -> None:
    """Element by element, at and around every corner."""
    assert set(EXPECTED) == set(_FUNCTIONS)
    alpha = {"alpha": 0.3} if name == "leaky_relu" else {}
    tensors = [TensorSpec("x", (1, len(VALUES)), "float32"), TensorSpec("y", (1, len(VALUES)), "float32")]
    graph = _parsed(name.upper(), tensors, **alpha)
    with np.errstate(all="ignore"):
        (found,) = interp.run(graph, [np.array([VALUES], np.float32)])
    expected = [EXPECTED[name](value) for value in VALUES]
    assert found[0] == pytest.approx(expected, rel=1e-6, abs=ABSOLUTE.get(name, 1e-12), nan_ok=True)


@pytest.mark.parametrize(
    ("indices", "runs"),
    [
        ([0, 2, 4, 5, 6], 2), ([3], 1), ([2, 2, 2], 3), ([4, 3, 2, 2], 2), ([0, 5, 10, 1], 2), ([1, 3, 5, 7, 6, 5], 2),
        ([7, 0], 1), ([0, 1, 2, 3], 1), ([5, 5, 6, 7], 2),
    ],
)  # fmt: skip
def test_indices_are_taken_apart_into_few_slices(indices: list[int], runs: int) -> None:
    found = _progressions(indices)
    assert [begin + n * step for begin, step, count in found for n in range(count)] == indices
    assert len(found) == runs and all(step != 0 and count > 0 for _, step, count in found)
