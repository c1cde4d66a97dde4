# SPDX-License-Identifier: Apache-2.0
"""Recordings that are built of clips, and streams whose events a firmware cannot find: a library on the host."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from ascmcu import api
from ascmcu.api import profiling, streaming
from ascmcu.benchmark import made
from ascmcu.benchmark.windows import Windows
from ascmcu.errors import GeneratedCodeError, InputError
from ascmcu.ir.types import Array
from ascmcu.listening import truths
from ascmcu.results import streams
from ascmcu.toolchain.manifest import Manifest
from tests.listening.test_listen_h import DECISIONS
from tests.support import listening, recipes_flat


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("mix")
    (place / "net.tflite").write_bytes(recipes_flat.make(listening.keyword_network(same=True, channels=4)))
    (place / "spec.toml").write_text(listening.features(bands=40))
    (place / "decisions.toml").write_text(DECISIONS)
    api.export(
        place / "net.tflite", "nucleo-f446", place / "build", features=place / "spec.toml", listen=True, hop_s=0.1,
        decisions=place / "decisions.toml", output="library",
    )  # fmt: skip
    rng = np.random.default_rng(5)
    for folder, label in (("clips", "8"), ("clips", "other"), ("others", "other")):
        (place / folder / label).mkdir(parents=True)
        for number in range(2):
            soundfile.write(place / folder / label / f"{number}.wav", rng.normal(0, 0.1, 12000), 16000)
    return place


def _mix(place: Path, recording: Path, events: Path, clips: str = "clips") -> int:
    return streaming.mix_stream(
        place / clips, recording, events, folder=place / "build", minutes=0.5, snrs_db=[30]
    )


@pytest.mark.parametrize("there", ["own.wav", "own.csv", "both", "a link to nothing"])
def test_a_mixture_replaces_no_file(there: str, place: Path, tmp_path: Path) -> None:
    recording, events = tmp_path / "own.wav", tmp_path / "own.csv"
    if there == "a link to nothing":
        events.symlink_to(tmp_path / "none")
    for path in (recording, events):
        if there in (path.name, "both"):
            path.write_text("by hand")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InputError, match="is there already"):
        _mix(place, recording, events)
    assert sorted(tmp_path.iterdir()) == before
    assert all(path.read_text() == "by hand" for path in before if not path.is_symlink())


def _nowhere(path: Path, content: str | bytes) -> None:
    raise InputError("a file cannot be written", where=str(path))


def test_a_recording_is_not_left_without_its_events(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write: Callable[[Path, str | bytes], None] = _nowhere
    monkeypatch.setattr(streaming, "write_whole", write)
    with pytest.raises(InputError, match="cannot be written"):
        _mix(place, tmp_path / "long.wav", tmp_path / "long.csv")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("recording", "events", "clips", "message"),
    [
        ("a.wav", "a.wav", "clips", "one file"),
        ("a.txt", "a.csv", "clips", "not the name of a recording"),
        ("a", "a.csv", "clips", "not the name of a recording"),
        ("a.wav", "a.csv", "others", "no event is of a class"),
    ],
)
def test_what_cannot_be_mixed(
    recording: str, events: str, clips: str, message: str, place: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        _mix(place, tmp_path / recording, tmp_path / events, clips)
    assert not list(tmp_path.iterdir())


def test_a_mixture_with_classes_that_no_rule_has(place: Path, tmp_path: Path) -> None:
    recording, events = tmp_path / "long.wav", tmp_path / "long.csv"
    assert _mix(place, recording, events) == len(truths.read(events)) > 3
    result = streaming.bench_stream(place / "build", recording, events, on="host")
    assert any("of a class without a rule: other" in line for line in streams.summary(result))


@pytest.mark.parametrize(
    ("table", "seconds", "message"),
    [
        ("1,2,other\n", 3.0, "no event is of a class"),
        ("30,31,8\n", 3.0, "all events lie behind the end"),
        ("0,0.1,8\n", 0.5, "holds no full window"),
        ("30,31,8\n", 0.5, "holds no full window"),
    ],
)
def test_streams_in_which_nothing_can_be_found(
    table: str, seconds: float, message: str, place: Path, tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(round(seconds * 16000)), 16000)
    (tmp_path / "a.csv").write_text("onset,offset,label\n" + table)
    with pytest.raises(InputError, match=message):
        streaming.bench_stream(place / "build", tmp_path / "a.wav", tmp_path / "a.csv", on="host")


def test_figures_of_nothing_are_dashes(place: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(1).normal(0, 0.1, 48000), 16000)
    (tmp_path / "a.csv").write_text("onset,offset,label\n0.2,0.4,8\n")
    result = streaming.bench_stream(place / "build", tmp_path / "a.wav", tmp_path / "a.csv", on="host")
    lines = streams.summary(result)
    assert all("– of 0 missed" in line and line.endswith("F1 –") for line in lines if "threshold" in line)
    assert any("the part that is judged holds no event" in line for line in lines)
    # Three seconds are 29 hops with the first; the first nine end no full window.
    assert any(re.match("[1-8] of 20 windows held against the integer interpreter: equal", x) for x in lines)
    judged = json.loads(result.to_json())["rules"][0]["judged"]
    assert judged["f1"] is judged["miss_rate"] is None


@pytest.mark.parametrize(
    ("limit", "told"),
    [
        (None, "[1-8] of 12 windows held against the integer interpreter: equal"),
        (10, "1 of 1 windows held against the integer interpreter: equal"),
        (9, "no window was full"),
    ],
)
def test_made_inputs_fill_windows(limit: int | None, told: str, place: Path) -> None:
    found = api.bench(place / "build", on="host", limit=limit)
    assert re.search(told, found.runner_detail)
    assert found.clips == (21 if limit is None else limit)


def test_a_profile_runs_a_first_hop(place: Path) -> None:
    found = made.separate(Manifest.load(place / "build")).clips
    assert not any(clip.follows for clip in found)
    assert profiling._NOISE in {clip.name for clip in found}


def test_a_wrong_score_of_a_stream_is_found(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = Windows.__call__

    def wrong(self: Windows, inputs: Sequence[Array]) -> list[Array] | None:
        found = right(self, inputs)
        return None if found is None else [x ^ 1 for x in found]

    monkeypatch.setattr(Windows, "__call__", wrong)
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(1).normal(0, 0.1, 48000), 16000)
    (tmp_path / "a.csv").write_text("onset,offset,label\n0.2,0.4,8\n")
    with pytest.raises(GeneratedCodeError, match="outputs differ from the network's"):
        streaming.bench_stream(place / "build", tmp_path / "a.wav", tmp_path / "a.csv", on="host")


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        ({"output": "library", "decisions": True}, "leave --format out, or --microphone"),
        ({"output": "zephyr"}, "leave --format out, or --microphone"),
        ({}, "add --decisions FILE.toml"),
        ({"listen": False}, "add --listen and --decisions FILE.toml"),
    ],
)
def test_what_has_no_microphone(asked: dict[str, Any], hint: str, place: Path, tmp_path: Path) -> None:
    given = {"listen": True, "hop_s": 0.1, **asked}
    if asked.get("decisions"):
        given["decisions"] = place / "decisions.toml"
    with pytest.raises(InputError) as caught:
        api.export(
            place / "net.tflite", "nucleo-f446", tmp_path / "no", features=place / "spec.toml", microphone="i2s",
            **given,
        )  # fmt: skip
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("event", "message"),
    [('label = "yes"', "label\n.*a number from 0 to 9"), ("label = 8\non = 1.6", "on\n.*at most 0.996094")],
)
def test_wrong_decisions_name_their_file(event: str, message: str, place: Path, tmp_path: Path) -> None:
    path = tmp_path / "d.toml"
    path.write_text(f"[[event]]\n{event}\n" + ("on = 0.5\n" if "on =" not in event else ""))
    with pytest.raises(InputError) as caught:
        api.export(
            place / "net.tflite", "nucleo-f446", tmp_path / "no", features=place / "spec.toml", listen=True, hop_s=0.1,
            decisions=path, output="library",
        )  # fmt: skip
    assert re.search(rf"{re.escape(str(path))}, event\[0\], {message}", str(caught.value))


@pytest.mark.parametrize(
    ("hop_s", "window_s", "told"),
    [
        (0.1, None, []),
        (0.1, 1.0, ["is heard as 98 frames"]),
        (0.05, None, ["--hop 40ms or --hop 60ms shares some"]),
    ],
)
def test_what_an_export_says_of_its_windows(
    hop_s: float, window_s: float | None, told: list[str], place: Path, tmp_path: Path
) -> None:
    found = api.export(
        place / "net.tflite", "nucleo-f446", tmp_path / "it", features=place / "spec.toml", listen=True, hop_s=hop_s,
        window_s=window_s, output="library",
    )  # fmt: skip
    said = [notice for notice in found.notices if "window" in notice]
    assert len(said) == len(told) and all(part in notice for part, notice in zip(told, said, strict=True))
