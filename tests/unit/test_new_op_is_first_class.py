# SPDX-License-Identifier: Apache-2.0
"""An op that no pass has heard of is served by all of them: what they need to know is asked of the op."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from ascmcu.ir import interp
from ascmcu.ir.graph import Graph, Node
from ascmcu.ir.op import Inputs, present
from ascmcu.ir.types import Array, DType, Quantization, Tensor
from ascmcu.ir.verify import verify
from ascmcu.kernels import Lowered
from ascmcu.ops._broadcast import Broadcasting
from ascmcu.ops.lookup import Lookup, every_byte
from ascmcu.ops.transpose import Transpose
from ascmcu.passes.fuse_activations import fuse_activations
from ascmcu.passes.sink_transposes import sink_transposes
from ascmcu.passes.unary_to_lookup import unary_to_lookup
from ascmcu.schedule.plan import Layer
from ascmcu.schedule.simulate import simulate
from ascmcu.schedule.storage import share

QUANT = Quantization((0.5,), (3,))


@dataclass(frozen=True)
class Distance(Broadcasting):
    """|a - b|, clamped."""

    KIND = "distance"
    clamp: tuple[int, int]

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        a, b = (x.astype(np.int64) for x in present(arrays))
        return np.clip(np.abs(a - b), *self.clamp).astype(np.int8)


def _tensor(name: str, shape: tuple[int, ...], data: Array | None = None) -> Tensor:
    return Tensor(name, shape, DType.INT8, QUANT, data)


def _graph(tensors: Sequence[Tensor], nodes: Sequence[Node]) -> Graph:
    return verify(
        Graph("g", {t.name: t for t in tensors}, tuple(nodes), ("x",), (nodes[-1].output,)), "before"
    )


def _same(before: Graph, after: Graph) -> None:
    rng = np.random.default_rng(1)
    for _ in range(5):
        x = rng.integers(-128, 128, before.tensors["x"].shape).astype(np.int8)
        (expected,), (found,) = interp.run(before, [x]), interp.run(verify(after, "after"), [x])
        assert np.array_equal(expected, found)


@pytest.fixture
def constant() -> Array:
    return np.arange(-60, 60, dtype=np.int8).reshape(1, 5, 6, 4)


def test_transposes_sink_behind_it(constant: Array) -> None:
    tensors = [_tensor("x", (1, 6, 4, 5)), _tensor("t", (1, 5, 6, 4)), _tensor("c", constant.shape, constant)]
    nodes = [
        Node("t", Transpose((0, 3, 1, 2)), ("x",), "t"),
        Node("y", Distance((-128, 127)), ("t", "c"), "y"),
    ]
    before = _graph([*tensors, _tensor("y", (1, 5, 6, 4))], nodes)
    after = sink_transposes(before)
    assert [node.op.kind() for node in after.nodes] == ["distance", "transpose"]
    _same(before, after)


def test_a_clamp_behind_it_becomes_its_own(constant: Array) -> None:
    table = np.clip(every_byte(DType.INT8), 10, 90).astype(np.int8)
    tensors = [_tensor(name, constant.shape) for name in "xyz"]
    nodes = [Node("y", Distance((-128, 60)), ("x", "c"), "y"), Node("z", Lookup(), ("y", "table"), "z")]
    constants = [_tensor("c", constant.shape, constant), Tensor("table", (256,), DType.INT8, QUANT, table)]
    before = _graph([*tensors, *constants], nodes)
    after = fuse_activations(before)
    assert [node.op for node in after.nodes] == [Distance((10, 60))]
    _same(before, after)


def test_with_one_constant_value_it_becomes_a_table() -> None:
    tensors = [
        _tensor("x", (1, 5, 6, 4)),
        _tensor("c", (1,), np.array([7], np.int8)),
        _tensor("y", (1, 5, 6, 4)),
    ]
    before = _graph(tensors, [Node("y", Distance((0, 100)), ("x", "c"), "y")])
    after = unary_to_lookup(before)
    assert [node.op.kind() for node in after.nodes] == ["lookup"]
    _same(before, after)


def test_it_works_in_place() -> None:
    """In the bytes of an operand that nobody reads any more, which the network's input is not."""
    tensors = [_tensor(name, (1, 5, 6, 4)) for name in "xyz"]
    nodes = [
        Node("y", Distance((-128, 127)), ("x", "x"), "y"),
        Node("z", Distance((-128, 127)), ("y", "x"), "z"),
    ]
    graph = _graph(tensors, nodes)
    layers = [
        Layer(i, n, n.op.row_rule(graph.input_tensors(n), graph.output_tensor(n)), Lowered(None))
        for i, n in enumerate(nodes)
    ]
    assert share(graph, layers, simulate(graph, layers, "rows")) == {"x": "x", "y": "y", "z": "y"}
