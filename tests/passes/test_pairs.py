# SPDX-License-Identifier: Apache-2.0
"""Each pass on small graphs: ``<pass>/<case>.before.ir`` must become ``<case>.after.ir``, and mean the same.

A first line ``# first: PASS`` runs a pass before the one under test, for what does not stand in a text well (tables);
``# chosen: NAMES`` tells the pass which tensors a search has chosen.
``pytest tests/passes --update-goldens`` writes the ``.after.ir`` files anew, for review.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ascmcu import passes
from ascmcu.ir import interp, text
from ascmcu.ir.graph import Graph
from ascmcu.ir.verify import verify
from tests.support.chain import difference, input_sets, shaped

FOLDER = Path(__file__).parent
BEFORE = sorted(FOLDER.glob("*/*.before.ir"))
PASSES = {transform.__name__: transform for transform in (*passes.PIPELINE, *passes.LAYOUTS)}


def _id(path: Path) -> str:
    return f"{path.parent.name}: {path.name.removesuffix('.before.ir')}"


@pytest.mark.parametrize("path", BEFORE, ids=_id)
def test_pair(path: Path, update_goldens: bool) -> None:
    before = verify(_before(path), "before")
    chosen = _head(path).get("chosen")
    options = {} if chosen is None else {"chosen": chosen.split()}
    after = verify(PASSES[path.parent.name](before, **options), path.parent.name)
    golden = path.with_name(path.name.replace(".before.", ".after."))
    if update_goldens:
        golden.write_text(text.dump(after))
    assert text.dump(after) == golden.read_text()
    _same_results(before, after)


def _before(path: Path) -> Graph:
    graph, first = text.parse(path.read_text()), _head(path).get("first")
    return graph if first is None else PASSES[first](graph)


def _head(path: Path) -> dict[str, str]:
    """What the first line says, if it is a comment."""
    line = path.read_text().splitlines()[0]
    return dict([line.removeprefix("# ").split(": ")]) if line.startswith("# ") else {}


def _same_results(before: Graph, after: Graph) -> None:
    for inputs in input_sets(before, 20, np.random.default_rng(1)):
        expected = interp.run(before, inputs)
        found = interp.run(after, shaped(after, inputs))
        assert difference(expected, found) is None


def test_every_pass_has_a_pair() -> None:
    assert {path.parent.name for path in BEFORE} == set(PASSES)


@pytest.mark.parametrize("path", BEFORE, ids=_id)
def test_the_pipeline_preserves_results(path: Path) -> None:
    before = text.parse(path.read_text())
    _same_results(before, passes.optimize(before))
