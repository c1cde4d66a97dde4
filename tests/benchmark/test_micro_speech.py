# SPDX-License-Identifier: Apache-2.0
"""TensorFlow Lite Micro's micro_speech, recordings to scores: the example's network behind its own front end."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from ascmcu import api
from ascmcu.cli import cli
from ascmcu.features import extract
from ascmcu.features import spec as specs
from tests.features.signals import swell
from tests.support import board_bits, outside

MODEL = outside.model("tflm_micro_speech_int8.tflite")
LABELS = ("silence", "unknown", "yes", "no")

pytestmark = [
    outside.needs(MODEL),
    pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="no cross compiler"),
]
needs_qemu = pytest.mark.skipif(not shutil.which("qemu-system-arm"), reason="no QEMU")


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A specification in a file, as a user writes it; recordings in a folder per class."""
    root = tmp_path_factory.mktemp("micro_speech")
    (root / "features.toml").write_text('frontend = "micro"\nduration_s = 1.0\n')
    (root / "labels.txt").write_text("\n".join(LABELS))
    for number, label in enumerate(LABELS):
        (root / "data" / label).mkdir(parents=True)
        soundfile.write(root / "data" / label / "a.wav", swell(16000, number)[: 16000 - 3000 * number], 16000)
    api.export(MODEL, "nucleo-f446", root / "build", features=root / "features.toml")
    return root


@pytest.mark.parametrize("runner", ["host", "sim", pytest.param("qemu", marks=needs_qemu)])
def test_recordings_give_litert_s_scores(export: Path, runner: str) -> None:
    outputs = export / f"{runner}.npy"
    arguments = ["bench", str(export / "build"), "--on", runner, "--data", str(export / "data"), "-q"]
    arguments += ["--labels", str(export / "labels.txt"), "--save-outputs", str(outputs)]
    done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    spec = specs.load("micro_speech")
    heard = [
        swell(16000, LABELS.index(label))[: 16000 - 3000 * LABELS.index(label)] for label in sorted(LABELS)
    ]
    inputs = np.stack([extract.inputs(pcm, spec, 1.0, -128, "int8").reshape(1, 1960) for pcm in heard])
    wanted = board_bits.expected(MODEL, inputs)
    assert len(np.unique(wanted, axis=0)) > 1
    np.testing.assert_array_equal(np.load(outputs), wanted)
