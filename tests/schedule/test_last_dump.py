# SPDX-License-Identifier: Apache-2.0
"""``model.c`` is made from the last dump of an export and nothing else."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from ascmcu import api
from ascmcu.api.sources import write_sources
from ascmcu.codegen.model import render_model
from ascmcu.ir import text
from ascmcu.schedule import LAYERS, ROWS, plan_as_is
from ascmcu.toolchain.manifest import DUMPS
from tests.support import recipes, recipes_flat


@pytest.mark.parametrize("mode", [LAYERS, ROWS])
def test_the_last_dump_gives_the_same_code(mode: str, tmp_path: Path) -> None:
    rng, passes = random.Random(4), set()
    for number in range(12):
        folder = tmp_path / str(number)
        folder.mkdir()
        model = folder / "net.tflite"
        model.write_bytes(recipes_flat.make(recipes.separable(rng)))
        compiled = api.compile_model(model)
        (candidate,) = api.candidates(compiled, mode)
        write_sources(compiled, candidate, [candidate], None, folder)
        dumps = sorted((folder / DUMPS).glob("*.ir"))
        passes |= {dump.stem.split("-", 1)[1] for dump in dumps}
        graph = text.load(dumps[-1])
        again = render_model(plan_as_is(graph, mode), name=compiled.name, sha256=compiled.sha256)
        assert again.files["model.c"] == (folder / "model.c").read_text()
    # The passes that lay maps out were among what was tried.
    assert {"planar-maps", "time-to-width", "pair-rows", "widen-maps"} <= passes
