# SPDX-License-Identifier: Apache-2.0
"""The report of flash is the image: what a programmer writes, byte for byte, wherever start-up copies it to."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ascmcu import api
from tests.cli.conftest import dense

pytestmark = pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="no cross compiler")


@pytest.mark.parametrize("weights", ["flash", "ram", "auto"])
def test_flash_is_what_the_image_takes(weights: str, tmp_path: Path) -> None:
    (tmp_path / "net.tflite").write_bytes(dense(64, 32))
    made = api.export(
        tmp_path / "net.tflite",
        "nucleo-f446",
        tmp_path / "build",
        features=False,
        weights=weights,  # type: ignore[arg-type]
    )
    flash, ram = made.manifest.flash_bytes, made.manifest.ram_bytes
    assert flash["total"] == (tmp_path / "build" / "firmware.bin").stat().st_size
    assert flash["padding"] < 256
    assert (ram["weights"] >= 64 * 32) == (weights != "flash")
