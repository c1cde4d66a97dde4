# SPDX-License-Identifier: Apache-2.0
"""The front of plans: each takes less RAM than the one before, fits what it was asked for, and has the same bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ascmcu import api
from ascmcu.api import fronts
from ascmcu.api.choices import Candidate, Variant
from ascmcu.api.compiling import Compiled
from ascmcu.api.sources import input_specs
from ascmcu.benchmark import pushes
from ascmcu.codegen.model import render_model
from ascmcu.errors import BoardError
from ascmcu.ir import interp
from ascmcu.ir.graph import Graph
from ascmcu.passes.strips import Part
from ascmcu.schedule import Plan, layers_of
from ascmcu.schedule.front import points
from ascmcu.schedule.plan import Buffer
from ascmcu.schedule.simulate import RowLives
from ascmcu.schedule.storage import behind
from tests.support import recipes_flat
from tests.support.recipes import Recipe, Step

SHAPE = (1, 48, 40, 3)
CONV = {
    "kernel": [3, 3], "stride": [1, 1], "same": True, "act": "relu", "dilation": [1, 1], "dead": 0, "groups": 1,
}  # fmt: skip
DENSE = {"units": 4, "flatten": False, "act": "none", "bias": True, "dead": 0}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    steps = (
        Step("conv", (0,), {**CONV, "channels": 16, "stride": [2, 2]}),
        Step("conv", (1,), {**CONV, "channels": 16}),
        Step("conv", (2,), {**CONV, "channels": 24, "stride": [2, 2]}),
        Step("conv", (3,), {**CONV, "channels": 24}),
        Step("conv", (4,), {**CONV, "channels": 32, "stride": [2, 2]}),
        Step("conv", (5,), {**CONV, "channels": 32}),
        Step("mean", (6,), {"axes": [1, 2], "keep": False}),
        Step("dense", (7,), DENSE),
    )
    path = tmp_path_factory.mktemp("front") / "net.tflite"
    path.write_bytes(recipes_flat.make(Recipe(SHAPE, "int8", 5, steps)))
    return path


@pytest.fixture(scope="module")
def compiled(model: Path) -> Compiled:
    return api.compile_model(model)


@pytest.fixture(scope="module")
def front(compiled: Compiled) -> api.Front:
    return api.front(compiled)


def test_each_plan_takes_less_ram_and_more_cycles(front: api.Front) -> None:
    ram = [c.plan.arena_bytes for c in front.plans]
    cycles = [c.plan.cycles for c in front.plans]
    assert ram == sorted(set(ram), reverse=True)
    assert cycles == sorted(set(cycles))
    assert {c.plan.mode for c in front.plans} == {"layers", "rows"} or len(front.plans) > 3
    assert any(c.variant.sweeps for c in front.plans)
    assert min(ram) < 0.6 * max(c.plan.arena_bytes for c in front.plans if c.plan.mode == "rows")
    assert "bytes" in front.decides


def test_every_plan_has_the_networks_bits(compiled: Compiled, front: api.Front) -> None:
    x = np.random.default_rng(1).integers(-128, 128, SHAPE).astype(np.int8)
    (expected,) = interp.run(compiled.source, [x])
    assert front.plans
    for candidate in front.plans:
        specs = input_specs(compiled, candidate.variant)
        data = pushes.pushed([x], specs)
        entry = candidate.plan.graph.tensors[candidate.plan.graph.inputs[0]]
        given = np.frombuffer(data, np.int8).reshape(entry.shape)
        assert np.array_equal(interp.run(candidate.plan.graph, [given])[0], expected)
        assert np.array_equal(pushes.taken(data, specs)[0], x)
        assert render_model(candidate.plan, name="net", sha256="0" * 64).files


@pytest.mark.parametrize(
    ("name", "strips", "expected"),
    [
        ("as-is", (), "rows"),
        ("as-is-recompute", (), "rows, rows computed twice"),
        ("swap-axes-parts", (1,), "rows, whole, axes swapped"),
        ("as-is-parts", (3,), "rows, 1 part in 3 strips (3)"),
        ("transpose-input-parts", (2, 1, 1), "rows, 3 parts in 4 strips (2+1+1), input transposed"),
    ],
)
def test_labels_tell_plans_apart(name: str, strips: tuple[int, ...], expected: str) -> None:
    plan = _plan(Buffer("a", 1, 4, ((0, 0),), 0))
    parts = tuple(Part("a", "b", number) for number in strips)
    assert Candidate(Variant(name, plan.graph, (0,), parts), plan).label == expected


def test_a_label_says_where_columns_are_kept() -> None:
    plan = _plan(Buffer("a", 1, 4, ((0, 0),), 0))
    parts = (Part("a", "b", 2, kept=("c",)), Part("b", "d"))
    label = Candidate(Variant("swap-axes-parts", plan.graph, (0,), parts), plan).label
    assert label == "rows, 2 parts in 3 strips (2+1), columns kept, axes swapped"


def _plan(*buffers: Buffer) -> Plan:
    events = max(b.live[-1][1] for b in buffers) + 1
    top = max(b.end for b in buffers)
    return Plan(Graph("net", {}, (), (), ()), "rows", (), buffers, {}, top, top, events, ())


@pytest.mark.parametrize(
    ("buffers", "expected"),
    [
        # Few bytes may lie at the arena's end, at another time.
        (
            (Buffer("in", 1, 8, ((0, 0),), 92), Buffer("a/conv/Relu#scratch", 1, 60, ((1, 1),), 0),
             Buffer("b", 1, 40, ((1, 2),), 60)),
            "scratch of 'conv' (60 bytes) and 'b' (40 bytes)",
        ),
        # One that rolls over another takes no bytes of its own.
        (
            (Buffer("a", 1, 48, ((0, 0),), 0), Buffer("b", 1, 48, ((0, 0),), 4),
             Buffer("c", 1, 40, ((1, 1),), 0), Buffer("d", 1, 36, ((1, 1),), 40)),
            "'c' (40 bytes) and 'd' (36 bytes)",
        ),
    ],
)  # fmt: skip
def test_what_decides_lies_where_most_bytes_are_used(buffers: tuple[Buffer, ...], expected: str) -> None:
    assert fronts.decides(_plan(*buffers)) == expected


def test_a_limit_is_kept_and_used(compiled: Compiled, front: api.Front) -> None:
    limit = (front.least.plan.arena_bytes + front.plans[1].plan.arena_bytes) // 2
    found = fronts.within(compiled, limit)
    assert found
    assert all(c.plan.arena_bytes <= limit for c in found)
    assert [c.plan.cycles for c in found] == sorted(c.plan.cycles for c in found)


def test_export_takes_what_fits_and_says_what_decides(model: Path, front: api.Front, tmp_path: Path) -> None:
    least = front.least.plan.arena_bytes
    limit = least + least // 8
    done = api.export(model, "nucleo-f446", tmp_path / "out", output="library", max_ram_bytes=limit)
    assert done.plan.arena_bytes <= limit
    (entry,) = done.manifest.inputs
    assert entry.sweeps
    header = (tmp_path / "out" / "model.h").read_text()
    assert f"MODEL_INPUT_SWEEP_COLUMNS {entry.sweep_columns}" in header
    readme = (tmp_path / "out" / "README.md").read_text()
    rows, sweeps = entry.rows // len(entry.sweeps), len(entry.sweeps)
    assert (
        f"Push the {rows} rows of the input {sweeps} times, which are\n{entry.rows} pushes in all." in readme
    )
    assert f"my_rows[row % {rows}U][first_column[sweep]]" in readme
    assert f" in {len(done.plan.running)} layers," in readme
    assert f"#define MODEL_LAYERS {len(done.plan.running)}\n" in header
    parts = {name: size for name, size in done.manifest.ram_bytes.items() if name != "total"}
    assert sum(parts.values()) == done.manifest.ram_bytes["total"]
    with pytest.raises(BoardError, match="at the peak lie") as caught:
        api.export(model, "nucleo-f446", tmp_path / "none", output="library", max_ram_bytes=least // 3)
    assert "bytes at least" in str(caught.value)
    assert not (tmp_path / "none").exists()


def test_a_front_end_pushes_rows_once(compiled: Compiled) -> None:
    """The first part then runs in one strip."""
    layers = layers_of(compiled.graph)
    for sweeps in (True, False):
        found = points(compiled.graph, layers, sweeps=sweeps)
        assert found
        assert any(p.parts[0].strips > 1 for p in found) == sweeps


@pytest.mark.parametrize(
    ("made", "read", "expected"),
    [
        ([5, 6, 7], [5, 6, 7], 8),  # row by row: as far behind as a row
        ([5, 6, 7], [6, 7, 7], 16),  # a window reads one row on
        ([5, 6, 7], [4, 5, 6], 0),  # every row is read before it is written over
        ([5, 6, 7], [7, 7, 7], 24),  # all are read to the end: beside each other
        ([8, 9, 10], [5, 6, 7], 0),  # all are read before
    ],
)
def test_how_far_a_tensor_lies_behind(made: list[int], read: list[int], expected: int) -> None:
    lives = [RowLives(np.array(m), np.array(r)) for m, r in ((made, [20] * 3), ([0] * 3, read))]
    assert behind(*lives, 8, 8) == expected
