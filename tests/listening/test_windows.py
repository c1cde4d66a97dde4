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
from ascmcu.api.exporting import Export
from ascmcu.errors import FeatureError, InputError
from ascmcu.features import spec as specs
from ascmcu.features.pcm import to_pcm
from ascmcu.features.pcmspec import PcmSpec
from ascmcu.features.spec import FeatureSpec, Spec
from ascmcu.ir.types import Array
from ascmcu.toolchain.manifest import Manifest
from tests.support import listening, outside, recipes_flat
from tests.support.recipes import Recipe, Step

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
    deltas = specs.load_log_mel("kaldi_fbank").replace(n_mels=20, deltas=1, delta_edges="nearest")
    (tmp_path / "deltas.toml").write_text(deltas.to_toml())
    (tmp_path / "net.tflite").write_bytes(recipes_flat.make(_network_of((1, 98, 20, 2))))
    with pytest.raises(FeatureError, match="depend on the clip"):
        api.export(
            tmp_path / "net.tflite",
            "nucleo-f446",
            tmp_path / "no",
            features=tmp_path / "deltas.toml",
            listen=True,
            hop_s=0.1,
        )


def _network_of(shape: tuple[int, int, int, int]) -> Recipe:
    """A convolution along time without padding, the largest of its rows, classes."""
    kernel = (min(5, shape[1]), shape[2])
    return Recipe(
        shape, "int8", 5,
        (
            listening.conv(0, kernel, (1, 1), 6, same=False),
            Step("mean", (1,), {"axes": [1, 2], "keep": False}),
            Step("dense", (2,), {"units": 4, "flatten": False, "act": "none", "bias": True, "dead": 0}),
        ),
    )  # fmt: skip


def _file(path: Path, spec: Spec) -> Path:
    if isinstance(spec, PcmSpec):
        fields = f"""frontend = "pcm"
sample_rate_hz = {spec.sample_rate_hz}
clip_samples = {spec.clip_samples}
amplitude = "{spec.amplitude}"
"""
    else:
        assert isinstance(spec, FeatureSpec)
        fields = spec.to_toml()
    path.write_text(fields)
    return path


def _heard(folder: Path, spec: Spec, hop_s: float, pcm: npt.NDArray[np.int16]) -> tuple[Export, Array]:
    """The export that listens, and its scores of every full window."""
    (folder / "net.tflite").write_bytes(recipes_flat.make(_network_of(spec.input_shape)))
    features = _file(folder / "features.toml", spec)
    made = api.export(
        folder / "net.tflite", "nucleo-f446", folder / "build", features=features, listen=True, hop_s=hop_s
    )
    assert made.manifest.listening is not None
    return made, np.asarray(api.predict(folder / "build", audio=pcm[None]))[
        made.manifest.listening.warmup_hops :
    ]


def _clips(folder: Path, spec: Spec, parts: npt.NDArray[np.int16]) -> Array:
    features = _file(folder / "clip.toml", spec)
    api.export(folder / "net.tflite", "nucleo-f446", folder / "clip", features=features)
    return np.asarray(api.predict(folder / "clip", audio=parts))


@pytest.mark.parametrize("pad_mode", ["reflect", "constant"])
def test_centred_frames_hold_the_sound_beyond_the_ends_of_the_window(pad_mode: str, tmp_path: Path) -> None:
    """The same network with frames that are not centred, over windows that are longer by half a frame at either end."""
    spec = specs.load_log_mel("default").replace(
        n_mels=20, clip_samples=WINDOW, pad_mode=pad_mode, normalization="none"
    )
    pcm = _recording(5)
    made, heard = _heard(tmp_path, spec, 0.096, pcm)
    assert any("the first 1 and the last 1 of a window's 32 frames" in notice for notice in made.notices)
    whole = spec.replace(center=False, pad_mode="reflect", clip_samples=1024 + 31 * 512)
    starts = [(3 * hop + 3 - 32) * 512 for hop in range(10, 10 + len(heard))]
    parts = np.stack([pcm[start : start + whole.clip_samples] for start in starts])
    assert len(heard) > 15 and np.array_equal(heard, _clips(tmp_path, whole, parts))


def test_frames_around_the_middle_of_their_step_listen_too(tmp_path: Path) -> None:
    spec = specs.load_log_mel("kaldi_fbank_whole").replace(n_mels=20)
    made, heard = _heard(tmp_path, spec, 0.1, _recording(6))
    assert len(heard) > 15
    assert any("the first 1 and the last 1 of a window's 100 frames" in notice for notice in made.notices)


@pytest.mark.parametrize(("rows", "amplitude"), [(100, "full_scale"), (25, "int16")])
def test_windows_of_samples_equal_their_clips(rows: int, amplitude: str, tmp_path: Path) -> None:
    spec = PcmSpec(sample_rate_hz=8000, clip_samples=4000, rows=rows, amplitude=amplitude)  # type: ignore[arg-type]
    pcm = _recording(7)[::2][:12000]
    made, heard = _heard(tmp_path, spec, 0.06, np.ascontiguousarray(pcm))
    assert made.manifest.listening is not None and made.manifest.listening.kept
    starts = range((made.manifest.listening.warmup_hops + 1) * 480 - 4000, len(pcm) - 4000 + 1, 480)
    parts = np.stack([pcm[start : start + 4000] for start in starts])
    assert len(heard) > 15 and np.array_equal(heard, _clips(tmp_path, spec, parts))
