# SPDX-License-Identifier: Apache-2.0
"""State as further inputs and outputs: carried from step to step, the network is what a caller who carries it sees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ascmcu import passes
from ascmcu.api.compiling import compile_model
from ascmcu.errors import ModelError
from ascmcu.frontends import paired_states, tflite
from ascmcu.ir.graph import Graph
from tests.support import carried, chain, outside
from tests.support.host_model import HostModel
from tests.support.tflite_builder import OperatorSpec, TensorSpec, build

RNNOISE = outside.model("rnnoise_int8_states_as_inputs.tflite")
Q = {"scales": (0.05,), "zero_point": 3}


def _model(entry: str = "prev_state", y_scale: float = 0.03, next_scale: float = 0.05) -> bytes:
    """y = x − s, s = x + s."""
    tensors = [
        TensorSpec("x", (1, 6), **Q),
        TensorSpec(entry, (1, 6), **Q),
        TensorSpec("y", (1, 6), "int8", (y_scale,), 3),
        TensorSpec("next", (1, 6), "int8", (next_scale,), 3),
    ]
    operators = [OperatorSpec("SUB", [0, 1], [2]), OperatorSpec("ADD", [0, 1], [3])]
    return build(tensors, operators, [0, 1], [2, 3])


def check(data: bytes, graph: Graph, steps: int) -> None:
    last = passes.optimize(graph)
    hosts = [HostModel(last, mode, sanitize=True) for mode in ("layers", "rows")]
    for seed in range(2):
        for host in hosts:
            host.reset()
        steps_in = list(chain.input_sets(graph, steps, np.random.default_rng(seed)))
        for x, expected in zip(steps_in, carried.answers(data, graph, steps_in), strict=True):
            for host in hosts:
                problem = chain.difference(expected, host.step(chain.shaped(last, x)[0]))
                assert problem is None, f"{host}: {problem}"


@pytest.mark.parametrize("wanted", ["prev_state:next", "1:1", "prev_state:1"])
def test_named_pair(wanted: str) -> None:
    graph = tflite.parse(_model(), "net")
    pairs = paired_states.chosen(graph, [wanted])
    assert pairs == (("prev_state", "next"),)
    check(_model(), paired_states.with_states(graph, pairs), 6)


def test_pair_is_found_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "net.tflite").write_bytes(_model())
    compiled = compile_model(tmp_path / "net.tflite")
    assert compiled.source.data_inputs == ("x",) and compiled.source.state_bytes == 6
    assert compiled.notices == ("prev_state is state: it takes what output next gave in the step before",)


@pytest.mark.parametrize("model", [_model("bias"), _model(y_scale=0.05), _model(next_scale=0.02)])
def test_nothing_is_guessed(model: bytes, tmp_path: Path) -> None:
    """An input that is not named like a state, one that two outputs would fit, and one that none fits: they stay
    inputs, and the command says how they become states."""
    (tmp_path / "net.tflite").write_bytes(model)
    compiled = compile_model(tmp_path / "net.tflite")
    assert not compiled.source.states and len(compiled.source.data_inputs) == 2
    assert len(compiled.notices) == 1 and "the network has 2 inputs: x, " in compiled.notices[0]


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (["nonsense"], "no such pair"),
        (["1:7"], "no such pair"),
        (["1:1", "0:0"], "one input must be left"),
        (["1:1", "1:1"], "of its own"),
    ],
)
def test_pairs_that_cannot_be(wanted: list[str], says: str) -> None:
    with pytest.raises(ModelError, match=says):
        paired_states.chosen(tflite.parse(_model(y_scale=0.05), "net"), wanted)


def test_pair_of_other_scales() -> None:
    with pytest.raises(ModelError, match="one type, quantization and size"):
        paired_states.chosen(tflite.parse(_model(next_scale=0.02), "net"), ["1:1"])


@outside.needs(RNNOISE)
def test_rnnoise() -> None:
    compiled = compile_model(RNNOISE)
    assert compiled.source.data_inputs == ("main_input_int8",)
    assert compiled.source.state_bytes == 24 + 48 + 96 and len(compiled.notices) == 3
    check(RNNOISE.read_bytes(), compiled.source, 50)
