# SPDX-License-Identifier: Apache-2.0
"""The front's search finds what trying all sequences of parts finds; what it estimates is near what the plans take."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ascmcu import passes
from ascmcu.frontends import tflite
from ascmcu.ir import text
from ascmcu.ir.graph import Graph
from ascmcu.kernels import DEFAULT_TUNING
from ascmcu.passes.drop_identities import drop_identities
from ascmcu.passes.strips import Part, Strip, cuts, in_parts
from ascmcu.schedule import ROWS, front, layers_of, make_plan
from ascmcu.schedule.front import Point, _Costs, _ends, pareto, points
from ascmcu.schedule.simulate import simulate
from ascmcu.schedule.storage import buffers, rolls, share
from tests.support import recipes_flat
from tests.support.recipes import Recipe, Step

CONV = {
    "kernel": [3, 3], "stride": [1, 1], "same": True, "act": "relu", "dilation": [1, 1], "dead": 0, "groups": 1,
}  # fmt: skip
TUNING = dataclasses.replace(DEFAULT_TUNING, scratch_bytes=1024)
# Channels and strides of convolutions one behind the other, on a map of 24 by 20.
NETWORKS = {
    "wide at the front": ((8, 1), (8, 1), (8, 2), (16, 2), (8, 1)),
    "narrow between": ((12, 1), (2, 1), (12, 1), (2, 2), (12, 1)),
    "of one width": ((4, 1), (4, 1), (4, 1), (4, 1)),
    "narrower and narrower": ((12, 2), (10, 1), (8, 1), (6, 1), (4, 1)),
}


def _graph(name: str, *, dense: bool = True) -> Graph:
    steps = [
        Step("conv", (n,), {**CONV, "channels": channels, "stride": [stride, stride]})
        for n, (channels, stride) in enumerate(NETWORKS[name])
    ]
    if dense:
        steps.append(Step("mean", (len(steps),), {"axes": [1, 2], "keep": False}))
    data = recipes_flat.make(Recipe((1, 24, 20, 3), "int8", 5, tuple(steps)))
    return passes.optimize(tflite.parse(data, name))


def _better(a: Point, b: Point) -> bool:
    return (
        a.cycles <= b.cycles
        and a.ram_bytes <= b.ram_bytes
        and (a.cycles, a.ram_bytes) != (b.cycles, b.ram_bytes)
    )


def test_a_front_is_without_what_is_beaten() -> None:
    rng = np.random.default_rng(3)
    for _ in range(60):
        parts = [tuple(Part("a", "b") for _ in range(int(rng.integers(1, 4)))) for _ in range(12)]
        found = [Point(p, int(rng.integers(1, 9)), float(rng.integers(1, 9))) for p in parts]
        kept = pareto(found)
        expected = {(p.cycles, p.ram_bytes) for p in found if not any(_better(other, p) for other in found)}
        assert [(p.cycles, p.ram_bytes) for p in kept] == sorted(expected)
        for point in kept:  # of equals the one with the fewest parts
            alike = [p for p in found if (p.cycles, p.ram_bytes) == (point.cycles, point.ram_bytes)]
            assert len(point.parts) == min(len(p.parts) for p in alike)


def _sequences(ends: list[str]) -> Iterator[tuple[tuple[str, str], ...]]:
    inner = ends[1:-1]
    for count in range(len(inner) + 1):
        for taken in itertools.combinations(inner, count):
            yield tuple(itertools.pairwise((ends[0], *taken, ends[-1])))


@pytest.mark.parametrize("sweeps", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_front_is_that_of_all_sequences_of_parts(name: str, sweeps: bool) -> None:
    """A part that is pushed may have strips where the caller sweeps; one that ends in the output has none."""
    graph = _graph(name)
    layers = layers_of(graph, TUNING)
    costs, ends = _Costs(graph, layers), _ends(graph)
    single = costs.singles(ends)
    assert set(single) == set(itertools.combinations(ends, 2))
    enough = costs.least_bytes(single)
    every = []
    for sequence in _sequences(ends):
        choices = [
            costs.of(single[part], enough, in_strips=part[1] != ends[-1] and (sweeps or part[0] != ends[0]))
            for part in sequence
        ]
        for chosen in itertools.product(*choices):
            parts = tuple(part for point in chosen for part in point.parts)
            every.append(Point(parts, max(p.ram_bytes for p in chosen), sum(p.cycles for p in chosen)))
    found = points(graph, layers, sweeps=sweeps)
    assert [p.ram_bytes for p in found] == [p.ram_bytes for p in pareto(every)]
    assert [p.cycles for p in found] == pytest.approx([p.cycles for p in pareto(every)])
    assert enough <= min(p.ram_bytes for p in every)


@pytest.mark.parametrize("name", NETWORKS)
def test_parts_end_where_maps_are_no_larger_than_those_beside_them(name: str) -> None:
    graph = _graph(name)
    maps = [n for n in cuts(graph) if len(graph.tensors[n].shape) == 4]
    sizes = [graph.tensors[n].size_bytes for n in maps]
    inner = []
    for i, (map_, size) in enumerate(zip(maps, sizes, strict=True)):
        beside = [sizes[j] for j in (i - 1, i + 1) if 0 <= j < len(sizes)]
        if i > 0 and size <= min(beside) and map_ not in graph.outputs:
            inner.append(map_)
    assert _ends(graph) == [graph.inputs[0], *inner, graph.outputs[0]]
    assert inner


@pytest.mark.parametrize("name", NETWORKS)
def test_estimates_are_near_what_plans_take(name: str) -> None:
    """Plans are made of the parts that look best: RAM that was never promised too low, and cycles within a fifth or
    so, since strips have other kernels than whole layers."""
    graph = _graph(name)
    found = points(graph, layers_of(graph, TUNING), sweeps=True)
    assert found
    for point in found:
        cut = drop_identities(in_parts(graph, point.parts)[0])
        plan = make_plan(cut, ROWS, TUNING, room_bytes=0)
        assert 0.95 <= point.ram_bytes / plan.arena_bytes <= 2.0, point
        assert 0.75 <= point.cycles / plan.cycles <= 1.2, point


def test_the_page_names_the_numbers_of_strips() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "tiles.md").read_text()
    *most, last = front._STRIPS
    assert f"in {', '.join(map(str, most))} or {last} strips" in " ".join(page.split())


TWO_INPUTS = """graph "two"
input %x : i8[1,6,4,2] q(0.05 : 3) t0
input %z : i8[1,6,4,2] q(0.05 : 3) t1
%a = add(%x, %z) {clamp=(-128, 127)} : i8[1,6,4,2] q(0.1 : -4) ; a 0
%b = mul(%a, %x) {clamp=(-128, 127)} : i8[1,6,4,2] q(0.1 : -4) ; b 1
output %b
"""


def test_only_networks_of_one_input_and_one_output_are_cut() -> None:
    two = text.parse(TWO_INPUTS)
    several = text.parse(TWO_INPUTS.replace("output %b", "output %b\noutput %a").replace("%z", "%x", 0))
    one = text.parse(TWO_INPUTS.replace("input %z : i8[1,6,4,2] q(0.05 : 3) t1\n", "").replace("%z", "%x"))
    outputs = text.parse(text.dump(one) + "output %a\n")
    assert points(one, layers_of(one, TUNING), sweeps=True)
    for graph in (two, several, outputs):
        assert points(graph, layers_of(graph, TUNING), sweeps=True) == []


def test_a_strip_costs_its_part_of_each_layer_and_the_copies_at_its_ends() -> None:
    """A part of one layer in two strips, on maps of as many rows as columns times two, and of more channels."""
    graph = _graph("of one width")
    layers = layers_of(graph, TUNING)
    costs = _Costs(graph, layers)
    source, target = graph.nodes[0].output, graph.nodes[1].output
    strips = [Strip(graph, Part(source, target, 2), graph.nodes[1:2], n, None) for n in range(2)]
    (layer,) = (x for x in layers if x.node.output == target)
    x, y = graph.tensors[source], graph.tensors[target]
    assert len(strips) == 2
    for strip in strips:
        read, made = strip.columns_of(source), strip.columns_of(target)
        assert made == y.shape[2] // 2 and read == made + 1
        copied = x.shape[1] * read * x.shape[3] + y.shape[1] * made * y.shape[3]
        steps = 3 * y.shape[1]
        expected = layer.lowered.cycles / 2 + front._COPY_CYCLES * copied + front._STEP_CYCLES * steps
        assert costs._strip_cycles(strip) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["narrow between", "of one width"])
def test_held_maps_roll_where_one_is_read_while_the_other_is_made(name: str) -> None:
    """Every pair of whole held maps, by the events of their rows: rows that are read late keep their bytes."""
    graph = _graph(name)
    ends = _ends(graph)
    cut = drop_identities(in_parts(graph, tuple(Part(*pair) for pair in itertools.pairwise(ends)))[0])
    layers = layers_of(cut, TUNING)
    trace = simulate(cut, layers, ROWS)
    storage = share(cut, layers, trace)
    found = rolls(cut, storage, buffers(cut, layers, storage, trace), trace)
    held = [node.output for node in cut.nodes if node.op.kind() == "hold"]
    assert len(held) > 1
    expected = {}
    for made, read in itertools.permutations({storage[h] for h in held}, 2):
        rows = {}
        for owner in (made, read):
            of = [trace.rows[n] for n, o in storage.items() if o == owner]
            rows[owner] = (
                [min(r) for r in zip(*(x.made for x in of), strict=True)],
                [max(r) for r in zip(*(x.read for x in of), strict=True)],
            )
        begun, ended = rows[made][0], rows[read][1]
        if not max(rows[read][0]) < min(begun) <= max(ended):
            continue
        sizes = [cut.tensors[n].row_bytes for n in (made, read)]
        apart = 0
        for r, k in itertools.product(range(len(begun)), range(len(ended))):
            if max(ended[: k + 1]) >= begun[r]:
                apart = max(apart, (r + 1) * sizes[0] - k * sizes[1])
        apart = -(-apart // 4) * 4
        if apart < len(begun) * sizes[0]:
            expected[made, read] = apart
    ours = {pair: behind for pair, behind in found.items() if {*pair} <= {storage[h] for h in held}}
    assert ours == expected and ours
