# SPDX-License-Identifier: Apache-2.0
"""A wide convolution in groups of its channels: the same bits, in less RAM."""

from __future__ import annotations

import numpy as np
import pytest

from ascmcu import passes
from ascmcu.frontends import tflite
from ascmcu.ir import interp
from ascmcu.ir.graph import Graph
from ascmcu.ir.verify import verify
from ascmcu.passes.channel_groups import channel_groups, wide
from ascmcu.schedule import ROWS, peak_bytes
from tests.support import recipes_flat
from tests.support.host_model import HostModel
from tests.support.recipes import Recipe, Step

SHAPE = (1, 6, 5, 12)
CONV = {"stride": [1, 1], "same": True, "act": "relu6", "dilation": [1, 1], "dead": 0, "groups": 1}
DENSE = {"units": 4, "flatten": False, "act": "none", "bias": True, "dead": 0}


def _graph(channels: int, kernel: int = 1, *, keep: bool = False) -> Graph:
    steps = (
        Step("conv", (0,), {**CONV, "channels": 16, "kernel": [3, 3]}),
        Step("conv", (1,), {**CONV, "channels": channels, "kernel": [kernel, kernel]}),
        Step("mean", (2,), {"axes": [1, 2], "keep": keep}),
        Step("dense", (3,), {**DENSE, "flatten": keep}),
    )
    return passes.optimize(tflite.parse(recipes_flat.make(Recipe(SHAPE, "int8", 7, steps)), "wide"))


@pytest.mark.parametrize("groups", [2, 3, 8])
@pytest.mark.parametrize("keep", [False, True])
def test_groups_give_the_same_bits(groups: int, keep: bool) -> None:
    graph = _graph(500, keep=keep)
    made = verify(channel_groups(graph, wide(graph), groups), "channel-groups")
    assert sum(node.op.kind() == "mean" for node in made.nodes) == groups
    assert peak_bytes(made, ROWS) < peak_bytes(graph, ROWS)
    assert made.macs == graph.macs
    host = HostModel(made, ROWS, sanitize=True)
    rng = np.random.default_rng(groups)
    for x in (np.full(SHAPE, 127, np.int8), *rng.integers(-128, 128, (3, *SHAPE)).astype(np.int8)):
        (expected,) = interp.run(graph, [x])
        assert np.array_equal(interp.run(made, [x])[0], expected)
        assert np.array_equal(host(x)[0].reshape(expected.shape), expected)


@pytest.mark.parametrize(
    "graph", [_graph(16), _graph(500, 3)], ids=["a row of few bytes", "windows, which would wait twice"]
)
def test_other_convolutions_stay_as_they_are(graph: Graph) -> None:
    assert not wide(graph)
