# SPDX-License-Identifier: Apache-2.0
"""A board that is a file of the user's goes through every verb, also after the file is gone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from ascmcu import paths
from tests.cli.conftest import Ascmcu, dense

pytestmark = pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="no cross compiler")


@pytest.mark.parametrize("own_chip", [False, True], ids=["a chip of ours", "a chip beside it"])
def test_a_board_file_works_through_every_verb(ascmcu: Ascmcu, tmp_path: Path, own_chip: bool) -> None:
    desk = tmp_path / "desk"
    (desk / "chips").mkdir(parents=True)
    text = (paths.boards() / "nucleo-f411.toml").read_text().replace('"nucleo-f411"', '"desk"', 1)
    if own_chip:
        text = text.replace('chip = "stm32f411re"', 'chip = "mine"')
        chip = (paths.boards() / "chips" / "stm32f411re.toml").read_text()
        (desk / "chips" / "mine.toml").write_text(chip.replace('"stm32f411re"', '"mine"', 1))
    (desk / "desk.toml").write_text(text)
    (tmp_path / "small.tflite").write_bytes(dense(16, 4))
    np.save(tmp_path / "in.npy", np.random.default_rng(1).integers(-128, 128, (3, 1, 16), np.int8))
    made = ascmcu("export", "small.tflite", "--board", desk / "desk.toml", "--json")
    assert made.status == 0, made.stderr
    assert json.loads(made.stdout)["board"] == "desk"
    shutil.rmtree(desk)
    results = {}
    for runner in ("host", "sim"):
        done = ascmcu("bench", "--on", runner, "--tensors", "in.npy", "--json")
        assert done.status == 0, done.stderr
        results[runner] = json.loads(done.stdout)
        assert results[runner]["board"] == "desk"
    assert results["sim"]["cycles"]["network"] > 0
    for command in (("flash", "--dry-run"), ("report", "build/bench-sim.json", "--format", "text")):
        done = ascmcu(*command)
        assert done.status == 0, done.stderr
