# SPDX-License-Identifier: Apache-2.0
"""The generated C of small networks, as text beside this file: what changes in it is to be seen in review.

``pytest tests/codegen --update-goldens`` writes the files anew.
"""

from __future__ import annotations

from pathlib import Path

from ascmcu import __version__, passes
from ascmcu.codegen.model import render_model
from ascmcu.frontends import tflite
from ascmcu.ir import text
from ascmcu.schedule import LAYERS, ROWS, make_plan
from ascmcu.schedule.describe import describe
from tests.support import recipes_flat
from tests.support.recipes import Recipe, Step

FOLDER = Path(__file__).parent
_WINDOW = {"kernel": [3, 3], "stride": [1, 1], "same": True, "act": "relu", "dilation": [1, 1], "dead": 0}
NETWORK = Recipe(
    (1, 8, 4, 2),
    "int8",
    7,
    (
        Step("conv", (0,), {**_WINDOW, "stride": [2, 1], "channels": 4, "groups": 1}),
        Step("depthwise", (1,), {**_WINDOW, "multiplier": 1}),
        Step("hard_swish", (2,)),
        Step("add", (3, 1), {"act": "none"}),
        Step("mean", (4,), {"axes": [1, 2], "keep": False}),
        Step("dense", (5,), {"units": 3, "flatten": False, "act": "none", "bias": True, "dead": 0}),
        Step("softmax", (6,)),
    ),
)


def test_generated_c(update_goldens: bool) -> None:
    graph = passes.optimize(tflite.parse(recipes_flat.make(NETWORK), "golden"))
    plan = make_plan(graph, ROWS)
    files = dict(render_model(plan, name="golden", sha256="0" * 64).files)
    files["plan.txt"] = describe(plan, [plan, make_plan(graph, LAYERS)])
    files["graph.ir"] = text.dump(graph)
    assert {"model.c", "model.h"} < set(files)
    for name, content in files.items():
        # The version of the tool is not a change of its output.
        content = content.replace(f"ascmcu {__version__}", "ascmcu VERSION")
        golden = FOLDER / "small" / name
        if update_goldens:
            golden.parent.mkdir(exist_ok=True)
            golden.write_text(content)
        assert content == golden.read_text(), f"{name} changed; --update-goldens writes it anew"


def test_the_dump_parses_back() -> None:
    graph = tflite.parse(recipes_flat.make(NETWORK), "golden")
    for stage in (graph, passes.optimize(graph)):
        again = text.parse(text.dump(stage), text.constants(stage))
        assert text.dump(again) == text.dump(stage)
        assert again.inputs == stage.inputs and again.outputs == stage.outputs
        assert [n.op for n in again.nodes] == [n.op for n in stage.nodes]
