# SPDX-License-Identifier: Apache-2.0
"""``ascmcu try``, and ``bench`` without inputs: a model's numbers for who has nothing else."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from ascmcu import api
from ascmcu.api import trying
from ascmcu.benchmark import litert, made
from ascmcu.errors import GeneratedCodeError, ToolError
from ascmcu.toolchain.manifest import Manifest
from tests.cli.conftest import Ascmcu
from tests.support.step_models import ring

needs_compiler = pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="no cross compiler")


@needs_compiler
def test_one_command_gives_cycles_agreement_and_a_page(ascmcu: Ascmcu, model: Path) -> None:
    done = ascmcu("try", model, "--no-open")
    assert done.status == 0, done
    assert "outputs equal LiteRT's reference kernels bit for bit on 12 inputs" in done.stdout
    assert "they say nothing of the accuracy" in done.stderr
    page = Path("build/report.html")
    assert page.is_file() and f"report: {page}" in done.stdout
    again = json.loads(ascmcu("bench", "build", "--json").stdout)
    assert again["cycles"] == json.loads(ascmcu("report", "build", "--json").stdout)["cycles"]
    assert again["clips"] == 12 and again["accuracy"] is None


@needs_compiler
def test_what_differs_from_litert_is_refused(
    ascmcu: Ascmcu, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = litert.answers
    monkeypatch.setattr(litert, "answers", lambda m, x: ([y[0] ^ 1] for y in right(m, x)))
    with pytest.raises(GeneratedCodeError, match="not LiteRT's"):
        api.try_model(model, on="host")
    assert not Path("build").exists()


@needs_compiler
def test_without_litert_the_rest_is_shown(
    ascmcu: Ascmcu, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(litert, "_HOMES", ("no_such_package_at_all",))
    done = ascmcu("try", model, "--no-open", "--on", "host", "--limit", 2)
    assert done.status == 0
    assert re.search(r"not compared with LiteRT: LiteRT is not installed; .* -m pip install ", done.stdout)
    with pytest.raises(ToolError, match="not installed"):
        next(litert.answers(b"", []))


@needs_compiler
def test_made_inputs_are_the_same_every_time_and_hold_the_extremes(model: Path) -> None:
    exported = api.export(model, "nucleo-f446", model.parent / "build", features=False)
    manifest: Manifest = exported.manifest
    first, again = (made.clips(manifest) for _ in range(2))
    assert [clip.load() for clip in first.clips] == [clip.load() for clip in again.clips]
    assert len(first.clips) == made.COUNT and len(made.clips(manifest, 20).clips) == 20
    values = [np.frombuffer(clip.load(), np.int8) for clip in first.clips]
    assert {int(v.min()) for v in values[:2]} | {int(v.max()) for v in values[:2]} == {-128, 127}
    assert len({clip.load() for clip in made.clips(manifest, 20).clips}) == 20


@needs_compiler
def test_a_network_with_state_is_tried_without_litert(ascmcu: Ascmcu, model: Path) -> None:
    (model.parent / "ring.tflite").write_bytes(ring(np.zeros((1, 3, 1, 4), np.int8)))
    done = ascmcu("try", model.parent / "ring.tflite", "--no-open", "--on", "host", "--limit", 3)
    assert done.status == 0, done
    assert "not compared with LiteRT: a network with state" in done.stdout


@pytest.mark.parametrize(
    ("inputs", "integer", "worst", "said"),
    [
        (3, True, 0.0, "outputs equal LiteRT's reference kernels bit for bit on 3 inputs"),
        (3, False, 0.0, "float outputs equal LiteRT's reference kernels on 3 inputs"),
        (3, False, 2e-7, "float outputs differ from LiteRT's reference kernels by 2e-07 at most on 3 inputs"),
        (0, False, 0.0, "not compared with LiteRT: why"),
    ],
)
def test_what_is_said_of_the_agreement(inputs: int, integer: bool, worst: float, said: str) -> None:
    assert trying.Agreement(inputs, integer, worst, "why").sentence == said


@pytest.mark.parametrize(
    ("told", "first"),
    [
        (
            "Axis must be 0. Was 3.Tensor 33 is bad.Axis must be 0. Was 3.Tensor 36 is bad.\nmore",
            "Axis must be 0. Was 3 …",
        ),
        ("Unresolved op: FOO v1.2\nNode 3 failed", "Unresolved op: FOO v1.2"),
    ],
)
def test_litert_s_refusal_is_said_once(told: str, first: str) -> None:
    assert litert._first(told) == first
