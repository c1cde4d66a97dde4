# SPDX-License-Identifier: Apache-2.0
"""A network that keeps what windows share says of every window what its network of clips says of that clip."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pytest

from ascmcu import passes
from ascmcu.frontends import tflite
from ascmcu.ir import interp, text
from ascmcu.ir.graph import Graph
from ascmcu.ir.verify import verify
from ascmcu.kernels import DEFAULT_TUNING
from ascmcu.listening.sharing import shared
from ascmcu.listening.stepping import stepping, why_nothing, worth_keeping
from ascmcu.schedule import LAYERS, ROWS, make_plan
from tests.support import fuzzing, listening, outside, recipes_flat
from tests.support.host_model import HostModel

SAME, VALID = (listening.keyword_network(same=same, rows=40, bands=20, channels=8) for same in (True, False))
PUBLISHED = (
    "mlperf_tiny_kws_int8",
    "mlperf_tiny_ic_resnet8_int8",
    "tflm_person_detect_int8",
    "mlperf_tiny_sww_int8",
)


def _check(
    graph: Graph, hop_rows: int, keep: Sequence[str], *, windows: int = 3, compiled: Sequence[str] = ()
) -> None:
    step = verify(stepping(graph, hop_rows, keep), "stepping")
    count = graph.tensors[graph.inputs[0]].rows
    rows = listening.audio_rows(graph, count + (windows + 1) * hop_rows)
    runs = [interp.Steps(step), *(HostModel(step, mode, sanitize=True).step for mode in compiled)]
    seen = 0
    for new, expected in zip(
        listening.hops(rows, hop_rows), listening.clips(graph, rows, hop_rows), strict=True
    ):
        for number, run in enumerate(runs):
            found = run([new])
            if expected is not None:
                seen += 1
                for right, answer in zip(expected, found, strict=True):
                    assert np.array_equal(right, answer), f"run {number}, hop {hop_rows}"
    assert seen >= windows * len(runs)


@pytest.mark.parametrize("recipe", [SAME, VALID], ids=["same", "valid"])
@pytest.mark.parametrize("hop_rows", [1, 2, 4, 7, 10, 26, 39])
def test_every_window_equals_its_clip(recipe: recipes_flat.Recipe, hop_rows: int) -> None:
    graph = listening.graph_of(recipe)
    keep = worth_keeping(graph, hop_rows)
    for count in range(len(keep) + 1):
        _check(graph, hop_rows, keep[:count])


@pytest.mark.parametrize("recipe", [SAME, VALID], ids=["same", "valid"])
@pytest.mark.parametrize("keeps", [True, False])
def test_every_window_equals_its_clip_in_c(recipe: recipes_flat.Recipe, keeps: bool) -> None:
    graph = listening.graph_of(recipe)
    _check(graph, 4, worth_keeping(graph, 4) if keeps else (), compiled=(LAYERS, ROWS))


@pytest.mark.parametrize("name", PUBLISHED)
def test_windows_of_published_networks(name: str) -> None:
    path = outside.model(f"{name}.tflite")
    outside.require(path)
    graph = passes.optimize(tflite.parse(path.read_bytes(), name))
    if graph.states:
        pytest.skip("a network of steps")
    _check(graph, 4, worth_keeping(graph, 4), windows=1)


def test_windows_of_random_networks() -> None:
    tried = kept = 0
    for recipe in fuzzing.drawn(25, 60):
        graph = listening.graph_of(recipe)
        (name, *others) = graph.inputs
        rows = graph.tensors[name].rows
        if others or graph.states or rows < 3 or not graph.nodes:
            continue
        for hop_rows in sorted({1, 2, rows // 2}):
            keep = worth_keeping(graph, hop_rows)
            _check(graph, hop_rows, keep, windows=2)
            tried, kept = tried + 1, kept + bool(keep)
    assert tried > 40 and kept > 15


def test_a_second_at_a_hop_of_100_ms_takes_a_third_of_recomputing() -> None:
    """Issue 25: at most 35 % of the cycles, the same bits."""
    graph, hop_rows = listening.graph_of(listening.keyword_network(same=False)), 10
    keep = worth_keeping(graph, hop_rows)
    _check(graph, hop_rows, keep, windows=2)
    shares = []
    for kept in (keep, ()):
        plans = [make_plan(stepping(graph, hop_rows, kept), mode, DEFAULT_TUNING) for mode in (LAYERS, ROWS)]
        shares.append(min(plan.cycles for plan in plans))
    assert shares[0] <= 0.35 * shares[1], shares


def test_rows_at_an_edge_are_not_shared() -> None:
    graph = listening.graph_of(SAME)
    rows = shared(graph, 4)
    first = graph.nodes[0].output
    # 40 rows, ten under a window, stride 2, SAME: four rows of padding above and four below; outputs 0, 1 and 18, 19
    # reach into them. Four rows on are two rows of the output.
    assert (rows[first].shift, rows[first].first, rows[first].last) == (2, 2, 18)
    assert rows[first].kept == (2, 16)


def test_a_hop_that_a_stride_does_not_divide_ends_the_sharing() -> None:
    graph = listening.graph_of(VALID)
    assert not worth_keeping(graph, 5)
    assert stepping(graph, 5, ()).state_bytes == graph.tensors[graph.inputs[0]].size_bytes


def test_the_network_of_steps_can_be_dumped() -> None:
    graph = listening.graph_of(SAME)
    step = stepping(graph, 4, worth_keeping(graph, 4))
    assert text.dump(text.parse(text.dump(step), text.constants(step))) == text.dump(step)


@pytest.mark.parametrize(
    ("hop_rows", "told"),
    [
        (10, ""),
        (1, "because .* has stride 2, which does not divide the 1 rows of the hop; --hop 20ms shares some$"),
        (
            5,
            "because .* has stride 2, which does not divide the 5 rows of the hop; --hop 40ms or --hop 60ms shares",
        ),
        (96, "at a hop of 960ms no layer shares rows with the window before$"),
    ],
)
def test_why_nothing_is_shared(hop_rows: int, told: str) -> None:
    graph = listening.graph_of(listening.keyword_network(same=False))
    found = why_nothing(graph, hop_rows, 0.01)
    assert re.search(told, found) and bool(found) == bool(told)
    if told.endswith("shares"):
        assert all(worth_keeping(graph, rows) for rows in (4, 6))
