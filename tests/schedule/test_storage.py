# SPDX-License-Identifier: Apache-2.0
"""What lies in bytes of something else: an element-wise result in an operand that others have read before, the next
value of a state in the old one. Nothing lies in what is read later."""

from __future__ import annotations

import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ascmcu import api, passes
from ascmcu.frontends import tflite
from ascmcu.ir import text
from ascmcu.ir.op import RowReads
from ascmcu.schedule import LAYERS, ROWS, Plan, make_plan, plan_as_is
from ascmcu.schedule.simulate import RowLives, simulate
from ascmcu.schedule.storage import ring_rows, rows_together, share, widened_in_place
from tests.support import chain, recipes_flat, recurrent
from tests.support.recipes import Recipe, Step
from tests.support.recurrent import Lstm, Svdf
from tests.support.step_models import ring, sums

MAP = (1, 12, 4, 8)
MAP_BYTES = 12 * 4 * 8
# A map, its mean over rows and columns, and the sum of both: the mean has read all rows when the sum writes the first.
GATED = (
    Step("logistic", (0,)),
    Step("mean", (1,), {"axes": [1, 2], "keep": True}),
    Step("add", (1, 2), {"act": "none"}),
)
# The same, and a product that reads the map once more behind the sum.
READ_AGAIN = (*GATED, Step("mul", (1, 3), {"act": "none"}))


def _plan(steps: tuple[Step, ...], mode: str, folder: Path) -> tuple[bytes, Plan]:
    data = recipes_flat.make(Recipe(MAP, "int8", 3, steps))
    (folder / "net.tflite").write_bytes(data)
    compiled = api.compile_model(folder / "net.tflite", features=False)
    return data, api.candidates(compiled, mode)[0].plan  # type: ignore[arg-type]


def _sum_and_map(plan: Plan) -> tuple[str, str]:
    found = next(layer.node for layer in plan.layers if layer.node.op.kind() == "add")
    return found.output, next(n for n in found.inputs if plan.graph.tensors[n].size_bytes == MAP_BYTES)


@pytest.mark.parametrize("mode", [LAYERS, ROWS])
def test_a_sum_behind_a_barrier_takes_no_second_map(mode: str, tmp_path: Path) -> None:
    data, plan = _plan(GATED, mode, tmp_path)
    output, map_ = _sum_and_map(plan)
    assert plan.storage[output] == plan.storage[map_]
    assert plan.arena_bytes < 2 * MAP_BYTES + (MAP_BYTES if mode == LAYERS else 0)
    chain.check(data, sets=3, seed=1)


@pytest.mark.parametrize("mode", [LAYERS, ROWS])
def test_a_map_that_is_read_later_is_not_written_over(mode: str, tmp_path: Path) -> None:
    data, plan = _plan(READ_AGAIN, mode, tmp_path)
    output, map_ = _sum_and_map(plan)
    assert plan.storage[output] != plan.storage[map_]
    chain.check(data, sets=3, seed=1)


def _recurrent(spec: Lstm | Svdf) -> bytes:
    parts, quant = recurrent.Parts(), {} if spec.real else {"scale": 0.031, "zero_point": 7}
    x = parts.add("x", spec.x_shape, "float32" if spec.real else "int8", **quant)
    append: Any = recurrent.lstm if isinstance(spec, Lstm) else recurrent.svdf
    return recurrent.built(parts, x, append(parts, spec, x, np.random.default_rng(5)))


KEPT = np.zeros((1, 3, 1, 4), np.int8)
# A network with a state, and whether its next value lies in the old one's bytes: by layers, and by rows.
STATES = [
    (_recurrent(Lstm(4, 3, 5)), True, True),
    (_recurrent(Lstm(4, 3, 5, real=True)), True, True),
    (_recurrent(Svdf(4, 3, 5)), True, True),
    (_recurrent(Svdf(4, 3, 5, real=True)), True, True),
    # One step: the layer's rows are the next state and the output at once, whose size is another.
    (_recurrent(Lstm(4, 3, 1)), False, False),
    # By rows, new rows are kept before all old ones are read.
    (ring(KEPT), True, False),
    (ring(KEPT, rows=5), True, False),
    # The old sum goes out after the new one is made.
    (sums((1, 8), 9), False, False),
    (sums((1, 5, 2, 3), 9), False, False),
]


@pytest.mark.parametrize(("data", "by_layers", "by_rows"), STATES, ids=range(len(STATES)))
def test_a_state_is_written_over_when_it_has_been_read(data: bytes, by_layers: bool, by_rows: bool) -> None:
    graph = passes.optimize(tflite.parse(data, "net"))
    for mode, in_place in ((LAYERS, by_layers), (ROWS, by_rows)):
        plan = make_plan(graph, mode)
        assert plan.graph.carried
        for _, entry, exit_ in plan.graph.carried:
            assert plan.storage[entry] == entry
            assert plan.storage[exit_] == (entry if in_place else exit_)


# A sum %a of the input with itself, and what reads it; %k is a constant of the same shape.
CONSTANT = f"const %k : i8[1,4,2,3] q(0.05 : 3) = [{', '.join(str(7 * i % 50 - 20) for i in range(24))}]\n"
HEAD = f'graph "g"\ninput %x : i8[1,4,2,3] q(0.05 : 3) t0\n{CONSTANT}'
BASIC = "{clamp=(-128, 127)} : i8[1,4,2,3] q(0.1 : -4)"
A = f"%a = add(%x, %x) {BASIC} ; a 0\n"
B = f"%b = mul(%a, %k) {BASIC} ; b 1\n"
C = f"%c = add(%a, %b) {BASIC} ; c 2\n"
FLAT = "%r = reshape(%a) {shape=(1, 24)} : i8[1,24] q(0.1 : -4) ; r 3\n"
SHORT = "%m = mean(%a) {axes=(2,), keep_dims=True} : i8[1,4,1,3] q(0.1 : -4) ; m 5\n"
WIDE = f"%c = add(%a, %m) {BASIC} ; c 2\n"
ROOMS = {
    "the result in the only operand": (A + B, "b", {"b": "a"}),
    "never in the input": (A, "a", {"a": "a"}),
    "nor in an output": (A + B, "ba", {"b": "b"}),
    "nor in what is read later": (A + B + C, "c", {"b": "b", "c": "b"}),
    "what only gets another shape, where nobody else reads it": (A + FLAT, "r", {"r": "a"}),
    "and not where somebody does": (A + FLAT + B, "rb", {"r": "r"}),
    "nor in an output that only gets another shape": (A + FLAT, "ra", {"r": "r"}),
    "nor in less": (A + SHORT + WIDE + f"%d = add(%a, %c) {BASIC} ; d 4\n", "d", {"c": "c"}),
    "one after the other": (A + B + f"%d = add(%b, %x) {BASIC} ; d 4\n", "d", {"b": "a", "d": "a"}),
}


@pytest.mark.parametrize("mode", [LAYERS, ROWS])
@pytest.mark.parametrize("name", ROOMS)
def test_where_a_result_lies(name: str, mode: str) -> None:
    code, outputs, expected = ROOMS[name]
    graph = text.parse(HEAD + code + "".join(f"output %{output}\n" for output in outputs))
    storage = make_plan(graph, mode).storage
    assert {result: storage[result] for result in expected} == expected


WEIGHTS = (
    f"const %w : i8[8,16] q(0.02 : 0 @ 0) = [{', '.join(str(37 * i % 200 - 100) for i in range(128))}]\n"
    f"const %q : i32[8] = [{', '.join(str(9 * i) for i in range(8))}]\n"
)
VECTOR = f'graph "g"\ninput %x : i8[1,16] q(0.05 : 3) t0\n{WEIGHTS}'
SUM = "%a = add(%x, %x) {clamp=(-128, 127)} : i8[1,16] q(0.1 : -4) ; a 0\n"
DENSE_AS = "{output_shape=(1, 8), clamp=(-128, 127), once=True}"
DENSE = f"%f = fully_connected(%a, %w, %q) {DENSE_AS} : i8[1,8] q(0.3 : -4) ; f 1\n"
TWICE = "%b = mul(%a, %x) {clamp=(-128, 127)} : i8[1,16] q(0.1 : -4) ; b 2\n"


@pytest.mark.parametrize("mode", [LAYERS, ROWS])
@pytest.mark.parametrize(
    ("code", "outputs", "stored", "found"),
    [
        (SUM + DENSE, "f", {}, {"f#scratch": "a"}),
        (SUM + DENSE, "fa", {}, {}),
        (SUM + DENSE + TWICE, "fb", {}, {}),
        (SUM + DENSE, "f", {"x": "a"}, {}),
    ],
    ids=["alone", "an output", "two readers", "shared"],
)
def test_a_vector_is_widened_where_it_lies(
    code: str, outputs: str, stored: dict[str, str], found: dict[str, str], mode: str
) -> None:
    """If nothing else reads it or shares its bytes: the dense layer's scratch is around it."""
    graph = text.parse(VECTOR + code + "".join(f"output %{output}\n" for output in outputs))
    plan = plan_as_is(graph, mode)
    trace = simulate(graph, plan.layers, mode)
    assert [layer.lowered.widens_in_place for layer in plan.layers][1]
    storage = {**share(graph, plan.layers, trace), **stored}
    assert widened_in_place(graph, plan.layers, storage, trace) == found


@pytest.mark.parametrize("mode", [LAYERS, ROWS])
def test_a_map_is_not_widened_where_it_lies(mode: str) -> None:
    """It comes row by row, and the first half would be written before it is there."""
    head = f'graph "g"\ninput %x : i8[1,4,2,2] q(0.05 : 3) t0\n{WEIGHTS}'
    code = (SUM + DENSE).replace("i8[1,16]", "i8[1,4,2,2]")
    graph = text.parse(head + code + "output %f\n")
    plan = plan_as_is(graph, mode)
    assert plan.graph.tensors["a"].rows == 4
    assert not widened_in_place(graph, plan.layers, plan.storage, simulate(graph, plan.layers, mode))


def test_a_ring_has_room_for_the_rows_that_live_together() -> None:
    """A row is written when the row that lay there has been read, not while it is: by definition, for drawn lives."""
    rng = np.random.default_rng(7)
    heights = set()
    for _ in range(300):
        count = int(rng.integers(1, 7))
        made = rng.integers(0, 6, count)
        read = made + rng.integers(0, 4, count)
        begun = [int(made[: row + 1].max()) for row in range(count)]
        expected = next(
            high
            for high in range(1, count + 1)
            if all(begun[row + high] > read[row] for row in range(count - high))
        )
        assert ring_rows(RowLives(made, read)) == expected
        heights.add(expected)
    assert heights >= {1, 2, 4, 6}


def test_rows_lie_together_for_every_step_that_takes_several() -> None:
    """Where steps read two, three and one rows of a tensor one for one, its ring is a multiple of six rows high."""

    def layer(name: str, count: int) -> Any:
        rule = SimpleNamespace(rows_per_step=count, reads=(RowReads(count, 0, count), None))
        return SimpleNamespace(node=SimpleNamespace(inputs=("a", "k"), output=name), rule=rule)

    layers = [layer("two", 2), layer("three", 3), layer("one", 1)]
    for order in itertools.permutations(layers):
        assert rows_together(order) == {"a": 6, "two": 2, "three": 3, "one": 1}
    assert rows_together(layers[:1]) == {"a": 2, "two": 2}
