# SPDX-License-Identifier: Apache-2.0
"""Renode's files; what needs Renode is skipped without it. The runner is tested in tests/runners."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import random
import shutil
import sys
import types
from pathlib import Path

import pytest

from ascmcu import boards
from ascmcu.benchmark.session import Session
from ascmcu.benchmark.wire import Kind
from ascmcu.codegen import renode
from ascmcu.runners import base
from ascmcu.toolchain.gcc import build_firmware
from tests.support.mixer import CHANNELS, CLIP_SAMPLES, ROWS, audio_rows, mixed, mixer_target

ROOT = Path(__file__).resolve().parents[2]
MODELLED = [name for name in boards.names() if renode.models(boards.load(name))]


@pytest.fixture(scope="module")
def checker() -> types.ModuleType:
    loader = importlib.machinery.SourceFileLoader("renode_check", str(ROOT / "tools" / "renode_check"))
    spec = importlib.util.spec_from_loader("renode_check", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["renode_check"] = module
    loader.exec_module(module)
    return module


def test_the_boards_that_renode_models_are_these() -> None:
    families = {boards.load(name).chip.family for name in MODELLED}
    assert families == {"stm32f4", "nrf52", "stm32l4"}
    assert len(MODELLED) == 10
    assert renode.files(boards.load("nucleo-g474"), "kws") == {}


@pytest.mark.parametrize("name", MODELLED)
def test_the_files_are_well_formed(name: str, tmp_path: Path, checker: types.ModuleType) -> None:
    board = boards.load(name)
    for file, text in renode.files(board, "kws").items():
        (tmp_path / file).write_text(text)
    assert checker.check_folder(tmp_path) == []
    platform = (tmp_path / "renode.repl").read_text()
    # What makes CYCCNT an exact count of instructions.
    assert f"PerformanceInMips: {board.clock.sysclk_hz // 1_000_000}\n" in platform
    assert platform.count(f"frequency: {board.clock.sysclk_hz}\n") >= 1
    assert f"systickFrequency: {board.clock.sysclk_hz}\n" in platform
    assert "instructions" in platform


WRONG = {
    "overlap": (  # with the stock platform's RAM
        'dwt: Miscellaneous.DWT @ sysbus 0xE0001000', "m: Memory.MappedMemory @ sysbus 0x20000000\n    size: 0x100",
        "overlap"),
    "typo in a name": ("usart2:", "usrat2:", "usrat2 is not declared"),
    "no such base": ("stm32f4.repl", "stm32f5.repl", "not a platform"),
    "broken attribute": ("    size: 0x80000", "    size 0x80000", "not an attribute"),
    "broken entry": ("cpu:", "cpu", "not an entry"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_the_checker_finds_what_is_wrong(case: str, checker: types.ModuleType) -> None:
    old, new, message = WRONG[case]
    text = renode.platform(boards.load("nucleo-f446"))
    assert old in text
    assert any(message in problem for problem in checker.check_platform(text.replace(old, new)))


def test_the_checker_knows_scripts_and_tests(tmp_path: Path, checker: types.ModuleType) -> None:
    made = renode.files(boards.load("nucleo-f446"), "kws")
    assert checker.check_script(made["renode.resc"].replace("start", "strat"))
    named = made["renode.robot"].replace("Start Emulation", "Execute Command    a=b")
    (tmp_path / "renode.robot").write_text(named)
    assert "named argument" in checker.check_test(tmp_path / "renode.robot")[0]


@pytest.mark.skipif(
    not shutil.which(os.environ.get("ASCMCU_RENODE", "renode")), reason="Renode is not installed"
)
@pytest.mark.parametrize("name", MODELLED)
def test_the_firmware_runs_on_renode(name: str, tmp_path: Path) -> None:
    target = mixer_target(tmp_path, name, frontend=True)
    build_firmware(tmp_path, target.board, frontend=True)
    pcm = random.Random(1).randbytes(CLIP_SAMPLES * CHANNELS * 2)
    with base.create("renode", target) as link:
        session = Session(link, response_s=60.0)
        assert session.hello.board == name
        result = session.run(pcm, Kind.AUDIO)
        assert result.outputs == mixed(audio_rows(pcm))
        assert result.counts.network > ROWS * 100
        assert (result.disturbed, session.repairs.sent_again) == (0, 0)
