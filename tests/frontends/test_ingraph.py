# SPDX-License-Identifier: Apache-2.0
"""Features that a file begins with: found, described, proved equal, and computed by the front end in their place."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from ascmcu import api
from ascmcu.cli import cli
from ascmcu.errors import ModelError
from ascmcu.features.microspec import MicroSpec
from ascmcu.features.spec import FeatureSpec
from ascmcu.frontends import tflite
from ascmcu.frontends.flatbuffer import root
from ascmcu.frontends.ingraph import floats, operators, proof
from tests.support import audio_graphs
from tests.support.litert import Reference

_TF: dict[str, Any] = {
    "sample_rate_hz": 16000, "clip_samples": 8000, "n_fft": 512, "win_length": 400, "hop_length": 160,
    "window_place": "start", "center": False, "n_mels": 40, "fmin_hz": 20.0, "fmax_hz": 7600.0, "mel_scale": "htk",
    "mel_norm": "none", "mel_triangles": "mel", "log_offset": 1e-6,
}  # fmt: skip
_KERAS = {
    **_TF, "center": True, "window_place": "center", "fmax_hz": 8000.0, "log": "db", "log_offset": 0.0,
    "log_floor": 1e-10, "top_db": 80.0, "layout": "mel_time",
}  # fmt: skip
_LIBROSA = {
    **_TF, "sample_rate_hz": 22050, "win_length": 512, "window_place": "center", "center": True, "hop_length": 256,
    "fmin_hz": 0.0, "fmax_hz": 11025.0, "mel_scale": "slaney", "mel_norm": "slaney", "mel_triangles": "hz",
    "pad_mode": "constant", "n_mels": 32,
}  # fmt: skip
SPECS: dict[str, FeatureSpec] = {
    "tf.signal, magnitudes": FeatureSpec(**{**_TF, "power": 1}),
    "tf.signal, powers": FeatureSpec(**_TF),
    "Keras' MelSpectrogram": FeatureSpec(**_KERAS),
    "librosa": FeatureSpec(**_LIBROSA),
    "torchaudio, another rate": FeatureSpec(
        **{**_TF, "sample_rate_hz": 8000, "fmin_hz": 0.0, "fmax_hz": 4000.0, "mel_triangles": "hz", "n_mels": 24}
    ),
    "a spectrogram": FeatureSpec(
        clip_samples=8000, n_fft=256, win_length=256, hop_length=128, window_place="start", center=False, power=1,
        filters="none", n_mels=129, log="none", log_offset=0.0, window="hamming", window_symmetric=True,
    ),
    "figures of the training set": FeatureSpec(
        **_TF, normalization="mean_std", mean=((-3.0, -2.5) * 20,), std=((2.0, 1.5) * 20,)
    ),
    "a range": FeatureSpec(**_TF, normalization="range", range_low=-14.0, range_high=6.0),
}  # fmt: skip


def _found(data: bytes) -> Any:
    front = tflite.front_end(data, "made.tflite")
    assert front is not None
    return front


@pytest.mark.parametrize("name", SPECS)
def test_finds_the_spec(name: str) -> None:
    """What the graph was made by comes back, but for roundings of its constants."""
    spec = SPECS[name]
    found = _found(audio_graphs.stft(spec)).spec
    for field, wanted in spec.to_dict().items():
        got = getattr(found, field)
        if isinstance(wanted, float | list):
            np.testing.assert_allclose(np.array(got), np.array(wanted), rtol=1e-5, atol=1e-12, err_msg=field)
        elif field != "pad_mode" or spec.center:
            assert got == wanted, field
    assert (found.log_offset, found.log_floor) == (spec.log_offset, spec.log_floor), "in their shortest form"


@pytest.mark.parametrize("restored", [True, False])
def test_filters_behind_a_reshape(restored: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A matmul of (-1, bins) makes (rows, bands); they are features where a reshape puts the axis of examples back."""
    spec = SPECS["tf.signal, magnitudes"]

    def filters(f: audio_graphs.File, spec: FeatureSpec, matrix: Any) -> None:
        offset = f.constant(np.full(spec.n_mels, spec.log_offset))
        weights = f.constant(audio_graphs.tables.mel_segments(spec).matrix(spec.bins))
        f.apply("FULLY_CONNECTED", (spec.frames, spec.n_mels), weights, offset)
        if restored:
            shape = (1, spec.frames, spec.n_mels)
            f.apply("RESHAPE", shape, f.constant(shape, "int32"))

    def logarithm(f: audio_graphs.File, spec: FeatureSpec) -> None:
        f.apply("LOG", (1,) * restored + (spec.frames, spec.n_mels))

    monkeypatch.setattr(audio_graphs, "_filters", filters)
    monkeypatch.setattr(audio_graphs, "_logarithm", logarithm)
    front = _found(audio_graphs.stft(spec, network=False))
    assert front.spec.filters == ("mel" if restored else "none")
    assert ("stays in the network" in front.words) == (not restored)


def test_rows_are_turned_by_the_network() -> None:
    """Bands by time are the front end's where the tensor says which axis is the channel's."""
    data = audio_graphs.stft(SPECS["Keras' MelSpectrogram"], channel=False)
    assert _found(data).spec == _found(audio_graphs.stft(SPECS["Keras' MelSpectrogram"])).spec.replace(
        layout="time_mel"
    )


@pytest.mark.parametrize("name", SPECS)
def test_operators_are_those_of_the_reference(name: str) -> None:
    """What the proof runs is what LiteRT computes, at every operator up to the features."""
    data = audio_graphs.stft(SPECS[name], network=False)
    graph = operators.read(root(data, name), name)
    assert len(graph.operators) > 5
    for clip in proof.signals(SPECS[name].clip_samples)[:3]:
        samples = clip[:, 0].astype(np.float32) / 32768
        reference = Reference(data)
        reference([samples[None]])
        for op in graph.operators:
            found = floats.run(graph, {0: samples[None].astype(np.float64)}, op.outputs[0])
            expected = reference.tensor(op.outputs[0])
            scale = max(float(np.abs(expected).max()), 1e-9)
            np.testing.assert_allclose(found, expected, atol=2e-5 * scale, rtol=2e-3, err_msg=op.name)


@pytest.mark.parametrize("name", ["tf.signal, magnitudes", "Keras' MelSpectrogram", "librosa"])
def test_scores_are_those_of_the_whole_file(name: str, tmp_path: Path) -> None:
    """Recordings through the generated front end and network, against LiteRT with the features in its graph."""
    spec = SPECS[name]
    data = audio_graphs.stft(spec)
    (tmp_path / "net.tflite").write_bytes(data)
    clips = proof.signals(spec.clip_samples)
    for number, clip in enumerate(clips):
        (tmp_path / "sounds" / "all").mkdir(parents=True, exist_ok=True)
        soundfile.write(
            tmp_path / "sounds" / "all" / f"{number}.wav", clip, spec.sample_rate_hz, subtype="PCM_16"
        )
    exported = api.export(tmp_path / "net.tflite", "nucleo-f446", tmp_path / "build")
    assert any("features in the graph" in notice for notice in exported.notices)
    (tmp_path / "labels.txt").write_text("all\nb\nc\nd\n")
    api.bench(
        tmp_path / "build", on="host", data=tmp_path / "sounds", labels=[tmp_path / "labels.txt"],
        save_outputs=tmp_path / "scores.npy",
    )  # fmt: skip
    found = np.load(tmp_path / "scores.npy").reshape(len(clips), -1)
    expected = [
        Reference(data)([clip[:, 0].astype(np.float32)[None] / 32768])[0].reshape(-1) for clip in clips
    ]
    np.testing.assert_allclose(found, np.array(expected), rtol=1e-3, atol=2e-3)


_RANDOM = np.random.default_rng(1)
REFUSED: dict[str, tuple[bytes, str]] = {
    "a window of somebody's own": (
        audio_graphs.stft(SPECS["tf.signal, powers"], window=_RANDOM.uniform(0.1, 1, 400)),
        "48 frames of 400 samples every 160, unknown window, FFT of 512.*40 filters.*a window that has no name",
    ),
    "a clamped estimate": (
        audio_graphs.signal_library(MicroSpec(), clamping=True),
        "window of 480 samples, FFT of 512, 40 filters.*SignalPCAN",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_says_what_was_found(name: str) -> None:
    data, told = REFUSED[name]
    with pytest.raises(ModelError, match="begins with features of audio") as caught:
        tflite.front_end(data, name)
    assert "--features" in str(caught.value)
    assert re.search(told, str(caught.value).replace("\n", " ")), str(caught.value)


def test_filters_of_somebodys_own_are_a_layer() -> None:
    """What no specification has stays in the network; the spectrum before it is the front end's."""
    data = audio_graphs.stft(SPECS["tf.signal, powers"], matrix=_RANDOM.uniform(0, 1, (40, 257)))
    front = _found(data)
    assert (front.spec.filters, front.spec.power, front.spec.log, front.spec.shape) == (
        "none",
        2,
        "none",
        (48, 257, 1),
    )
    kinds = [node.op.kind() for node in tflite.parse(data, "made.tflite", front).nodes]
    assert any("dense" in kind or "connected" in kind for kind in kinds), kinds


@pytest.mark.parametrize("library", ["signal", "microfrontend"])
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"n_mels": 32, "fmin_hz": 60.0, "fmax_hz": 3800.0, "sample_rate_hz": 8000, "window_ms": 32},
        {"even_smoothing": 0.1, "odd_smoothing": 0.2, "min_signal_remaining": 0.25, "log_shift": 5},
    ],
    ids=["as published", "8 kHz", "other smoothing"],
)
def test_signal_library(library: str, fields: dict[str, Any]) -> None:
    spec = MicroSpec(**{"clip_samples": 8000, "library": library, **fields})
    spec = spec.replace(clip_samples=spec.window_samples)
    front = _found(audio_graphs.signal_library(spec))
    found = front.spec
    close = {
        name: getattr(spec, name) for name in ("even_smoothing", "odd_smoothing", "min_signal_remaining")
    }
    for name, wanted in close.items():
        assert abs(getattr(found, name) - wanted) < 1e-4
    assert found.replace(**close) == spec
    assert "14,400 of 14,400" in front.evidence or "11,520 of 11,520" in front.evidence


def test_front_end_alone(tmp_path: Path) -> None:
    """A file without a network: inspect says which specification is equal, export that a network is missing."""
    path = tmp_path / "preprocessor.tflite"
    path.write_bytes(audio_graphs.signal_library(MicroSpec(library="signal", clip_samples=480)))
    shown = CliRunner().invoke(cli, ["inspect", str(path)])
    assert shown.exit_code == 0 and "tflm_audio_preprocessor" in shown.output and "SignalRfft" in shown.output
    made = CliRunner().invoke(
        cli, ["export", str(path), "--board", "nucleo-f446", "-o", str(tmp_path / "build")]
    )
    assert isinstance(made.exception, ModelError) and "no network" in str(made.exception)
    assert not (tmp_path / "build").exists()


def test_inspect_names_the_features(tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(audio_graphs.stft(SPECS["tf.signal, powers"]))
    found = api.inspect(path)
    assert (
        found.input_shape == (1, 48, 40) and "48 frames of 400 samples every 160" in found.features_in_graph
    )
    shown = CliRunner().invoke(cli, ["inspect", str(path)]).output.replace("\n", " ")
    assert "features in the graph: 48 frames" in shown


def test_a_network_of_convolutions_is_left_alone() -> None:
    f = audio_graphs.File()
    f.tensor("audio", (1, 1, 4000, 1))
    kernels, bias = f.constant(_RANDOM.normal(size=(8, 1, 32, 1))), f.constant(np.zeros(8))
    steps = {"strideW": 8, "strideH": 1, "dilationWFactor": 1, "dilationHFactor": 1}
    f.apply("CONV_2D", (1, 1, 496, 8), kernels, bias, padding=1, **steps)
    assert tflite.front_end(f.bytes(), "net.tflite") is None
