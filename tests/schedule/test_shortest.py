# SPDX-License-Identifier: Apache-2.0
"""The layouts that the search finds cost no more than any others: every assignment of small networks is tried."""

from __future__ import annotations

import functools
import itertools
import math
import random

import pytest

from ascmcu import kernels, passes
from ascmcu.frontends import tflite
from ascmcu.ir.graph import Graph, Node, with_tensor
from ascmcu.ir.layout import ROW_MAJOR, Layout, channel_planar, folded_time
from ascmcu.ir.types import Tensor
from ascmcu.kernels import DEFAULT_TUNING
from ascmcu.ops.relayout import Relayout
from ascmcu.schedule.shortest import Assignment, Costs, Kinds, shortest
from tests.support import kernel_networks, recipes_flat
from tests.support.recipes import Recipe, Step

WINDOW = {"stride": [1, 1], "same": True, "act": "relu", "dilation": [1, 1], "dead": 0}


def _network(shape: tuple[int, ...], *steps: tuple[str, list[int], int]) -> Graph:
    """Convolutions (channels) and depthwise ones (0) one behind the other."""
    made = []
    for number, (kind, kernel, channels) in enumerate(steps):
        own = {"channels": channels, "groups": 1} if kind == "conv" else {"multiplier": 1}
        made.append(Step(kind, (number,), {**WINDOW, "kernel": kernel, **own}))
    data = recipes_flat.make(Recipe(shape, "int8", 7, tuple(made)))
    return passes.optimize(tflite.parse(data, "chain"))


NETWORKS = {
    "planes and halfwords": ((1, 12, 5, 8), ("conv", [1, 1], 16), ("depthwise", [3, 3], 0), ("conv", [1, 1], 12)),
    "rows in pairs": ((1, 10, 3, 16), ("conv", [1, 1], 24), ("conv", [1, 1], 16)),
    "time": ((1, 24, 1, 16), ("depthwise", [5, 1], 0), ("conv", [1, 1], 16), ("conv", [3, 1], 8)),
    "too short for time": ((1, 5, 1, 8), ("conv", [1, 1], 4), ("depthwise", [3, 1], 0)),
}  # fmt: skip


def _layouts(graph: Graph, name: str) -> list[Layout]:
    """All that a map of these networks may be written in."""
    x, reader = graph.tensors[name], next(iter(graph.consumers(name)), None)
    if name in graph.inputs:
        return [ROW_MAJOR]
    plain = [ROW_MAJOR]
    if reader is not None and reader.op.kind() == "depthwise_conv2d" and x.shape[2] > 1:
        op, y, weights = reader.op, graph.output_tensor(reader), graph.tensors[reader.inputs[1]]
        width = weights.shape[2]
        plain.append(channel_planar(x.shape[2], y.shape[2], op.stride[1], op.padding[2], width))  # type: ignore[attr-defined]
    plain.append(Layout(int16=True))
    found = [
        *plain,
        *(Layout(p.time_steps, p.planar, p.left, p.width, p.int16, row_pairs=True) for p in plain),
    ]
    if x.shape[2] == 1:
        found += [folded_time(), folded_time(planar=True), Layout(4, int16=True, pitch=x.shape[3])]
    return found


def _cost(graph: Graph, node: Node, read: Layout, written: Layout) -> float:
    x, *rest = graph.input_tensors(node)
    assert x is not None
    inputs = (with_tensor(x, layout=read), *rest)
    lowered = kernels.lower(node.op, inputs, with_tensor(graph.output_tensor(node), layout=written))
    return math.inf if lowered is None else lowered.at_most_cycles


def _copy(graph: Graph, name: str, written: Layout, read: Layout) -> float:
    """Rows in pairs are rows; time is folded by a copy; nothing else can be read otherwise than it is written."""
    if read == written or (written.row_pairs and read == Layout(**{**vars(written), "row_pairs": False})):
        return 0.0
    if written.int16 or read.int16 or written.time_steps == read.time_steps == 1:
        return math.inf
    x = graph.tensors[name]
    lowered = kernels.lower(Relayout(), (with_tensor(x, layout=written),), with_tensor(x, layout=read))
    return math.inf if lowered is None else lowered.at_most_cycles


def _least(graph: Graph) -> float:
    """Over all layouts in which the maps of a chain may be written, and those in which each may be read."""
    names = [*graph.inputs, *(node.output for node in graph.nodes)]
    (output,) = graph.outputs
    copy, cost = (functools.cache(functools.partial(f, graph)) for f in (_copy, _cost))
    best = math.inf
    for layouts in itertools.product(*(_layouts(graph, name) for name in names)):
        written = dict(zip(names, layouts, strict=True))
        total: float = copy(output, written[output], ROW_MAJOR)
        for node in graph.nodes:
            source = node.inputs[0]
            reads = [written[source], ROW_MAJOR, folded_time(), folded_time(planar=True)]
            reads = [r for r in reads if r.time_steps == 1 or graph.tensors[source].shape[2] == 1]
            total += min(
                copy(source, written[source], read) + cost(node, read, written[node.output]) for read in reads
            )
        best = min(best, total)
    return best


@pytest.mark.parametrize("name", NETWORKS)
def test_no_other_layouts_cost_less(name: str) -> None:
    shape, *steps = NETWORKS[name]
    graph = _network(shape, *steps)  # type: ignore[arg-type]
    found = shortest(Costs(graph, [DEFAULT_TUNING] * len(graph.nodes)), Kinds())
    assert found.cycles == pytest.approx(_least(graph))
    assert found.written or found.read


@pytest.mark.parametrize("form", kernel_networks.FORMS)
def test_fewer_kinds_of_layout_never_cost_less(form: str) -> None:
    compared = 0
    for recipe in kernel_networks.drawn(form, seed=random.Random(form).randrange(1000), count=2):
        graph = passes.optimize(tflite.parse(recipes_flat.make(recipe), "made"))
        if not graph.nodes:
            continue
        tunings = [DEFAULT_TUNING] * len(graph.nodes)
        costs = Costs(graph, tunings)
        every = shortest(costs, Kinds()).cycles
        for less in (Kinds(int16=False), Kinds(row_pairs=False), Kinds(time=False), Kinds(planar=False)):
            assert every <= shortest(costs, less).cycles + 1e-6
            compared += 1
    assert compared


def _sum_of_parts(graph: Graph, found: Assignment) -> float:
    """Cycles of an assignment, layer by layer: each reads its first map as is said, and all maps in one layout; a map
    that it wants otherwise is copied, and so is an output."""
    total = sum(_copy(graph, name, found.written[name], ROW_MAJOR) for name in graph.outputs)
    for node in graph.nodes:
        read, written = found.read.get(node.output, ROW_MAJOR), found.written[node.output]
        maps = [n for n in dict.fromkeys(node.inputs) if n and not graph.tensors[n].is_const]
        inputs = tuple(_laid(graph, name, read) for name in node.inputs)
        lowered = kernels.lower(node.op, inputs, with_tensor(graph.output_tensor(node), layout=written))
        assert lowered is not None
        total += lowered.at_most_cycles
        copies = [_copy(graph, name, found.written[name], read) for name in maps[:1]]
        for name in maps[1:]:
            may = [ROW_MAJOR, found.written[name], folded_time(), folded_time(planar=True)]
            copies.append(min(_copy(graph, name, found.written[name], layout) for layout in may))
        total += sum(copies)
    return total


def _laid(graph: Graph, name: str, layout: Layout) -> Tensor | None:
    x = graph.tensors.get(name)
    if x is None or x.is_const or layout == ROW_MAJOR or len(x.shape) != 4:
        return x
    return x if layout.time_steps > 1 and x.shape[1] == 1 else with_tensor(x, layout=layout)


def _branches() -> Graph:
    """A map that two read, and whose ways meet again; and a second sum of a map and itself."""
    conv = {**WINDOW, "kernel": [3, 3], "channels": 8, "groups": 1}
    steps = (
        Step("conv", (0,), conv), Step("depthwise", (1,), {**WINDOW, "kernel": [3, 3], "multiplier": 1}),
        Step("conv", (2,), {**conv, "kernel": [1, 1]}), Step("add", (3, 1), {"act": "none"}),
        Step("mul", (4, 3), {"act": "none"}), Step("conv", (5,), conv),
    )  # fmt: skip
    return passes.optimize(
        tflite.parse(recipes_flat.make(Recipe((1, 10, 4, 8), "int8", 7, steps)), "branches")
    )


@pytest.mark.parametrize("form", [*kernel_networks.FORMS, "branches", *NETWORKS])
def test_the_cycles_of_an_assignment_are_those_of_its_layers(form: str) -> None:
    if form == "branches":
        graphs = [_branches()]
    elif form in NETWORKS:
        shape, *steps = NETWORKS[form]
        graphs = [_network(shape, *steps)]  # type: ignore[arg-type]
    else:
        made = (recipes_flat.make(recipe) for recipe in kernel_networks.drawn(form, 3, 4))
        graphs = [passes.optimize(tflite.parse(data, "made")) for data in made]
    assert any(graph.nodes for graph in graphs)
    for graph in graphs:
        costs = Costs(graph, [DEFAULT_TUNING] * len(graph.nodes))
        for kinds in (
            Kinds(),
            Kinds(time=False),
            Kinds(planar=False, time=False, row_pairs=False, int16=False),
        ):
            found = shortest(costs, kinds)
            assert found.cycles == pytest.approx(_sum_of_parts(graph, found), abs=0.1)
            assert set(found.written) == {*graph.inputs, *(node.output for node in graph.nodes)}
            layouts = [*found.written.values(), *found.read.values()]
            assert kinds.time or all(x.time_steps == 1 for x in layouts)
            assert kinds.planar or kinds.time or not any(x.planar for x in layouts)
            assert kinds.int16 or not any(x.int16 for x in layouts)
            assert kinds.row_pairs or not any(x.row_pairs for x in layouts)
