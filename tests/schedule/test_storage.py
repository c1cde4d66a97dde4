# SPDX-License-Identifier: Apache-2.0
"""What lies in bytes of something else: an element-wise result in an operand that others have read before, the next
value of a state in the old one. Nothing lies in what is read later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ascmcu import api, passes
from ascmcu.frontends import tflite
from ascmcu.schedule import LAYERS, ROWS, Plan, make_plan
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
