# SPDX-License-Identifier: Apache-2.0
"""Constants that start-up copies into RAM: which, how many, and with the same answers and fewer cycles."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import ascmcu
from ascmcu.codegen import placing
from ascmcu.codegen.model import WeightArray
from ascmcu.errors import BoardError, InputError
from tests.cli.conftest import dense

ARRAYS = (
    WeightArray("weights_0", 0, 1000, 1),
    WeightArray("weights_1", 1, 4000, 50),
    WeightArray("weights_2", 2, 300, 200),
    WeightArray("constants_2", 2, 62, 200),
)


@pytest.mark.parametrize(
    ("room_bytes", "expected"),
    [
        (0, []),
        (80, ["constants_2"]),
        (400, ["constants_2", "weights_2"]),
        (4000, ["constants_2", "weights_2"]),
        (4380, ["constants_2", "weights_2", "weights_1"]),
        (99_999, ["constants_2", "weights_2", "weights_1"]),  # what is read once does not pay
    ],
)
def test_what_is_read_most_often_goes_first(room_bytes: int, expected: list[str]) -> None:
    chosen = placing.choose(ARRAYS, room_bytes)
    assert [array.symbol for array in chosen] == expected
    assert not chosen or placing.needed_bytes(chosen) <= room_bytes


def test_the_plan_says_what_lies_where() -> None:
    text = placing.describe(ARRAYS[2:], ARRAYS, 16)
    assert "weights_2: 300 bytes of layer 2, 3800 lines" in text
    assert "weights in flash: 5000 bytes in 2 arrays" in text


@pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="no arm-none-eabi-gcc")
def test_weights_in_ram_give_the_same_answers_sooner(tmp_path: Path) -> None:
    (tmp_path / "small.tflite").write_bytes(dense(512, 32))
    compiled = ascmcu.compile(tmp_path / "small.tflite")
    np.save(tmp_path / "in.npy", np.random.default_rng(1).integers(-128, 128, (2, 1, 512), dtype=np.int8))
    results = {}
    for weights in ("flash", "ram"):
        folder = tmp_path / weights
        ascmcu.build(compiled, "nucleo-f446", folder, weights=weights)  # type: ignore[arg-type]
        found = ascmcu.bench(
            folder, on="sim", tensors=tmp_path / "in.npy", save_outputs=tmp_path / f"{weights}.npy"
        )
        assert found.counts is not None
        results[weights] = found
    assert np.array_equal(np.load(tmp_path / "flash.npy"), np.load(tmp_path / "ram.npy"))
    flash, ram = results["flash"], results["ram"]
    assert flash.counts is not None and ram.counts is not None
    assert ram.counts.network < 0.9 * flash.counts.network
    weights_bytes = flash.flash_bytes["weights"]
    assert ram.flash_bytes["weights"] == 0
    more = ram.ram_bytes["total"] - flash.ram_bytes["total"]
    assert abs(more - weights_bytes) <= 64  # what alignment leaves free differs
    assert "weights in RAM" in (tmp_path / "ram" / "plan.txt").read_text()
    assert "weights in RAM" not in (tmp_path / "flash" / "plan.txt").read_text()


@pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="no arm-none-eabi-gcc")
def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    (tmp_path / "large.tflite").write_bytes(dense(512, 300))
    compiled = ascmcu.compile(tmp_path / "large.tflite")
    with pytest.raises(BoardError, match="do not fit into RAM"):
        ascmcu.build(compiled, "nucleo-f446", tmp_path / "out", weights="ram")
    assert not (tmp_path / "out").exists()


def test_a_library_leaves_its_weights_to_the_linker(tmp_path: Path) -> None:
    (tmp_path / "small.tflite").write_bytes(dense(16, 4))
    compiled = ascmcu.compile(tmp_path / "small.tflite")
    with pytest.raises(InputError, match="linker script"):
        ascmcu.build(compiled, "nucleo-f446", tmp_path / "out", output="library", weights="ram")
