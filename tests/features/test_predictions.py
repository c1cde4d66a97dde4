# SPDX-License-Identifier: Apache-2.0
"""What a network hears through librosa and through the generated front end."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from ascmcu.benchmark import parity
from ascmcu.cli import cli
from ascmcu.data import synth
from ascmcu.features import spec as specs
from ascmcu.frontends import tflite
from ascmcu.quantize import metadata
from tests.features.signals import fitted, needs_esc10, noise, recordings
from tests.support import recipes_flat
from tests.support.recipes import Recipe, Step

LABELS = ("rain", "sea", "wind")
CLIPS = 6


def _model(spec: specs.FeatureSpec) -> bytes:
    """A convolution, a mean and a dense layer with random weights, on the features of ``spec``."""
    window = {"kernel": [3, 3], "stride": [2, 2], "same": True, "act": "relu", "dilation": [1, 1], "dead": 0}
    steps = (
        Step("conv", (0,), {**window, "channels": 4, "groups": 1}),
        Step("mean", (1,), {"axes": [1, 2], "keep": False}),
        Step("dense", (2,), {"units": len(LABELS), "flatten": False, "act": "none", "bias": True, "dead": 0}),
    )
    recipe = Recipe((1, *spec.shape), "int8", 7, steps)
    return metadata.embedded(recipes_flat.make(recipe), spec, LABELS)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = specs.load_log_mel("default")
    path = tmp_path_factory.mktemp("model") / "random.tflite"
    path.write_bytes(_model(fitted(base, recordings(base, CLIPS))))
    return path


@needs_esc10
def test_recordings_are_predicted_alike(model: Path) -> None:
    from tests.features.signals import ESC10

    arguments = f"features check --model {model} --data {ESC10.parent} --split fold5 --limit {CLIPS} --json"
    found = CliRunner().invoke(cli, arguments.split())
    assert found.exit_code == 0, found.output
    report = json.loads(found.output)
    assert report["clips"] == CLIPS
    assert all(margin <= 1 for margin in report["differing"].values())


def test_another_front_end_is_noticed() -> None:
    """The margin is that of librosa's scores, and features of another window change them."""
    spec = specs.load_log_mel("default").unnormalized()
    graph = tflite.parse(_model(spec), "random")
    x = graph.tensors[graph.inputs[0]]
    q, pcm = parity.Quantization(x.scale, x.zero_point), noise(spec)
    same = parity.predictions(graph, spec, [pcm], q)[0]
    other = parity.predictions(graph, spec, [np.zeros_like(pcm)], q)[0]
    assert same.agree
    assert not np.array_equal(same.librosa, other.librosa)
    scores = np.sort(same.librosa)
    assert same.margin_percent == pytest.approx(100 * (scores[-1] - scores[-2]) / np.abs(scores).sum())


def test_predictions_are_told_clip_by_clip(tmp_path: Path) -> None:
    """Synthetic scenes, and one clip that the two front ends are made to hear differently."""
    spec = fitted(specs.load_log_mel("default"))
    (tmp_path / "random.tflite").write_bytes(_model(spec))
    synth.write(tmp_path / "scenes", synth.SynthSpec(clips_per_scene=1, clip_seconds=1.0))
    arguments = ["features", "check", "--model", f"{tmp_path}/random.tflite", "--data", f"{tmp_path}/scenes"]
    found = CliRunner().invoke(cli, arguments)
    assert found.exit_code == 0 and "6 of 6 predictions alike" in found.stdout, found.output
    heard = parity.predictions

    def misheard(*given: object) -> list[parity.Heard]:
        first, *others = heard(*given)  # type: ignore[arg-type]
        return [dataclasses.replace(first, device=np.roll(first.librosa, 1)), *others]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parity, "predictions", misheard)
        found = CliRunner().invoke(cli, arguments)
    assert "5 of 6 predictions alike" in found.stdout
    told = re.search(r"(\w+) with librosa, (\w+) on the device; margin ([\d.]+) %", found.stdout)
    assert told and told[1] in LABELS and told[2] in LABELS and told[1] != told[2]
    assert found.exit_code == int(float(told[3]) > 1), "a clear difference breaks the check, a tie does not"


def test_either_a_specification_or_a_model() -> None:
    found = CliRunner().invoke(cli, ["features", "check", "--data", "."])
    assert found.exit_code == 2
    assert "either SPEC or --model" in found.output
