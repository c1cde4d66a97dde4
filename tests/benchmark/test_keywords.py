# SPDX-License-Identifier: Apache-2.0
"""MLPerf Tiny's keyword spotting, recordings to classes: what the firmware says, and MLPerf's own pipeline.

``tools/speech_models`` compares eighty clips on sim and host; this is a part of them.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from ascmcu import api
from tests.support import keywords, outside
from tests.support.speech import needs_speech

pytestmark = [
    outside.needs(keywords.MODEL),
    pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="no cross compiler"),
]


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keywords") / "build"
    api.export(keywords.MODEL, "nucleo-f446", folder, features=keywords.SPEC)
    return folder


def _compare(export: Path, data: Path, runner: str) -> None:
    """Scores equal MLPerf's; where a value of its single precision lies on the edge of two integers, the class."""
    out = data.parent / f"{data.name}-{runner}.npy"
    api.bench(export, on=runner, data=data, labels=[data / "labels.txt"], save_outputs=out)
    inputs = np.stack([keywords.input_of(path) for path in keywords.files(data)])
    wanted = keywords.outputs_of(inputs)
    found = np.load(out)[:, 0]
    assert found.shape == wanted.shape
    np.testing.assert_array_equal(found.argmax(axis=1), wanted.argmax(axis=1))
    assert np.mean(found == wanted) >= 0.99


@needs_speech
@pytest.mark.parametrize(("runner", "clips"), [("sim", 4), ("host", 20)])
def test_spoken_words(export: Path, tmp_path: Path, runner: str, clips: int) -> None:
    assert keywords.write(tmp_path / "data", clips, 0) == clips
    _compare(export, tmp_path / "data", runner)


@outside.needs(keywords.RECORDINGS)
def test_other_sounds(export: Path, tmp_path: Path) -> None:
    assert keywords.write(tmp_path / "data", 0, 12) == 12
    _compare(export, tmp_path / "data", "host")
