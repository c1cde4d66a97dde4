# SPDX-License-Identifier: Apache-2.0
"""Every invariant of the IR is one that can break: a graph that breaks it is refused, and the pass is named."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from ascmcu.errors import AscmcuError, ModelError, VerifyError
from ascmcu.frontends import tflite
from ascmcu.ir.graph import Graph, Node
from ascmcu.ir.verify import verify
from tests.cli.conftest import dense

Break = Callable[[Graph], Graph]


@pytest.fixture
def graph() -> Graph:
    return tflite.parse(dense(6, 3), "small")


def _with_tensor(graph: Graph, which: str, **changes: object) -> Graph:
    tensors = dict(graph.tensors)
    tensors[which] = dataclasses.replace(tensors[which], **changes)  # type: ignore[arg-type]
    return dataclasses.replace(graph, tensors=tensors)


def _again(graph: Graph) -> Graph:
    node: Node = graph.nodes[0]
    return dataclasses.replace(graph, nodes=(*graph.nodes, dataclasses.replace(node, name="again")))


BROKEN: dict[str, tuple[type[AscmcuError], str, Break]] = {
    "another name": (VerifyError, "stored under another name", lambda g: _with_tensor(g, "x", name="z")),
    "another shape of the data": (
        VerifyError, "constant data does not match",
        lambda g: _with_tensor(g, "weights", data=np.zeros((3, 7), np.int8)),
    ),
    "another type of the data": (
        VerifyError, "constant data does not match",
        lambda g: _with_tensor(g, "weights", data=np.zeros((3, 6), np.int16)),
    ),
    "an input from nowhere": (
        VerifyError, "used before it is computed", lambda g: dataclasses.replace(g, inputs=())
    ),
    "two writers": (VerifyError, "written twice", _again),
    "an output from nowhere": (
        VerifyError, "never computed", lambda g: dataclasses.replace(g, nodes=())
    ),
    "an output of another shape": (
        ModelError, "shape or type that the operator computes", lambda g: _with_tensor(g, "y", shape=(1, 4))
    ),
    "inputs that do not go together": (
        ModelError, "does not fit the weights", lambda g: _with_tensor(g, "x", shape=(1, 5))
    ),
}  # fmt: skip


def test_a_sound_graph_comes_back(graph: Graph) -> None:
    assert verify(graph, "import") is graph


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_refused(name: str, graph: Graph) -> None:
    kind, message, broken = BROKEN[name]
    with pytest.raises(kind, match=message) as refused:
        verify(broken(graph), "some-pass")
    assert (refused.value.where or "").startswith("some-pass")
