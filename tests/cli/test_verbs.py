# SPDX-License-Identifier: Apache-2.0
"""What verbs print for people, where other tests read their JSON."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from ascmcu import api, boards
from ascmcu.data import synth
from ascmcu.features import spec as specs
from tests.cli.conftest import Ascmcu, dense

needs_cross = pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="no cross compiler")


@pytest.mark.parametrize("name", boards.names())
def test_a_board_is_shown_with_its_chip(name: str, ascmcu: Ascmcu) -> None:
    board = boards.load(name)
    shown = ascmcu("boards", "show", name).stdout
    clock = f"{board.clock.sysclk_hz / 1e6:g} MHz"
    for part in (board.title, board.chip.title, clock, board.serial.tx, board.probe.interface):
        assert part in shown, part
    assert all(
        re.search(rf"{m.name} +{m.origin:#010x} +{m.size_bytes // 1024} KiB", shown)
        for m in board.chip.memory
    )
    assert "manuals " + board.chip.reference[:12] in shown
    power = board.chip.power
    assert (
        ("µA/MHz at 3 V, measured: MLPerf Tiny" in shown)
        == (power.measured is not None)
        == (name == "nucleo-l4r5")
    )
    assert ("datasheet; real code draws about 1.8 ×" in shown) == (power.datasheet is not None)


def test_boards_are_listed_within_a_terminal(ascmcu: Ascmcu) -> None:
    lines = ascmcu("boards", "list").stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == boards.names()
    assert max(map(len, lines)) <= 80


def test_features_are_listed_with_their_memory(ascmcu: Ascmcu) -> None:
    lines = ascmcu("features", "list").stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(specs.names())
    held = {line.split()[0] for line in lines if line.endswith("holds the whole clip")}
    assert held == {name for name in specs.names() if specs.load(name).needs_whole_clip}


def test_features_are_compared_in_a_table(ascmcu: Ascmcu, tmp_path: Path) -> None:
    synth.write(tmp_path / "scenes", synth.SynthSpec(clips_per_scene=1, clip_seconds=0.5))
    done = ascmcu(
        "features", "check", "--spec", "default", "--spec", "bupt2020", "--data", "scenes", "--limit", "2"
    )
    assert done.status == 0, done.stderr
    title, *rows = done.stdout.splitlines()
    assert title.split()[:3] == ["clips", "max", "dB"]
    assert [row.split()[:2] for row in rows] == [["default", "2"], ["bupt2020", "2"]]


@needs_cross
def test_flash_without_a_board(ascmcu: Ascmcu, tmp_path: Path) -> None:
    (tmp_path / "small.tflite").write_bytes(dense(16, 4))
    api.export("small.tflite", "nucleo-f446", "build")
    listed = ascmcu("flash", "--list").stdout.splitlines()
    rows = json.loads(ascmcu("flash", "--list", "--json").stdout)
    assert [line.split()[0] for line in listed] == [row["tool"] for row in rows]
    dry = ascmcu("flash", "--dry-run", "--with", "openocd", "--probe", "0001")
    assert dry.status == 0 and "adapter serial 0001" in dry.stdout and "verify reset exit" in dry.stdout
    api.export("small.tflite", "nucleo-f446", "library", output="library")
    done = ascmcu("flash", "library")
    assert done.status == 2 and "the export holds no firmware" in done.stderr


@needs_cross
def test_repetitions_are_told_apart(ascmcu: Ascmcu, tmp_path: Path) -> None:
    import numpy as np

    (tmp_path / "small.tflite").write_bytes(dense(16, 4))
    np.save(tmp_path / "in.npy", np.zeros((2, 1, 16), np.int8))
    api.export("small.tflite", "nucleo-f446", "build")
    done = ascmcu("bench", "--on", "sim", "--tensors", "in.npy", "--repeat", "2", "--warm-up", "1")
    assert re.search(
        r"2 repetitions of each clip: network [\d,]+ … [\d,]+ counts; one clip's lie at most", done.stdout
    )
    done = ascmcu("bench", "--on", "host", "--tensors", "in.npy", "--repeat", "2")
    assert done.stdout.endswith("2 repetitions of each clip: nothing counts here\n")
