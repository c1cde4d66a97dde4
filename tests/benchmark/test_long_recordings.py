# SPDX-License-Identifier: Apache-2.0
"""Recordings of every length through a firmware: what ``--long`` makes of them, and what the result says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from ascmcu import api
from ascmcu.cli import cli
from ascmcu.features import extract
from ascmcu.features.pcm import Pcm
from ascmcu.features.spec import FeatureSpec
from ascmcu.quantize import metadata
from ascmcu.results import schema
from tests.data import made
from tests.data.made import Signal, noise, sound, wav
from tests.support import recipes_flat
from tests.support.recipes import Recipe, Step

pytestmark = pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="no cross compiler")
SPEC = FeatureSpec(
    sample_rate_hz=16000,
    clip_samples=16000,
    n_fft=512,
    win_length=512,
    hop_length=320,
    n_mels=16,
    center=False,
    normalization="mean_std",
)
LABELS = ("cat", "dog", "owl")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASCMCU_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights on one second of log-mel features."""
    folder = tmp_path_factory.mktemp("heard")
    window = {"kernel": [3, 3], "stride": [2, 2], "same": True, "act": "relu", "dilation": [1, 1], "dead": 0}
    steps = (
        Step("conv", (0,), {**window, "channels": 4, "groups": 1}),
        Step("mean", (1,), {"axes": [1, 2], "keep": False}),
        Step("dense", (2,), {"units": len(LABELS), "flatten": False, "act": "none", "bias": True, "dead": 0}),
    )
    recipe = Recipe((1, *SPEC.shape), "int8", 7, steps)
    spec = extract.fit(SPEC, [extract.extract(pcm, SPEC.unnormalized()) for pcm in (_pcm(1), _pcm(2))])
    (folder / "random.tflite").write_bytes(metadata.embedded(recipes_flat.make(recipe), spec, LABELS))
    api.export(folder / "random.tflite", board="nucleo-f446", folder=folder / "build")
    return folder / "build"


def _loud(seconds: float, seed: int) -> Signal:
    """Noise whose level changes, so that windows differ."""
    samples = noise(seconds, seed=seed)
    level = np.repeat([0.002, 1.0, 0.05, 0.3], 8000)
    return np.asarray(np.rint(samples * np.resize(level, len(samples)) * 32768) / 32768)


def _pcm(seed: int) -> Pcm:
    return np.rint(_loud(1.0, seed) * 32768).astype(np.int16)[:, None]


def _bench(export: Path, data: Path, *arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(cli, ["bench", str(export), "--on", "host", "--data", str(data), *arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        return 2, "", str(done.exception)
    return done.exit_code, done.stdout, done.stderr


def test_windows_are_the_mean_of_their_clips(export: Path, tmp_path: Path) -> None:
    """A long recording's scores are the mean of the scores of its windows, benched as files of their own."""
    long = _loud(3.25, 5)
    for name, start in (("1", 0), ("2", 16000), ("3", 32000), ("4", 36000)):
        made.put(tmp_path / "cut" / "dog" / f"{name}.wav", sound(long[start : start + 16000]))
    made.put(tmp_path / "long" / "dog" / "1.wav", sound(long))
    made.put(tmp_path / "long" / "owl" / "short.wav", sound(long[:8000]))
    cut = api.bench(export, on="host", data=tmp_path / "cut")
    whole = api.bench(
        export, on="host", data=tmp_path / "long", long="windows", save_outputs=tmp_path / "out.npy"
    )
    assert len(np.load(tmp_path / "out.npy")) == 5
    scores = np.array([clip.probabilities for clip in cut.clip_results])
    assert len(np.unique(scores, axis=0)) > 1
    first = whole.clip_results[0]
    assert first.probabilities == pytest.approx(scores.mean(axis=0), abs=2e-6)
    assert (first.name, first.predicted) == ("dog/1.wav", int(scores.mean(axis=0).argmax()))
    assert (whole.clips, len(whole.clip_results)) == (2, 2)
    assert sum(map(sum, whole.confusion or ())) == 2
    assert whole.recordings is not None
    assert (whole.recordings.long, whole.recordings.clips, whole.recordings.recordings) == ("windows", 5, 2)
    beginning = api.bench(export, on="host", data=tmp_path / "long")
    assert beginning.clip_results[0].probabilities == cut.clip_results[0].probabilities
    assert schema.load(export / "bench-host.json") == beginning


def test_how_long_ones_are_treated_is_said(export: Path, tmp_path: Path) -> None:
    made.put(tmp_path / "dog" / "1.wav", sound(np.append(np.zeros(20000), noise(1.0))))
    made.put(tmp_path / "owl" / "2.wav", sound(noise(0.5)))
    status, told, _ = _bench(export, tmp_path)
    flat = " ".join(told.split())
    assert status == 0
    assert (
        "1 of 2 recordings that begin with silence longer than the clip: nothing of them is used (dog/1.wav)"
        in flat
    )
    assert "1 of 2 recordings longer than the clip: their first 1 s are heard" in flat
    assert "1 of 2 recordings shorter than the clip: silence is added at the end" in flat
    status, told, _ = _bench(export, tmp_path, "--long", "windows")
    assert status == 0
    assert (
        "scores are the mean over windows of 1 s side by side, the last at the end (4 windows)"
        in " ".join(told.split())
    )
    status, told, _ = _bench(export, tmp_path, "--long", "windows", "--json")
    said = json.loads(told)["recordings"]
    assert said["findings"] == {"longer": 1, "shorter": 1} and said["long"] == "windows"
    status, _, error = _bench(export, tmp_path, "--long", "error")
    assert status == 2 and "1 of 2 recordings are longer than the clip" in error and "dog/1.wav" in error
    page = api.report(export)
    assert "4 windows" in page.read_text()


def test_nothing_is_scored_when_a_recording_cannot_be_used(export: Path, tmp_path: Path) -> None:
    made.put(tmp_path / "dog" / "1.wav")
    made.put(tmp_path / "owl" / "2.wav", made.raw(wav(b"")))
    made.put(tmp_path / "owl" / "3.m4a", made.raw(b"\0" * 99))
    before = sorted(export.glob("bench-*.jsonl"))
    status, _, error = _bench(export, tmp_path)
    assert status == 2
    assert "2 of 3 recordings cannot be used" in error
    assert "owl/2.wav: without samples" in error and "owl/3.m4a: unreadable (AAC or ALAC in MP4)" in error
    assert sorted(export.glob("bench-*.jsonl")) == before


def test_long_goes_with_recordings(export: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "in.npy", np.zeros((1, *SPEC.input_shape), np.int8))
    done = CliRunner().invoke(
        cli, ["bench", str(export), "--tensors", str(tmp_path / "in.npy"), "--long", "windows"]
    )
    assert done.exit_code == 2 and "--long goes with --data" in done.output


@pytest.mark.parametrize("source", ["model", "spec"])
def test_the_features_check_refuses_them_too(export: Path, tmp_path: Path, source: str) -> None:
    made.put(tmp_path / "data" / "dog" / "1.wav", made.raw(wav(b"")))
    front = {"model": ["--model", str(export.parent / "random.tflite")], "spec": ["--spec", "default"]}[
        source
    ]
    done = CliRunner().invoke(cli, ["features", "check", *front, "--data", str(tmp_path / "data")])
    assert "without samples" in str(done.exception) and "1.wav" in str(done.exception)
