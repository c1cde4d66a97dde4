# SPDX-License-Identifier: Apache-2.0
"""An element-wise layer lies in an operand that others have read before, and in none that others read later."""

from __future__ import annotations

from pathlib import Path

import pytest

from ascmcu import api
from ascmcu.schedule import LAYERS, ROWS, Plan
from tests.support import chain, recipes_flat
from tests.support.recipes import Recipe, Step

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
