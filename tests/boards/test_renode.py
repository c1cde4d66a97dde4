"""Renode's files, and the runner against a stand-in: nothing here needs Renode, and what does is skipped without it."""

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
from ascmcu.bench.session import Session
from ascmcu.bench.wire import Kind
from ascmcu.build.gcc import build_firmware, build_host
from ascmcu.codegen import renode
from ascmcu.errors import LinkError, ToolError
from ascmcu.runners import base
from tests.support.mixer import ROW_BYTES, ROWS, mixed, mixer_target

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
    assert len(MODELLED) == 9
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


# As Renode does: reads the script, opens the socket, and lets the firmware (here: the host's) speak through it.
STAND_IN = """#!{python}
import re, socket, subprocess, sys, threading
if "--version" in sys.argv:
    print("Renode, version 0 (stand-in)")
    sys.exit()
assert sys.argv[1:5] == ["--console", "--disable-xwt", "--plain", "-e"], sys.argv
script = open(sys.argv[5].removeprefix("include @")).read()
platform = re.search(r"LoadPlatformDescription @(.*)", script)[1]
assert "dwt: Miscellaneous.DWT" in open(platform).read()
port = int(re.search(r"CreateServerSocketTerminal (\\d+)", script)[1])
child = subprocess.Popen([{program!r}], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
with socket.create_server(("127.0.0.1", port)) as door:
    client, _ = door.accept()
def out():
    while data := child.stdout.read(4096):
        client.sendall(data)
threading.Thread(target=out, daemon=True).start()
while data := client.recv(4096):
    child.stdin.write(data)
child.kill()
"""


def test_the_runner_starts_it_and_speaks_through_the_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = mixer_target(tmp_path)
    program = build_host(tmp_path, frontend=False)
    (tmp_path / "firmware.elf").write_bytes(b"")
    stand_in = tmp_path / "my-renode"
    stand_in.write_text(STAND_IN.format(python=sys.executable, program=str(program)))
    stand_in.chmod(0o755)
    monkeypatch.setenv("ASCMCU_RENODE", str(stand_in))
    tensor = random.Random(1).randbytes(ROWS * ROW_BYTES)
    with base.create("renode", target) as link:
        assert link.facts.count_kind == "instructions"
        assert "stand-in" in link.facts.detail
        assert Session(link, response_s=20.0).run(tensor, Kind.TENSOR).outputs == mixed(tensor)


def test_without_renode_the_message_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ASCMCU_RENODE", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    target = mixer_target(tmp_path)
    with pytest.raises(ToolError, match="Renode is not installed"), base.create("renode", target):
        pass


def test_a_board_that_it_does_not_model_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASCMCU_RENODE", "/bin/true")
    with (
        pytest.raises(ToolError, match="models nothing"),
        base.create("renode", mixer_target(tmp_path, "nucleo-g474")),
    ):
        pass


def test_a_renode_that_ends_at_once_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = tmp_path / "renode"
    failing.write_text("#!/bin/sh\necho 'there was an error' >&2\nexit 1\n")
    failing.chmod(0o755)
    monkeypatch.setenv("ASCMCU_RENODE", str(failing))
    with (
        pytest.raises(LinkError, match="did not start") as caught,
        base.create("renode", mixer_target(tmp_path)),
    ):
        pass
    assert "there was an error" in str(caught.value)


@pytest.mark.skipif(
    not shutil.which(os.environ.get("ASCMCU_RENODE", "renode")), reason="Renode is not installed"
)
@pytest.mark.parametrize("name", MODELLED)
def test_the_firmware_runs_on_renode(name: str, tmp_path: Path) -> None:
    target = mixer_target(tmp_path, name)
    build_firmware(tmp_path, target.board, frontend=False)
    tensor = random.Random(1).randbytes(ROWS * ROW_BYTES)
    with base.create("renode", target) as link:
        session = Session(link, response_s=60.0)
        assert session.hello.board == name
        result = session.run(tensor, Kind.TENSOR)
        assert result.outputs == mixed(tensor)
        assert result.network > ROWS * 100
