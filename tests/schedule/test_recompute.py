# SPDX-License-Identifier: Apache-2.0
"""Rows made a second time behind a barrier: the same bits in less RAM, chosen when storing does not fit."""

from __future__ import annotations

import numpy as np
import pytest

from ascmcu import api, passes
from ascmcu.errors import BoardError
from ascmcu.frontends import tflite
from ascmcu.ir import interp
from ascmcu.ir.graph import Graph
from ascmcu.ir.verify import verify
from ascmcu.passes.recompute import recomputations, recompute
from ascmcu.schedule import LAYERS, ROWS, make_plan, peak_bytes
from tests.support import chain, recipes_flat
from tests.support.host_model import HostModel
from tests.support.recipes import Recipe, Step

SHAPE = (1, 40, 12, 2)


def _attention() -> bytes:
    """Two convolutions widen a small input; channel attention weighs the result, and a dense layer reads its mean."""
    window = {
        "kernel": [3, 3],
        "stride": [1, 1],
        "same": True,
        "act": "relu",
        "dilation": [1, 1],
        "dead": 0,
        "groups": 1,
    }
    dense = {"units": 3, "flatten": True, "act": "none", "bias": True, "dead": 0}
    steps = (
        Step("conv", (0,), {**window, "channels": 8}),
        Step("conv", (1,), {**window, "channels": 16}),
        Step("mean", (2,), {"axes": [1, 2], "keep": True}),
        Step("logistic", (3,)),
        Step("mul", (2, 4), {"act": "none"}),
        Step("mean", (5,), {"axes": [1, 2], "keep": False}),
        Step("dense", (6,), dense),
    )
    return recipes_flat.make(Recipe(SHAPE, "int8", 5, steps))


@pytest.fixture(scope="module")
def graph() -> Graph:
    return passes.optimize(tflite.parse(_attention(), "attention"))


def test_sources_are_found_nearest_first(graph: Graph) -> None:
    found = list(recomputations(graph))
    assert [len(choice.again) for choice in found] == [1, 2]
    assert found[-1].source in graph.inputs
    assert [choice.macs(graph) for choice in found] == sorted(choice.macs(graph) for choice in found)


def _two_gates() -> Graph:
    """Two attentions behind each other, and a sum with what came in."""
    window = {
        "kernel": [3, 3],
        "stride": [1, 1],
        "same": True,
        "act": "relu",
        "dilation": [1, 1],
        "dead": 0,
        "groups": 1,
    }
    steps = (
        Step("conv", (0,), {**window, "channels": 4}),
        Step("mean", (1,), {"axes": [1, 2], "keep": True}),
        Step("logistic", (2,)),
        Step("mul", (1, 3), {"act": "none"}),
        Step("conv", (4,), {**window, "channels": 4}),
        Step("add", (5, 1), {"act": "none"}),
        Step("mean", (6,), {"axes": [1, 2], "keep": True}),
        Step("logistic", (7,)),
        Step("mul", (6, 8), {"act": "none"}),
    )  # fmt: skip
    return passes.optimize(tflite.parse(recipes_flat.make(Recipe(SHAPE, "int8", 6, steps)), "gates"))


def _makers(graph: Graph, name: str, ends: set[str]) -> set[str]:
    """The nodes that make a tensor out of ``ends``; rows that stand alone, such as a gate, are there already."""
    if name in ends or name in graph.inputs or graph.tensors[name].is_const or graph.tensors[name].rows == 1:
        return set()
    node = graph.producer(name)
    assert node is not None
    return {node.name}.union(*(_makers(graph, n, ends) for n in node.inputs if n))


def test_what_runs_again_is_what_makes_the_stored_tensor() -> None:
    """Nothing that is not needed, and no gate; any earlier tensor that all ways lead through may be the source."""
    graph = _two_gates()
    found = list(recomputations(graph))
    assert len({choice.node for choice in found}) == 2
    for choice in found:
        assert set(choice.again) == _makers(graph, choice.stored, {choice.source})
        order = [node.name for node in graph.nodes]
        assert list(choice.again) == sorted(choice.again, key=order.index) and choice.again
        assert graph.tensors[choice.gate].rows == 1 < graph.tensors[choice.stored].rows
        nodes = [node for node in graph.nodes if node.name in choice.again]
        macs = [n.op.macs(graph.input_tensors(n), graph.output_tensor(n)) for n in nodes]
        assert choice.macs(graph) == sum(macs)
        again = verify(recompute(graph, choice), "recompute")
        assert len(again.nodes) == len(graph.nodes) + len(choice.again) + 1
        for x in chain.input_sets(graph, 3, np.random.default_rng(4)):
            assert chain.difference(interp.run(graph, x), interp.run(again, x)) is None


def test_the_same_bits_in_less_ram(graph: Graph) -> None:
    stored = peak_bytes(graph, ROWS)
    inputs = list(chain.input_sets(graph, 3, np.random.default_rng(2)))
    assert recomputations(graph)
    for choice in recomputations(graph):
        again = verify(recompute(graph, choice), "recompute")
        assert again.macs == graph.macs + choice.macs(graph)
        for mode in (ROWS, LAYERS):
            model = HostModel(again, mode, sanitize=True)
            for x in inputs:
                assert chain.difference(interp.run(graph, x), model(x)) is None
        if choice.source in graph.inputs:
            assert peak_bytes(again, ROWS) < stored / 2


def test_weights_are_kept_once(graph: Graph) -> None:
    from ascmcu.codegen.model import render_model

    *_, choice = recomputations(graph)
    once, twice = (
        render_model(make_plan(g, ROWS), name="attention", sha256="0" * 64)
        for g in (graph, recompute(graph, choice))
    )
    assert twice.weights_bytes == once.weights_bytes
    assert sum(twice.layer_weights_bytes) == twice.weights_bytes


def test_chosen_when_storing_does_not_fit(tmp_path) -> None:  # type: ignore[no-untyped-def]
    model = tmp_path / "attention.tflite"
    model.write_bytes(_attention())
    stored = api.export(model, "nucleo-f446", tmp_path / "stored", schedule="rows", output="library")
    limit = stored.plan.arena_bytes - 1000
    made = api.export(model, "nucleo-f446", tmp_path / "again", output="library", max_ram_bytes=limit)
    assert made.plan.arena_bytes <= limit
    assert made.plan.graph.macs > stored.plan.graph.macs
    with pytest.raises(BoardError, match="do not fit"):
        api.export(model, "nucleo-f446", tmp_path / "never", output="library", max_ram_bytes=200)
