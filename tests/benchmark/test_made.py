# SPDX-License-Identifier: Apache-2.0
"""Inputs that are made, what LiteRT answers to some, and how far repeated counts are told to lie apart."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ascmcu.benchmark import journal, litert, made
from ascmcu.features import spec as feature_specs
from ascmcu.frontends import tflite
from ascmcu.ir import interp
from ascmcu.toolchain.manifest import TensorSpec
from tests.support import recipes_flat
from tests.support.recipes import Recipe, Step

SPEC = feature_specs.load("dcase2022_baseline")


@pytest.fixture(scope="module")
def audio() -> dict[str, Any]:
    return {name: pcm.astype(np.int64) for name, pcm in itertools.islice(made._audio(SPEC), 10)}


def test_audio_begins_with_extremes(audio: dict[str, Any]) -> None:
    assert list(audio)[:5] == ["silence", "impulse", "one step", "square wave", "tone"]
    assert {pcm.shape for pcm in audio.values()} == {(SPEC.clip_samples, SPEC.audio_channels)}
    assert not audio["silence"].any() and (audio["one step"] == 1).all()
    places = np.flatnonzero(audio["impulse"][:, 0])
    assert places.tolist() == [SPEC.clip_samples // 2] and audio["impulse"].max() == 32767
    square = audio["square wave"][:, 0]
    assert square[:48].tolist() == [-32768] * 16 + [32767] * 16 + [-32768] * 16


def test_the_tone_is_one_of_a_kilohertz(audio: dict[str, Any]) -> None:
    tone = audio["tone"][: SPEC.sample_rate_hz, 0].astype(float)
    power = np.abs(np.fft.rfft(tone)) ** 2
    assert int(power.argmax()) == 1000 and power[1000] > 0.999 * power.sum()
    assert np.sqrt(2 * np.mean(tone**2)) == pytest.approx(32767, rel=1e-4)


def test_noise_is_of_four_levels_in_turn(audio: dict[str, Any]) -> None:
    names = [f"noise {n}" for n in range(1, 6)]
    assert list(audio)[5:] == names
    levels = [20 * np.log10(np.std(audio[name]) / 32767) for name in names]
    # The loudest is clipped now and then.
    assert levels == [pytest.approx(level, abs=0.5) for level in (-6, -20, -40, -60, -6)]
    again = dict(itertools.islice(made._audio(SPEC), 10))
    assert all(np.array_equal(again[name], audio[name]) for name in names)
    assert not np.array_equal(audio["noise 1"], audio["noise 5"])


@pytest.mark.parametrize(
    ("dtype", "low", "high", "zero"),
    [("int8", -128, 127, 3), ("int16", -32768, 32767, 3), ("float32", -1, 1, 0)],
)
def test_tensors_begin_with_extremes(dtype: str, low: int, high: int, zero: int) -> None:
    spec = TensorSpec("x", (1, 3, 5), dtype, 0.5, 3, 3, 5, (0, 1, 2))
    found = dict(itertools.islice(made._values(spec, made.SEED), 7))
    assert list(found) == ["smallest", "largest", "zero", "alternating", "noise 1", "noise 2", "noise 3"]
    assert {(x.shape, str(x.dtype)) for x in found.values()} == {((1, 3, 5), dtype)}
    assert [set(found[name].flat) for name in ("smallest", "largest", "zero")] == [{low}, {high}, {zero}]
    assert found["alternating"].reshape(-1)[:3].tolist() == [low, high, low]
    assert not np.array_equal(found["noise 1"], found["noise 2"])
    other = dict(itertools.islice(made._values(spec, made.SEED + 1), 7))
    same = {name for name in found if np.array_equal(found[name], other[name])}
    assert same == {"smallest", "largest", "zero", "alternating"}, "several inputs have noise of their own"


def test_litert_answers_what_the_interpreter_does() -> None:
    dense = {"units": 5, "flatten": True, "act": "relu", "bias": True, "dead": 0}
    data = recipes_flat.make(Recipe((1, 9, 4, 2), "int8", 3, (Step("dense", (0,), dense),)))
    graph, rng = tflite.parse(data, "net"), np.random.default_rng(1)
    inputs = [(rng.integers(-128, 128, 72).astype(np.int8),) for _ in range(3)]
    answers = list(litert.answers(data, inputs))
    assert len({found.tobytes() for (found,) in answers}) == 3
    for (x,), (found,) in zip(inputs, answers, strict=True):
        assert np.array_equal(found, interp.run(graph, [x.reshape(1, 9, 4, 2)])[0])


@pytest.mark.parametrize(
    ("repeats", "told"),
    [
        (
            [[1000, 1010, 1002], [2000, 2001, 2004]],
            "network 1,000 … 2,004 counts; one clip's lie at most 10 apart (0.998 %)",
        ),
        ([[500, 500], [], [800, 808]], "network 500 … 808 counts; one clip's lie at most 8 apart (0.990 %)"),
        ([[0, 0], [0, 0]], "nothing counts here"),
        ([], "nothing counts here"),
    ],
)
def test_repeated_counts_are_told_in_words(repeats: list[list[int]], told: str, tmp_path: Path) -> None:
    """Of the newest run; a part of the middle one of a clip's counts."""
    (tmp_path / "bench-old.jsonl").write_text(json.dumps({"repeats": [1, 9]}) + "\n")
    os.utime(tmp_path / "bench-old.jsonl", (1, 1))
    lines = [{"head": 1}, *({"repeats": found} for found in repeats)]
    (tmp_path / "bench-new.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    assert journal.repeatability(tmp_path) == told
