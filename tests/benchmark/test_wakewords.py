# SPDX-License-Identifier: Apache-2.0
"""microWakeWord's models, recordings to probabilities: what the firmware says at every step, and the Python package.

``tools/speech_models`` compares more recordings; this is a part of them.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ascmcu import api
from ascmcu.api import predicting
from ascmcu.errors import DataError
from ascmcu.results.schema import Benchmark
from ascmcu.toolchain.manifest import Manifest
from tests.support import outside, wakewords
from tests.support.speech import needs_speech

NAMES = ("okay_nabu", "vad")
STEPS = 1 + (2 * wakewords.RATE_HZ - 800) // 480

pytestmark = [
    outside.needs(*map(wakewords.model, NAMES), wakewords.RECORDINGS),
    pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="no cross compiler"),
]
needs_qemu = pytest.mark.skipif(not shutil.which("qemu-system-arm"), reason="no QEMU")


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("wakewords")
    for name in NAMES:
        api.export(wakewords.described(root, name), "nucleo-f446", root / f"build-{name}")
    return {name: root / f"build-{name}" for name in NAMES}


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of two recordings; the tool hears them whole."""
    folder = tmp_path_factory.mktemp("sounds")
    assert wakewords.write(folder, "", 0, 2, seconds=2) == 2
    return folder


def _outputs(export: Path, data: Path, runner: str) -> tuple[Benchmark, np.ndarray]:
    out = data / f"{export.name}-{runner}.npy"
    found = api.bench(export, on=runner, data=data, save_outputs=out)
    return found, np.load(out).reshape(-1)


def _wanted(name: str, data: Path) -> np.ndarray:
    return np.concatenate([wakewords.outputs_of(name, path) for path in wakewords.files(data)])


@pytest.mark.parametrize(
    ("name", "runner"),
    [
        ("okay_nabu", "host"),
        ("okay_nabu", "sim"),
        pytest.param("okay_nabu", "qemu", marks=needs_qemu),
        ("vad", "host"),
        ("vad", "sim"),
    ],
)
def test_probabilities_of_every_step(name: str, runner: str, exports: dict[str, Path], sounds: Path) -> None:
    found, outputs = _outputs(exports[name], sounds, runner)
    assert (found.clips, found.run_title, found.clip_seconds) == (2 * STEPS, "step", 0.03)
    assert "held against the integer interpreter" in found.runner_detail
    wanted = _wanted(name, sounds)
    assert len(np.unique(wanted)) > 3
    np.testing.assert_array_equal(outputs, wanted)


@needs_speech
def test_a_spoken_wake_word_is_heard(exports: dict[str, Path], tmp_path: Path) -> None:
    wakewords.write(tmp_path, "okay nabu", 4, 4)
    found, outputs = _outputs(exports["okay_nabu"], tmp_path, "host")
    np.testing.assert_array_equal(outputs, _wanted("okay_nabu", tmp_path))
    assert found.heard is not None and found.heard.word == "okay_nabu"
    spoken = {name: moments for name, moments in found.heard.recordings.items() if name.startswith("spoken")}
    assert sum(map(bool, spoken.values())) >= 3
    assert all(
        len(moments) <= 1 and all(0.5 < moment < 3 for moment in moments) for moments in spoken.values()
    )
    assert not any(moments for name, moments in found.heard.recordings.items() if name not in spoken)
    assert f"'okay_nabu' is heard in {sum(map(bool, spoken.values()))} of 8 recordings" == found.heard.summary


def test_the_interpreter_hears_the_same(exports: dict[str, Path], sounds: Path) -> None:
    """``predict``, with the recordings as an array, on the model and on its export."""
    samples = np.stack([soundfile.read(path, dtype="int16")[0][:16000] for path in wakewords.files(sounds)])
    of_model = predicting.predict(exports["vad"].parent / "vad.json", audio=samples)
    of_export = predicting.predict(exports["vad"], audio=samples)
    assert isinstance(of_model, np.ndarray) and len(of_model) == 2 * (1 + (16000 - 800) // 480)
    np.testing.assert_array_equal(of_model, of_export)
    with pytest.raises(DataError, match="does not hold clips"):
        predicting.predict(exports["vad"], audio=samples[:, :799])


def test_features_named_by_hand(exports: dict[str, Path], tmp_path: Path) -> None:
    """Without its description the same network takes a front end by name, cut into its steps."""
    api.export(wakewords.model("vad"), "nucleo-f446", tmp_path / "build", features="microwakeword")
    manifest = Manifest.load(tmp_path / "build")
    described = Manifest.load(exports["vad"])
    assert manifest.features is not None and described.features is not None
    assert manifest.features == {**described.features, "mapping": "micro_speech"}
    assert manifest.detection is None and described.detection is not None


def test_recordings_shorter_than_a_step(exports: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    soundfile.write(tmp_path / "a" / "a.wav", np.ones(799, np.int16), wakewords.RATE_HZ)
    with pytest.raises(DataError, match="as long as the network's first step"):
        api.bench(exports["vad"], on="host", data=tmp_path)
