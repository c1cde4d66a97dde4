# SPDX-License-Identifier: Apache-2.0
"""Rounds of questions end at cuts, and the order of the steps stays: played on networks of every kind of kernel."""

from __future__ import annotations

import pytest

from ascmcu import passes
from ascmcu.frontends import tflite
from ascmcu.schedule import ROWS, Plan, make_plan
from ascmcu.schedule.asking import asked, cuts
from ascmcu.schedule.plan import PUSH
from ascmcu.schedule.simulate import _flow, _Simulation
from tests.support import kernel_networks, recipes_flat
from tests.support.tflite_builder import OperatorSpec, TensorSpec, build


def _plans(form: str) -> list[Plan]:
    made = [recipes_flat.make(recipe) for recipe in kernel_networks.drawn(form, 5, 3)]
    graphs = [passes.optimize(tflite.parse(data, form)) for data in made]
    return [make_plan(graph, ROWS) for graph in graphs if graph.nodes]


def _played(plan: Plan) -> tuple[list[int], int]:
    """The layers in the order in which the generated code runs them, a ``PUSH`` before each row's, and its
    questions."""
    sim = _Simulation(_flow(plan.graph, plan.layers, ROWS))
    running = {layer.index for layer in plan.running}
    found, questions = [], 0
    (name,) = plan.graph.inputs
    for row in range(plan.graph.tensors[name].rows):
        found.append(PUSH)
        sim.completed(name, row + 1)
        before, more = -1, True
        while more:
            ran = -1
            for index in range(len(plan.layers)):
                if index not in running:
                    while sim.ready(index):
                        sim.step(index)
                    continue
                questions += 1
                if sim.ready(index):
                    sim.step(index)
                    found.append(index)
                    ran = index
                if index in plan.cuts and ran < index and before <= index:
                    break
            before, more = ran, ran >= 0
    return found, questions


@pytest.mark.parametrize("form", kernel_networks.FORMS)
def test_cuts_change_no_order(form: str) -> None:
    plans = [plan for plan in _plans(form) if len(plan.graph.inputs) == 1 and not plan.graph.states]
    assert plans
    for plan in plans:
        running = [layer.index for layer in plan.running]
        found, questions = _played(plan)
        assert found == [i for i in plan.order if i == PUSH or i in running]
        if len(running) == len(plan.layers):
            assert asked(plan.order, running, plan.cuts) == questions


def test_networks_have_cuts_and_fewer_questions() -> None:
    plans = [plan for form in kernel_networks.FORMS for plan in _plans(form)]
    all_, few = (
        sum(asked(p.order, [x.index for x in p.running], p.cuts if cut else ()) for p in plans)
        for cut in (0, 1)
    )
    assert few < 0.8 * all_


def test_a_layer_beside_which_something_passes_is_no_cut() -> None:
    """x → a → b → a + b → c → d: behind a, b and the sum are left, but b alone does not hold what the sum reads."""
    scale = {"scales": (0.1,)}
    tensors = [TensorSpec(name, (1, 4, 4, 8), **scale) for name in ("x", "a", "b", "sum", "c", "d")]
    chain = [
        ("LOGISTIC", [0], 1),
        ("TANH", [1], 2),
        ("ADD", [1, 2], 3),
        ("TANH", [3], 4),
        ("LOGISTIC", [4], 5),
    ]
    data = build(tensors, [OperatorSpec(op, inputs, [out]) for op, inputs, out in chain], [0], [5])
    graph = tflite.parse(data, "beside")
    assert [node.op.kind() for node in graph.nodes][2] == "add"
    assert cuts(graph, range(5)) == {0, 2}
    assert cuts(graph, (0, 1, 2)) == {0}
    assert cuts(graph, (1, 2, 3, 4)) == {2}


def test_questions_are_counted_round_by_round() -> None:
    """Three layers, the first two cuts. A row that moves nothing: one question. One that reaches all: a round with
    three, and another with three, for the last layer may have more steps. A row that only moves the first: two, one."""
    running, ends = (0, 1, 2), (0, 1)
    assert asked((PUSH,), running, ends) == 1
    assert asked((PUSH, PUSH), running, ends) == 2
    assert asked((PUSH, 0, 1, 2), running, ends) == 3 + 3
    assert asked((PUSH, 0), running, ends) == 2 + 1
    assert asked((PUSH, 0, 1, 1), running, ends) == 3 + 3 + 2
    assert asked((PUSH, 0, 1, 1), running, ()) == 9
