# SPDX-License-Identifier: Apache-2.0
"""Height and width exchanged: every operator's case rows give what they gave, whichever way the axes lie."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ascmcu.frontends import tflite
from ascmcu.ir import interp
from ascmcu.ir.graph import Graph
from ascmcu.ir.verify import verify
from ascmcu.passes.swap_axes import swap_axes, transpose_input
from tests.support.cases import Case, load
from tests.support.chain import difference, input_sets, shaped


def _one_map(case: Case) -> bool:
    shapes = [spec["shape"] for spec in case.row.get("inputs", ()) if "shape" in spec]
    return len(shapes) == 1 and len(shapes[0]) == 4 and shapes[0][0] == 1


CASES = [case for case in load() if _one_map(case)]
# Operators that look the same with the axes exchanged: nothing may be transposed around them.
SYMMETRIC = {"conv2d", "depthwise_conv2d", "average_pool2d", "max_pool2d", "pad", "slice", "relu", "logistic"}


def _symmetric(case: Case) -> bool:
    outputs = case.row.get("outputs") or [case.row["output"]]
    maps = all(len(output["shape"]) == 4 and output["shape"][0] == 1 for output in outputs)
    return case.stem in SYMMETRIC and maps


@pytest.mark.parametrize("transform", [swap_axes, transpose_input])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_results_stay(case: Case, transform: Callable[[Graph], Graph]) -> None:
    before = tflite.parse(case.model(), "model")
    after = verify(transform(before), transform.__name__)
    (name,) = before.inputs
    batch, height, width, channels = before.tensors[name].shape
    assert after.tensors[after.inputs[0]].shape == (batch, width, height, channels)
    for inputs in input_sets(before, 3, np.random.default_rng(3)):
        expected = interp.run(before, inputs)
        assert difference(expected, interp.run(after, shaped(after, inputs))) is None


def test_most_operators_have_rows_here() -> None:
    assert {case.stem for case in CASES} >= SYMMETRIC | {
        "mean",
        "sum",
        "reduce_max",
        "reshape",
        "transpose",
        "softmax",
    }


@pytest.mark.parametrize("case", [c for c in CASES if _symmetric(c)], ids=lambda case: case.id)
def test_nothing_is_transposed_but_the_result(case: Case) -> None:
    after = swap_axes(tflite.parse(case.model(), "model"))
    moved = [node for node in after.nodes if node.op.kind() == "transpose"]
    assert all(node.output in after.outputs for node in moved)
