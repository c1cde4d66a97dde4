# SPDX-License-Identifier: Apache-2.0
"""A firmware that listens: the scores of each window are those of a firmware of clips that hears the same samples."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from ascmcu import api
from ascmcu.errors import FeatureError, InputError
from ascmcu.features import spec as specs
from ascmcu.features.pcm import to_pcm
from ascmcu.toolchain.manifest import Manifest
from tests.support import listening, outside, recipes_flat

RECORDINGS = outside.dataset("esc10") / "audio"
HOP_S, HOP, WINDOW, SECONDS = 0.1, 1600, 16000, 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network over a second of log-mel rows, as firmware for clips and as one that listens."""
    place = tmp_path_factory.mktemp("listening")
    (place / "net.tflite").write_bytes(recipes_flat.make(listening.keyword_network(same=True, channels=8)))
    (place / "spec.toml").write_text(listening.features(bands=40))
    for name, asked in (("clip", {}), ("listen", {"listen": True, "window_s": 1.0, "hop_s": HOP_S})):
        api.export(place / "net.tflite", "nucleo-f446", place / name, features=place / "spec.toml", **asked)  # type: ignore[arg-type]
    return place


def _recording(number: int) -> npt.NDArray[np.int16]:
    """Seconds of a recording of ESC-10, or of noise whose level wanders where that is not there."""
    spec = specs.load("kaldi_fbank")
    files = sorted(RECORDINGS.glob("*.ogg"))
    if not files:
        rng = np.random.default_rng(number)
        # Loud noise alone takes every input of the network to the end of its type.
        level_db = np.interp(
            np.arange(SECONDS * WINDOW), np.linspace(0, SECONDS * WINDOW, 13), rng.uniform(-10, 70, 13)
        )
        return np.rint(rng.normal(0, 1, SECONDS * WINDOW) * 10 ** (level_db / 20)).astype(np.int16)
    pcm = to_pcm(*soundfile.read(files[number], dtype="float64", always_2d=True), spec)
    return np.ascontiguousarray(pcm[: SECONDS * WINDOW, 0])


@pytest.mark.parametrize("number", [0, 57])
def test_every_window_of_a_recording_equals_its_clip(number: int, folder: Path) -> None:
    pcm = _recording(number)
    heard = np.asarray(api.predict(folder / "listen", audio=pcm[None]))
    listened = Manifest.load(folder / "listen").listening
    assert listened is not None and (listened.hop_rows, listened.warmup_hops) == (10, 9)
    assert listened.kept
    # A window begins as many rows before the end of its hop as a clip has.
    starts = [(10 * (hop + 1) - 98) * 160 for hop in range(9, len(heard))]
    clips = np.stack([pcm[start : start + WINDOW] for start in starts if start + WINDOW <= len(pcm)])
    right = np.asarray(api.predict(folder / "clip", audio=clips))
    assert len(clips) > 15 and len({answer.tobytes() for answer in right}) > 1
    assert np.array_equal(heard[9 : 9 + len(clips)], right)


def test_a_benchmark_holds_windows_against_the_interpreter(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "any").mkdir()
    soundfile.write(tmp_path / "any" / "3.wav", _recording(3), WINDOW, subtype="PCM_16")
    found = api.bench(folder / "listen", on="host", data=tmp_path)
    # Three seconds are 29 hops behind the first; nine end no full window.
    assert re.search(r"[1-8] of 20 windows held against the integer interpreter: equal", found.runner_detail)
    assert found.run_title == "step" and found.state_bytes > 98 * 40


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({}, "how far do the windows lie apart"),
        ({"hop_s": 0.105}, "multiple of the 10 ms"),
        ({"hop_s": 1.0}, "windows must overlap"),
        ({"window_s": 2.0, "hop_s": 0.1}, "windows of another length"),
    ],
)
def test_windows_that_a_network_cannot_have(asked: dict[str, float], message: str, folder: Path) -> None:
    with pytest.raises(InputError, match=message):
        api.export(
            folder / "net.tflite",
            "nucleo-f446",
            folder / "no",
            features=folder / "spec.toml",
            listen=True,
            **asked,
        )  # type: ignore[arg-type]
    assert not (folder / "no").exists()


def test_what_cannot_listen(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="only a network with a front end listens"):
        api.export(
            folder / "net.tflite", "nucleo-f446", tmp_path / "no", features=False, listen=True, hop_s=0.1
        )
    centred = specs.load_log_mel("default").replace(n_mels=40, hop_length=160, clip_samples=97 * 160)
    (tmp_path / "centred.toml").write_text(centred.to_toml())
    with pytest.raises(FeatureError, match="depend on the clip"):
        api.export(
            folder / "net.tflite",
            "nucleo-f446",
            tmp_path / "no",
            features=tmp_path / "centred.toml",
            listen=True,
            hop_s=0.1,
        )
