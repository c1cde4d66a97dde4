# SPDX-License-Identifier: Apache-2.0
"""Networks streamed in rows: what they take, that nothing overlaps, and that the bits stay."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ascmcu import api, passes
from ascmcu.frontends import tflite
from ascmcu.passes.drop_dead_channels import drop_dead_channels
from ascmcu.passes.swap_axes import swap_axes
from ascmcu.schedule import LAYERS, ROWS, Buffer, Plan, make_plan
from ascmcu.schedule.place import place
from tests.support import chain, outside
from tests.support.zoo_files import zoo_file

# Recipe, classes, and the most that the activations may take, in units of 1,000 bytes.
NETWORKS = {
    "mobnet": (3, 60),
    "small_fcnn": (3, 42),
    "dsmn": (10, 95),
    "bupt": (3, 70),
    "tmsic": (10, 54),
    "zhao": (10, 54),
}
THIRD_PARTY = ["mlperf_tiny_kws_int8", "mlperf_tiny_ic_resnet8_int8"]
# Above the largest sum of live bytes, of a plan's arena.
CLOSE = 1.02


@cache
def _plans(path: Path) -> dict[str, Plan]:
    compiled = api.compile_model(path, features=False)
    return {c.plan.mode: c.plan for c in api.candidates(compiled, "auto")}


def _assert_placed(buffers: tuple[Buffer, ...], size: int) -> None:
    """No two buffers share a byte at any event; all lie within ``size``, in whole words."""
    ordered = sorted(buffers, key=lambda b: b.offset)
    for index, low in enumerate(ordered):
        assert low.offset >= 0 and low.offset % 4 == 0 and low.end <= size
        for high in ordered[index + 1 :]:
            if high.offset >= low.end:
                break
            together = {(a, b) for a in low.live for b in high.live if a[0] <= b[1] and b[0] <= a[1]}
            assert not together, f"{low.name} and {high.name} at {sorted(together)[0]}"


def _assert_sound(plan: Plan) -> None:
    _assert_placed(plan.buffers, plan.arena_bytes)
    assert plan.lower_bound_bytes <= plan.arena_bytes <= CLOSE * plan.lower_bound_bytes


@pytest.mark.parametrize("recipe", NETWORKS)
def test_published_networks_fit(recipe: str) -> None:
    classes, most = NETWORKS[recipe]
    plans = _plans(zoo_file(recipe, classes))
    for plan in plans.values():
        _assert_sound(plan)
    assert plans[ROWS].arena_bytes <= most * 1000


@pytest.mark.parametrize("recipe", NETWORKS)
def test_published_networks_fit_at_full_width(recipe: str) -> None:
    """Random weights leave dead channels, which are dropped; trained ones need not."""
    classes, most = NETWORKS[recipe]
    graph = tflite.parse(zoo_file(recipe, classes).read_bytes(), recipe)
    for transform in passes.PIPELINE:
        graph = graph if transform is drop_dead_channels else transform(graph)
    plan = min((make_plan(g, ROWS) for g in (graph, swap_axes(graph))), key=lambda plan: plan.arena_bytes)
    _assert_sound(plan)
    assert plan.arena_bytes <= most * 1000


@pytest.mark.parametrize("name", THIRD_PARTY)
def test_third_party_networks_halve(name: str) -> None:
    path = outside.model(f"{name}.tflite")
    outside.require(path)
    plans = _plans(path)
    for plan in plans.values():
        _assert_sound(plan)
    assert plans[ROWS].arena_bytes <= 0.5 * plans[LAYERS].arena_bytes


# Network, input shape, options: every kind of block and of seam, at sizes that the reference kernels run in a second.
SMALL: list[tuple[str, tuple[int, ...], dict[str, Any]]] = [
    ("dscnn", (25, 10, 1), {"residual": True, "filters": [16, 16, 8], "strides": [1, 2, 1]}),
    ("mobnet", (36, 45, 6), {"alpha": 0.25}),
    ("small_fcnn", (26, 35, 6), {"widths": [6, 8, 12]}),
    ("tmsic", (12, 8, 1), {"hidden": 16}),
    ("zhao", (36, 43, 3), {"alpha": 0.25}),
    ("bupt", (75, 70, 2), {"widths": [6, 12]}),
]


@pytest.mark.parametrize(
    ("name", "shape", "options"), SMALL, ids=lambda value: value if isinstance(value, str) else ""
)
def test_rows_layers_interpreter_and_reference_agree(
    name: str, shape: tuple[int, ...], options: dict[str, Any]
) -> None:
    from ascmcu import zoo

    zoo.load_tensorflow()
    import keras

    from ascmcu.quantize import ptq

    keras.utils.set_random_seed(5)
    rng = np.random.default_rng(5)
    model = zoo.build(name, shape, 3, options)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
    chain.check(ptq.int8(model, rng.standard_normal((4, *shape), np.float32)), sets=3)


def _intervals(points: list[int]) -> tuple[tuple[int, int], ...]:
    ordered = sorted(set(points))
    pairs = list(zip(ordered[::2], ordered[1::2], strict=False)) or [(ordered[0], ordered[0])]
    return tuple(pairs)


BUFFER = st.builds(
    lambda rows, row_bytes, points: (rows, row_bytes, _intervals(points)),
    st.integers(1, 9),
    st.integers(1, 700),
    st.lists(st.integers(0, 40), min_size=1, max_size=8),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(BUFFER, min_size=1, max_size=25))
def test_no_placement_overlaps(drawn: list[tuple[int, int, tuple[tuple[int, int], ...]]]) -> None:
    buffers = [Buffer(f"b{i}", *parts) for i, parts in enumerate(drawn)]
    placed, size, bound = place(buffers, 41)
    assert [(b.name, b.live, b.size_bytes) for b in placed] == [
        (b.name, b.live, b.size_bytes) for b in buffers
    ]
    _assert_placed(placed, size)
    assert size == max(b.end for b in placed)
    live_sums = [sum(b.size_bytes for b in buffers if any(a <= e <= z for a, z in b.live)) for e in range(42)]
    assert bound == max(live_sums) <= size


def test_the_check_for_overlap_sees_one() -> None:
    twice = (Buffer("a", 1, 8, ((0, 3), (6, 9)), 0), Buffer("b", 1, 8, ((4, 6),), 4))
    with pytest.raises(AssertionError, match="a and b"):
        _assert_placed(twice, 12)
