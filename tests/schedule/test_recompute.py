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
