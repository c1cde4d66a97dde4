# SPDX-License-Identifier: Apache-2.0
"""Whole third-party networks, exported and run behind the protocol: LiteRT's bits on every runner."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from ascmcu import api
from tests.support import board_bits, outside

KWS = outside.model("mlperf_tiny_kws_int8.tflite")

pytestmark = [
    outside.needs(KWS),
    pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="no cross compiler"),
]
needs_qemu = pytest.mark.skipif(not shutil.which("qemu-system-arm"), reason="no QEMU")


@pytest.fixture(scope="module", params=["layers", "rows"])
def export(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kws") / request.param
    api.export(KWS, "nucleo-f446", folder, schedule=request.param)
    return folder


@pytest.mark.parametrize(
    ("runner", "count"), [("host", 100), pytest.param("qemu", 100, marks=needs_qemu), ("sim", 2)]
)
def test_keyword_spotting_gives_litert_s_bits(export: Path, runner: str, count: int) -> None:
    inputs = board_bits.random_inputs(export, count, seed=2)
    answers = board_bits.on_runner(export, runner, inputs)
    wanted = board_bits.expected(KWS, inputs)
    assert len(np.unique(wanted, axis=0)) > 1, "inputs that tell nothing apart"
    np.testing.assert_array_equal(answers, wanted)
