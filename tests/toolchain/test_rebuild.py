# SPDX-License-Identifier: Apache-2.0
"""A firmware's folder holds what makes it again, without ascmcu."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from ascmcu import api
from ascmcu.toolchain import cmsis_dsp
from tests.support import toolchains

pytestmark = [
    pytest.mark.skipif(not shutil.which(toolchains.GCC), reason="no cross compiler"),
    pytest.mark.skipif(not shutil.which("make"), reason="no make"),
]


@pytest.mark.parametrize(
    ("board", "features", "optimize"),
    [
        ("nucleo-f446", "mlperf_lfbe", "balanced"),
        ("nrf52840-dk", "micro_speech", "flash"),
        ("frdm-k64f", "", "cycles"),
    ],
)
def test_it_gives_the_same_bytes(board: str, features: str, optimize: str, tmp_path: Path) -> None:
    if features == "mlperf_lfbe" and cmsis_dsp.available() is None:
        pytest.skip("CMSIS-DSP was not fetched")
    (tmp_path / "net.tflite").write_bytes(toolchains.small_network(features or "micro_speech"))
    api.export(
        tmp_path / "net.tflite", board, tmp_path / "made", features=features or False, optimize=optimize
    )
    shutil.move(tmp_path / "made", tmp_path / "elsewhere")
    rebuild = tmp_path / "elsewhere" / "rebuild"
    environment = {"PATH": "/usr/bin:/bin"}
    done = subprocess.run(["make", "-C", rebuild], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    for name in ("firmware.bin", "firmware.hex"):
        assert (rebuild / name).read_bytes() == (tmp_path / "elsewhere" / name).read_bytes()
    subprocess.run(["make", "-C", rebuild, "clean"], check=True, capture_output=True)
    assert not list(rebuild.glob("*.o"))
