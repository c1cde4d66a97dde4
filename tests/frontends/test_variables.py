# SPDX-License-Identifier: Apache-2.0
"""Networks with variables: what a step leaves the next one finds, on every link of the chain, clip after clip."""

from __future__ import annotations

import numpy as np
import pytest

from ascmcu.errors import ModelError
from ascmcu.frontends import tflite
from tests.support import chain, outside
from tests.support.step_models import Q, ring, sums
from tests.support.tflite_builder import OperatorSpec, TensorSpec, VariableSpec, build


@pytest.mark.parametrize(
    "initial", [np.full((1, 3, 1, 4), -128, np.int8), np.arange(12, dtype=np.int8).reshape(1, 3, 1, 4)]
)
def test_ring_of_rows(initial: np.ndarray) -> None:
    chain.check_steps(ring(initial))


@pytest.mark.parametrize("shape", [(1, 8), (1, 5, 2, 3)])
def test_running_sum(shape: tuple[int, ...]) -> None:
    chain.check_steps(sums(shape, 9))


def test_swapped_variables() -> None:
    """Each takes the other's value: neither may be overwritten before it is read."""
    tensors = [TensorSpec(name, (1, 6), **Q) for name in ("x", "a", "b", "a2", "b2", "y")]
    operators = [
        OperatorSpec("ADD", [2, 0], [3]),
        OperatorSpec("MAXIMUM", [1, 0], [4]),
        OperatorSpec("ADD", [1, 2], [5]),
    ]
    variables = [
        VariableSpec("a", 1, 3, np.zeros((1, 6), np.int8)),
        VariableSpec("b", 2, 4, np.full((1, 6), 5, np.int8)),
    ]
    chain.check_steps(build(tensors, operators, [0], [5], variables))


@pytest.mark.parametrize("assigned", [0, 2], ids=["the input", "another variable's old value"])
def test_variable_takes_what_is_not_computed(assigned: int) -> None:
    tensors = [TensorSpec(name, (1, 6), **Q) for name in ("x", "last", "before", "y")]
    variables = [
        VariableSpec("last", 1, assigned, np.zeros((1, 6), np.int8)),
        VariableSpec("before", 2, 1, np.full((1, 6), 5, np.int8)),
    ]
    operators = [OperatorSpec("ADD", [1, 2], [3]), OperatorSpec("ADD", [0, 0], [0])][:1]
    chain.check_steps(build(tensors, operators, [0], [3], variables))


def test_state_that_is_an_output_too() -> None:
    tensors = [TensorSpec(name, (1, 6), **Q) for name in ("x", "s", "sum")]
    variables = [VariableSpec("s", 1, 2, np.zeros((1, 6), np.int8))]
    chain.check_steps(build(tensors, [OperatorSpec("ADD", [1, 0], [2])], [0], [2], variables))


def test_variable_that_is_never_assigned_is_a_constant() -> None:
    tensors = [TensorSpec(name, (1, 6), **Q) for name in ("x", "bias", "y")]
    variables = [VariableSpec("bias", 1, 1, np.arange(6, dtype=np.int8).reshape(1, 6))]
    data = build(tensors, [OperatorSpec("ADD", [1, 0], [2])], [0], [2], variables)
    graph = tflite.parse(data, "net")
    assert len(graph.inputs) == 1 and not graph.states
    chain.check(data)


def test_initial_value_of_another_size() -> None:
    with pytest.raises(ModelError, match="the tensor's size"):
        tflite.parse(ring(np.zeros((1, 2, 1, 4), np.int8)), "net")


@pytest.mark.parametrize(("name", "state_bytes"), [("vad", 1120), ("okay_nabu", 3472)])
def test_micro_wake_word(name: str, state_bytes: int) -> None:
    path = outside.model(f"microwakeword_v2_{name}.tflite")
    outside.require(path)
    data = path.read_bytes()
    assert tflite.parse(data, name).state_bytes == state_bytes
    chain.check_steps(data, clips=2, steps=50)
