# SPDX-License-Identifier: Apache-2.0
"""Which plan is made of a graph, what it says of its own cycles, and what scratch gives up for RAM."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from ascmcu import passes
from ascmcu import schedule as room
from ascmcu.frontends import tflite
from ascmcu.ir import text
from ascmcu.ir.graph import Graph
from ascmcu.ir.layout import ROW_MAJOR, Layout, channel_planar, folded_time
from ascmcu.ir.types import DType
from ascmcu.kernels import DEFAULT_TUNING, Target, around, predicted, work
from ascmcu.schedule import LAYERS, ROWS, Layer, Plan, make_plan, peak_bytes, plan_as_is, spare
from ascmcu.schedule.asking import asked
from ascmcu.schedule.layouts import _ROWS, LaidOut, layouts
from ascmcu.schedule.plan import PUSH
from ascmcu.schedule.shortest import Assignment
from tests.support import kernel_networks, recipes_flat

MODES = (LAYERS, ROWS)
TWO_BRANCHES = Path(__file__).parents[1] / "passes" / "input_readers_first" / "two_branches.before.ir"
FORMS = kernel_networks.FORMS
# RAM that rows may take for layouts (docs/kernels.md): what is chosen stays within it.
LAYOUT_BYTES = 5120


@functools.cache
def _graphs(form: str) -> list[Graph]:
    made = [recipes_flat.make(recipe) for recipe in kernel_networks.drawn(form, 11, 3)]
    graphs = [passes.optimize(tflite.parse(data, form)) for data in made]
    return [graph for graph in graphs if graph.nodes]


@functools.cache
def _plans(form: str) -> list[Plan]:
    return [make_plan(graph, mode) for graph in _graphs(form) for mode in MODES]


def _laid(graph: Graph) -> object:
    """Equal for graphs of the same nodes in the same order and layouts."""
    return tuple((node.output, node.inputs, graph.tensors[node.output].layout) for node in graph.nodes)


def _at_most(graph: Graph) -> float:
    return sum(layer.lowered.at_most_cycles for layer in room._layers(graph, DEFAULT_TUNING))


@pytest.mark.parametrize("mode", MODES)
def test_the_fewest_cycles_within_the_ram_are_taken(mode: str) -> None:
    """Of all layouts: none that costs fewer cycles would take so little RAM."""
    chosen_of: set[str] = set()
    for graph in (graph for form in FORMS for graph in _graphs(form)):
        found = layouts(graph, mode, room._tunings(graph, DEFAULT_TUNING))
        *others, least = found
        arenas = {id(c): plan_as_is(c.graph, mode).arena_bytes for c in found}
        plan = make_plan(graph, mode)
        taken = next(c for c in found if _laid(c.graph) == _laid(plan.graph))
        assert [name for name, _ in plan.stages] == [name for name, _ in taken.stages]
        most = arenas[id(least)] + LAYOUT_BYTES
        assert plan.arena_bytes == arenas[id(taken)] <= most
        better = [c for c in others if _at_most(c.graph) < _at_most(taken.graph)]
        assert all(arenas[id(c)] > most or peak_bytes(c.graph, mode) > most for c in better)
        chosen_of.add("least" if taken is least else "first" if taken is found[0] else "between")
    assert {"least", "first"} & chosen_of and len(chosen_of) > 1


def test_by_rows_alone_readers_of_the_input_come_first() -> None:
    """A pushed row is free as soon as all have read it; whole layers keep the order of the network."""
    graph = text.parse(TWO_BRANCHES.read_text())
    names = [node.name for node in graph.nodes]
    readers = [node.name for node in graph.nodes if node.inputs[0] in graph.inputs]
    readers_first = [*readers, *(name for name in names if name not in readers)]
    assert readers_first != names
    for mode in MODES:
        for choice in layouts(graph, mode, room._tunings(graph, DEFAULT_TUNING)):
            order = [node.name for node in choice.graph.nodes if node.name in names]
            assert order == (names if mode == LAYERS else readers_first)


def test_layouts_are_all_others_and_their_stages_lead_to_them() -> None:
    for graph in (graph for form in FORMS for graph in _graphs(form)):
        for mode in MODES:
            found = layouts(graph, mode, room._tunings(graph, DEFAULT_TUNING))
            laid = [_laid(c.graph) for c in found]
            assert len(set(laid)) == len(laid)
            for choice in found:
                assert choice.stages == () or choice.stages[-1][1] is choice.graph
                names = [name for name, _ in choice.stages]
                assert names == [n for n in ("planar-maps", "time-to-width", "pair-rows", "widen-maps",
                                             "input-readers-first") if n in names]  # fmt: skip
                assert mode == ROWS or "input-readers-first" not in names
            # The last of rows takes nothing but what layouts along time save.
            if mode == ROWS:
                plain = {t.layout for t in found[-1].graph.tensors.values()}
                assert plain == {ROW_MAJOR}
    changed = LaidOut(graph).then(lambda g: g)
    assert changed.stages == () and changed.graph is graph


def _running(plan: Plan) -> list[Layer]:
    return [layer for layer in plan.layers if not plan.moves_nothing(layer)]


@pytest.mark.parametrize("form", FORMS)
def test_cycles_are_those_of_the_layers_and_of_what_runs_around(form: str) -> None:
    assert _plans(form)
    for plan in _plans(form):
        running = _running(plan)
        assert list(plan.running) == running
        for target in (Target(), Target("flash", 5)):
            found = [(x, predicted(x.lowered.kernel, x.rule.steps, x.lowered.work, target)) for x in running]
            own = sum(x.lowered.cycles if cycles is None else cycles for x, cycles in found)
            form_of = "table" if plan.step_table else plan.mode
            asks = plan.mode == ROWS and not plan.step_table
            counts = {
                f"{form_of}_pushes": sum(layer == PUSH for layer in plan.order),
                f"{form_of}_steps": sum(layer in {x.index for x in running} for layer in plan.order),
                "asked": asked(plan.order, [x.index for x in running], plan.cuts) if asks else 0,
            }
            assert plan.cycles_at(target) == own + around(work(counts), target)
        assert plan.cycles == plan.cycles_at(plan.target)


@pytest.mark.parametrize("form", FORMS)
def test_the_table_is_the_order_of_what_runs(form: str) -> None:
    assert _plans(form)
    for plan in _plans(form):
        running = {layer.index for layer in _running(plan)}
        behind = [list(g) for push, g in itertools.groupby(plan.order, key=lambda i: i == PUSH) if not push]
        kept = [i for i in plan.order if i == PUSH or i in running]
        if plan.mode == LAYERS:
            assert plan.step_table == () and len(behind) == 1
            continue
        longest = 40 * len(running)
        assert plan.step_table == ((*kept[1:], PUSH) if len(kept) <= longest else ())


@pytest.mark.parametrize("form", FORMS)
def test_latency_is_what_runs_behind_the_last_row(form: str) -> None:
    assert _plans(form)
    for plan in _plans(form):
        behind = list(itertools.takewhile(lambda i: i != PUSH, reversed(plan.order)))
        per_step = {x.index: x.lowered.cycles / x.rule.steps for x in _running(plan)}
        expected = round(sum(per_step.get(i, 0.0) for i in behind[::-1]))
        assert plan.latency_cycles == (plan.cycles if plan.mode == LAYERS else expected)


def _scratch(layer: Layer) -> int:
    if layer.lowered.scratch is None:
        return 0
    dtype, count = layer.lowered.scratch
    return (dtype.size_bytes * count + 3) // 4 * 4


@pytest.mark.parametrize("form", ["conv", "separable"])
def test_scratch_gives_way_where_it_lowers_the_peak(form: str) -> None:
    lower = 0
    for graph in _graphs(form):
        all_of_it = plan_as_is(graph, ROWS, enough_bytes=1 << 30)
        less = plan_as_is(graph, ROWS, enough_bytes=0)
        assert less.lower_bound_bytes <= all_of_it.lower_bound_bytes
        given = [(_scratch(a), _scratch(b)) for a, b in zip(all_of_it.layers, less.layers, strict=True)]
        assert all(b <= a for a, b in given)
        # Nothing is given up without a gain, nor halved below what a block is worth.
        assert (less.lower_bound_bytes < all_of_it.lower_bound_bytes) == any(b < a for a, b in given)
        assert all(a == b or a >= 2 * spare.LEAST_BYTES for a, b in given)
        lower += less.lower_bound_bytes < all_of_it.lower_bound_bytes
    assert lower


def test_a_small_peak_keeps_its_scratch() -> None:
    small = [p for form in ("conv", "separable") for p in _plans(form) if p.lower_bound_bytes <= 20_480]
    assert small
    for plan in small:
        alone = room._one_shift(plan.graph, DEFAULT_TUNING)[0]
        assert [_scratch(x) for x in plan.layers] == [_scratch(x) for x in alone]


def test_scratch_is_counted_in_words() -> None:
    layers = [layer for form in FORMS for plan in _plans(form) for layer in plan.layers]
    assert {_scratch(layer) % 4 for layer in layers} == {0}
    assert [spare._scratch_bytes(layer) for layer in layers] == [_scratch(layer) for layer in layers]


def test_an_assignment_names_its_tensors_by_kind() -> None:
    planes, wide, time = channel_planar(5, 5, 1, 1, 3), Layout(int16=True), folded_time()
    written = {"p": planes, "w": wide, "t": time, "plain": ROW_MAJOR, "both": folded_time(planar=True)}
    read = {"n": time, "m": planes, "pair": Layout(row_pairs=True), "alone": Layout(row_pairs=True)}
    found = Assignment({**written, "pair": Layout(row_pairs=True), "alone": ROW_MAJOR}, read, 1.0)
    assert found.tensors(planar=True) == {"p", "both"} and found.tensors(int16=True) == {"w"}
    assert found.tensors() == frozenset() and found.tensors(planar=True, int16=True) == {"p", "both", "w"}
    assert found.in_time == {"n"} and found.in_pairs == {"pair"}


def test_layers_share_the_first_shift_that_needs_the_fewest_kernels() -> None:
    def kernels(layers: Sequence[Layer]) -> int:
        kinds = {(type(x.lowered.params), x.lowered.shift) for x in layers if x.lowered.shift is not None}
        return len(kinds)

    for graph in (graph for form in FORMS for graph in _graphs(form)):
        tried = [dataclasses.replace(DEFAULT_TUNING, shift=shift) for shift in (13, 12, 14)]
        counts = [kernels(room._layers(graph, tuning)) for tuning in tried]
        layers, tuning = room._one_shift(graph, DEFAULT_TUNING)
        assert tuning == tried[counts.index(min(counts))] and kernels(layers) == min(counts)
    assert len(tried) == 3


def test_whole_layers_may_do_without_time() -> None:
    graphs = _graphs("time")
    assert graphs
    for graph in graphs:
        found = layouts(graph, LAYERS, room._tunings(graph, DEFAULT_TUNING))
        assert all(t.layout.time_steps == 1 for t in found[-1].graph.tensors.values())
    folded = [layouts(g, LAYERS, room._tunings(g, DEFAULT_TUNING))[0].graph for g in graphs]
    assert any(t.layout.time_steps > 1 for graph in folded for t in graph.tensors.values())


def test_the_card_shares_out_all_cycles() -> None:
    for plan in (plan for form in FORMS for plan in _plans(form)):
        rows = [cell for row in plan.card().rows for cell in row.cells if cell.endswith(" %")]
        expected = [f"{100 * x.lowered.cycles / plan.cycles:.1f} %" for x in _running(plan)]
        assert rows == expected
        assert [f"{row.percent:.1f} %" for row in plan.card().rows] == expected, "the bars too"
    assert rows


TURNED = """graph "turned"
input %x : i8[1,6] q(0.05 : 3) t0
input %s : i8[1,6] q(0.05 : 3) t1
state "s" : int8 = [1, 2, 3, 4, 5, 6]
%n = slice(%s) {begin=(0, 5), size=(1, 6), strides=(1, -1)} : i8[1,6] q(0.05 : 3) ; n 0
%y = mul(%x, %n) {clamp=(-128, 127)} : i8[1,6] q(0.1 : -4) ; y 1
output %y
output %n
"""


def test_a_state_is_not_overwritten_by_the_step_that_reads_it() -> None:
    for mode in MODES:
        plan = make_plan(text.parse(TURNED), mode)
        assert plan.storage["n"] != "s" and plan.state_copies == (("s", "n"),)
    assert len(MODES) == 2


@pytest.mark.parametrize(("bytes_now", "asked"), [(508, None), (512, 256), (1000, 500), (4096, 2048)])
def test_scratch_is_halved_down_to_what_a_block_is_worth(bytes_now: int, asked: int | None) -> None:
    layer = next(x for p in _plans("conv") for x in p.layers if x.lowered.scratch is not None)

    def with_scratch(count: int) -> Layer:
        return dataclasses.replace(
            layer, lowered=dataclasses.replace(layer.lowered, scratch=(DType.INT8, count))
        )

    calls: list[tuple[int, int]] = []

    def lower(index: int, size: int) -> Layer:
        calls.append((index, size))
        return with_scratch(size)

    found = spare._smaller(with_scratch(bytes_now), lower)
    assert calls == ([] if asked is None else [(layer.index, asked)])
    assert (found is None) == (not calls)
    same = with_scratch(1000)
    assert spare._smaller(same, lambda index, size: same) is None, "nothing is gained"


@pytest.mark.parametrize(
    ("macs", "unroll", "inside", "dense"),
    [
        # One layer of 1,000: what it may spend, and whether dense layers have code of their own.
        (19, 4, 0, False), (20, 8, 0, False), (39, 8, 0, False), (40, 16, 0, False), (41, 16, 8, False),
        (50, 16, 8, False), (51, 16, 8, True), (70, 16, 8, True), (71, 16, 16, True), (150, 16, 16, True),
        (151, 16, 40, True), (1000, 16, 40, True),
    ],
)  # fmt: skip
def test_what_a_layer_may_spend_by_its_part_of_the_work(
    macs: int, unroll: int, inside: int, dense: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    work_of = {"own": macs, "other": 1000 - macs}
    nodes = [
        SimpleNamespace(op=SimpleNamespace(FAMILY="dense" if name == "own" else "conv"), output=name)
        for name in work_of
    ]
    monkeypatch.setattr(room, "node_macs", lambda graph, node: work_of[node.output])
    monkeypatch.setattr(room, "common_pitches", lambda graph: {"other": 24})
    tuning = dataclasses.replace(DEFAULT_TUNING, unroll=16)
    own, other = room._tunings(SimpleNamespace(nodes=nodes), tuning)  # type: ignore[arg-type]
    assert (own.unroll, own.inside, own.dense, own.pitch) == (unroll, inside, dense, 0)
    assert (other.dense, other.pitch) == (dense, 24)
    (least,) = room._tunings(SimpleNamespace(nodes=nodes[:1]), dataclasses.replace(tuning, unroll=2))  # type: ignore[arg-type]
    assert least.unroll == 2, "never more than it was given"


def test_layouts_may_take_as_much_ram_as_is_said_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the byte: a layout that takes exactly that much is taken."""
    tried = 0
    for form in FORMS:
        for graph in _graphs(form):
            monkeypatch.setattr(room, "_LAYOUT_BYTES", 1 << 20)
            free, *_, least = (
                make_plan(graph, ROWS),
                layouts(graph, ROWS, room._tunings(graph, DEFAULT_TUNING))[-1],
            )
            lean = plan_as_is(least.graph, ROWS)
            more = free.arena_bytes - lean.arena_bytes
            if more <= 0:
                continue
            tried += 1
            monkeypatch.setattr(room, "_LAYOUT_BYTES", more)
            assert make_plan(graph, ROWS).arena_bytes == free.arena_bytes
            monkeypatch.setattr(room, "_LAYOUT_BYTES", more - 1)
            assert make_plan(graph, ROWS).arena_bytes < free.arena_bytes
    assert tried


def test_rows_try_every_kind_of_layout_and_none() -> None:
    """Planes, time, pairs of rows, int16: from all of them to none."""
    tried = ["".join("ptri"[n] for n, may in enumerate(dataclasses.astuple(kinds)) if may) for kinds in _ROWS]
    assert tried == ["ptri", "ptr", "pti", "pt", "pri", "r", ""]
