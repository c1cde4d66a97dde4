# SPDX-License-Identifier: Apache-2.0
"""Front ends of more than two channels: recordings of several microphones, over the wire, to the network's scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from ascmcu import api
from ascmcu.cli import cli
from ascmcu.data import audio
from ascmcu.errors import DataError
from ascmcu.features import extract
from ascmcu.features.spec import FeatureSpec
from tests.features import any_specs
from tests.support.litert import Reference
from tests.support.tflite_builder import OperatorSpec, TensorSpec, build

RATE_HZ = 8000
CLIPS = 3


def _spec(channels: int) -> FeatureSpec:
    return FeatureSpec(
        sample_rate_hz=RATE_HZ, clip_samples=4000, channels=str(channels), n_fft=256, win_length=256, hop_length=200,
        n_mels=20, fmax_hz=4000.0, center=False, log_offset=1e-6,
    )  # fmt: skip


def _network(spec: FeatureSpec) -> bytes:
    """Scores from all features of all channels."""
    rng = np.random.default_rng(3)
    size = int(np.prod(spec.shape))
    tensors = [
        TensorSpec("features", spec.input_shape, "int8", (0.08,), 40),
        TensorSpec("shape", (2,), "int32", data=np.array([1, size], np.int32)),
        TensorSpec("flat", (1, size), "int8", (0.08,), 40),
        TensorSpec(
            "weights", (3, size), "int8", (0.01,), data=rng.integers(-127, 128, (3, size)).astype(np.int8)
        ),
        TensorSpec("bias", (3,), "int32", (0.0008,), data=np.zeros(3, np.int32)),
        TensorSpec("scores", (1, 3), "int8", (4.0,), 3),
    ]
    operators = [OperatorSpec("RESHAPE", [0, 1], [2]), OperatorSpec("FULLY_CONNECTED", [2, 3, 4], [5])]
    return build(tensors, operators, [0], [5])


def _recordings(folder: Path, channels: int) -> None:
    rng = np.random.default_rng(channels)
    for kind in ("a", "b", "c"):
        (folder / kind).mkdir(parents=True)
        level = 10 ** rng.uniform(2, 4, channels)
        samples = (rng.normal(size=(4000, channels)) * level).clip(-32768, 32767).astype(np.int16)
        soundfile.write(folder / kind / "one.wav", samples, RATE_HZ, subtype="PCM_16")


@pytest.mark.parametrize(("runner", "channels"), [("host", 3), ("host", 8), ("sim", 4), ("sim", 5)])
def test_every_microphone_is_heard(runner: str, channels: int, tmp_path: Path) -> None:
    """Chunks hold whole sample frames of 6, 8, 10, 16 bytes; scores are those of the features' definition."""
    spec, sounds = _spec(channels), tmp_path / "sounds"
    _recordings(sounds, channels)
    (tmp_path / "net.tflite").write_bytes(_network(spec))
    (tmp_path / "spec.toml").write_text(spec.to_toml())
    (tmp_path / "labels.txt").write_text("a\nb\nc\n")
    api.export(tmp_path / "net.tflite", "nucleo-f446", tmp_path / "build", features=tmp_path / "spec.toml")
    api.bench(
        tmp_path / "build",
        on=runner,
        data=sounds,
        labels=[tmp_path / "labels.txt"],
        save_outputs=tmp_path / "out.npy",
    )
    found = np.load(tmp_path / "out.npy").reshape(CLIPS, 3)
    network = Reference(_network(spec))
    pcms = [audio.load_pcm(path, spec) for path in sorted(sounds.glob("*/*.wav"))]
    assert pcms[0].shape == (4000, channels)
    wanted = [network([extract.inputs(pcm, spec, 0.08, 40, "int8")[None]])[0].reshape(-1) for pcm in pcms]
    # Features that single precision rounds to the other side move a score by less than a step.
    assert np.abs(found.astype(int) - np.array(wanted)).max() <= 1


@pytest.mark.parametrize("channels", [3, 4, 8])
def test_generated_c_is_the_definition(channels: int) -> None:
    found = any_specs.compared(_spec(channels).replace(deltas=1, delta_edges="nearest"))
    assert any_specs.holds(found), found


def test_another_number_of_channels_is_refused(tmp_path: Path) -> None:
    _recordings(tmp_path, 4)
    path = tmp_path / "a" / "one.wav"
    for wanted, told in (
        (3, "more channels than the front end takes"),
        (6, "fewer channels than the front end has"),
    ):
        with pytest.raises(DataError, match=told):
            audio.load_pcm(path, _spec(wanted))
    shown = CliRunner().invoke(cli, ["features", "show", "default", "--toml"])
    assert shown.exit_code == 0
