# SPDX-License-Identifier: Apache-2.0
"""The Renode runner and its test file against stand-ins, over the simulator: what goes right, and what goes wrong."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import random
import re
import resource
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from ascmcu import api, boards
from ascmcu.benchmark.session import Session
from ascmcu.benchmark.wire import Kind
from ascmcu.errors import InputError, LinkError, ToolError
from ascmcu.runners import _process, base
from ascmcu.runners import renode as runner
from ascmcu.runners.base import Target
from ascmcu.toolchain import program
from ascmcu.toolchain.gcc import build_firmware
from ascmcu.toolchain.manifest import Manifest
from tests.support import audio, renode_stand_in
from tests.support.mixer import CHANNELS, CLIP_SAMPLES, audio_rows, mixed, mixer_target
from tests.support.patience import HANG_S

STAND_IN = Path(renode_stand_in.__file__)
needs_cross = pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="no cross compiler")
# What a stand-in for a Renode of today says of itself before it goes wrong.
SAYS_VERSION = 'case "$*" in *--version*) echo "Renode v1.16.1.0"; exit;; esac\n'


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Target:
    """The mixer with its front end; a folder with a space in its name, which Renode wants escaped."""
    folder = tmp_path_factory.mktemp("mixer") / "an export"
    folder.mkdir()
    made = mixer_target(folder, frontend=True)
    if shutil.which("arm-none-eabi-gcc"):
        build_firmware(folder, made.board, frontend=True)
    return made


def _install(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """A shell script as ``renode``. ``{folder}/nap`` sleeps, and is found again by that name."""
    program = folder / "my-renode"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    (folder / "nap").symlink_to(shutil.which("sleep") or "sleep")
    monkeypatch.setenv("ASCMCU_RENODE", str(program))


def _running(marker: Path) -> list[str]:
    """Command lines of other processes that name ``marker``."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            command = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if str(marker) in command and entry.parent.name != str(os.getpid()):
                found.append(command)
    return found


def _left(marker: Path) -> list[str]:
    """Those that do not end."""
    deadline = time.monotonic() + HANG_S
    while _running(marker) and time.monotonic() < deadline:
        time.sleep(0.05)
    return _running(marker)


@contextlib.contextmanager
def _at_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whoever waits to the end of the time that a start may take is too late."""
    monkeypatch.setattr(runner, "_START_S", 2 * HANG_S)
    began = time.monotonic()
    yield
    assert time.monotonic() - began < HANG_S


@needs_cross
def test_audio_goes_through_and_a_wrapper_ends_with_its_child(
    target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The script in Renode's packages waits for its child: a signal to the shell alone would leave it running."""
    _install(tmp_path, monkeypatch, f'"{sys.executable}" "{STAND_IN}" "$@" {tmp_path}\nexit $?')
    pcm = random.Random(1).randbytes(CLIP_SAMPLES * CHANNELS * 2)
    with base.create("renode", target) as link:
        assert link.facts.count_kind == "instructions"
        assert "stand-in" in link.facts.detail
        session = Session(link, response_s=HANG_S)
        result = session.run(pcm, Kind.AUDIO)
        assert (result.outputs, result.disturbed) == (mixed(audio_rows(pcm)), 0)
        assert session.repairs.sent_again == 0
        assert len(_running(tmp_path)) >= 2
    assert _left(tmp_path) == []


def test_what_renode_refuses_is_shown_at_once(
    target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Renode prints its error and waits at the prompt; long chatter before it is cut in the middle."""
    chatter = "i=0; while [ $i -lt 300 ]; do echo line $i of the log; i=$((i+1)); done"
    error = (
        r"printf 'There was an error executing command \"machine LoadPlatformDescription\": \nError E39\n'"
    )
    _install(
        tmp_path, monkeypatch, f"{SAYS_VERSION}echo the head; {chatter}; {error}; {tmp_path}/nap {2 * HANG_S}"
    )
    with pytest.raises(LinkError, match="rejects the platform") as caught, _at_once(monkeypatch):
        base.create("renode", target).__enter__()
    assert all(text in str(caught.value) for text in ("the head", "bytes …", "Error E39"))
    assert _left(tmp_path) == []


def test_a_wrong_platform_is_refused_by_the_stand_in_too(
    target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install(tmp_path, monkeypatch, f'exec "{sys.executable}" "{STAND_IN}" "$@"')
    monkeypatch.setattr(runner.renode_files, "platform", lambda board: "usrat2:\n    frequency: 1\n")
    with pytest.raises(LinkError, match="rejects the platform") as caught:
        base.create("renode", target).__enter__()
    assert "usrat2 is not declared" in str(caught.value)


def test_a_start_that_hangs_says_so(target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _install(tmp_path, monkeypatch, f"{SAYS_VERSION}echo starting; {tmp_path}/nap {2 * HANG_S} & wait")
    link = base.create("renode", target)

    asked: list[float] = []

    def monotonic() -> float:  # once it has spoken the time is over
        asked.append(runner._START_S if asked and b"starting" in link._printed() else 0.0)  # type: ignore[attr-defined]
        return sum(asked)

    monkeypatch.setattr(runner, "time", SimpleNamespace(monotonic=monotonic, sleep=time.sleep))
    with pytest.raises(LinkError, match="opens no serial port") as caught:
        link.__enter__()
    assert "none after 60 s" in str(caught.value) and "starting" in str(caught.value)
    assert _left(tmp_path) == []


def test_a_start_that_dies_says_so(target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _install(tmp_path, monkeypatch, f"{SAYS_VERSION}echo 'no libgtk' >&2; exit 3")
    with pytest.raises(LinkError, match="did not start") as caught, _at_once(monkeypatch):
        base.create("renode", target).__enter__()
    assert "it ended at once, exit status 3" in str(caught.value) and "no libgtk" in str(caught.value)


@needs_cross
def test_one_that_dies_later_says_so(target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _install(tmp_path, monkeypatch, f'exec "{sys.executable}" "{STAND_IN}" "$@"')
    with base.create("renode", target) as link:
        session = Session(link, response_s=HANG_S)
        assert session.hello.model == "mixer"
        link._child.kill()  # type: ignore[attr-defined]
        with pytest.raises(LinkError, match="closed the link") as caught:
            session.statistics()
    assert "(monitor)" in str(caught.value)


def test_a_version_that_does_not_come(
    target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install(tmp_path, monkeypatch, f"{tmp_path}/nap {2 * HANG_S} & wait")
    monkeypatch.setattr(program.first_line, "__defaults__", (1.0,))
    with pytest.raises(ToolError, match="does not end") as caught, _at_once(monkeypatch):
        base.create("renode", target).__enter__()
    assert "--version" in str(caught.value) and "1 s" in str(caught.value)
    assert _left(tmp_path) == []


@pytest.mark.parametrize("script", ["exec yes garbage", "exec yes garbage >&2", "yes garbage & wait"])
def test_a_program_that_prints_for_ever_costs_neither_time_nor_memory(
    script: str, target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "yes").symlink_to(shutil.which("yes") or "yes")
    _install(tmp_path, monkeypatch, script.replace("yes", f"{tmp_path}/yes"))
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ToolError, match="not a Renode program") as caught, _at_once(monkeypatch):
        base.create("renode", target).__enter__()
    assert "found:    garbage" in str(caught.value) and len(str(caught.value)) < 1000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 32 << 10
    assert _left(tmp_path) == []


def test_a_start_that_prints_for_ever_is_ended(
    target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "_LOG_BYTES", 1 << 20)
    _install(tmp_path, monkeypatch, f"{SAYS_VERSION}exec yes {tmp_path}")
    with pytest.raises(LinkError, match="does not stop printing") as caught, _at_once(monkeypatch):
        base.create("renode", target).__enter__()
    assert len(str(caught.value)) < 6000
    assert _left(tmp_path) == []


@needs_cross
def test_a_scratch_folder_with_a_space_is_escaped(
    target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a folder").mkdir()
    _install(tmp_path, monkeypatch, f'exec "{sys.executable}" "{STAND_IN}" "$@"')
    monkeypatch.setattr(_process.tempfile, "tempdir", str(tmp_path / "a folder"))
    with base.create("renode", target) as link:
        assert Session(link, response_s=HANG_S).hello.model == "mixer"


def test_a_path_that_cannot_be_escaped_is_refused(
    target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "a;b"
    folder.mkdir()
    _install(tmp_path, monkeypatch, f"{SAYS_VERSION}exit 3")
    with pytest.raises(InputError, match="no path with a semicolon") as caught:
        base.create("renode", dataclasses.replace(target, folder=folder)).__enter__()
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize(
    ("says", "message", "reason"),
    [
        ("Renode v1.15.3.19312", "too old", "100 µs"),
        ("Renode v1.16.0.4", "too old", "1.16.1"),
        ("hello", "not a Renode program", "hello"),
    ],
)
def test_another_version_is_refused_with_the_reason(
    says: str, message: str, reason: str, target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install(tmp_path, monkeypatch, f"echo '{says}'")
    with pytest.raises(ToolError, match=message) as caught:
        base.create("renode", target).__enter__()
    assert reason in str(caught.value)


def test_without_renode_the_message_says_so(
    target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ASCMCU_RENODE", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match="Renode is not installed"):
        base.create("renode", target).__enter__()
    monkeypatch.setenv("ASCMCU_RENODE", str(tmp_path / "renode"))
    with pytest.raises(ToolError, match="ASCMCU_RENODE does not name an executable program") as caught:
        base.create("renode", target).__enter__()
    assert str(tmp_path / "renode") in str(caught.value)


def test_a_board_that_it_does_not_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="has no model of this board"):
        base.create("renode", mixer_target(tmp_path, "nucleo-g474")).__enter__()


def _robot(folder: Path, results: Path) -> tuple[str, dict[str, str]]:
    """The status of an export's ``renode.robot``, and each test's message."""
    pytest.importorskip("robot")
    done = renode_stand_in.robot(folder / "renode.robot", results)
    return str(done.suite.status), {test.name: test.message for test in done.suite.tests}


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An audio model; its features are larger than the device's receive buffer."""
    folder = tmp_path_factory.mktemp("robot") / "a folder"  # a space, which the Monitor wants escaped
    folder.mkdir()
    model, spec = audio.write(folder, seconds=4.0)
    made = api.export(model, "nucleo-f446", folder / "build", features=spec)
    assert made.manifest.inputs[0].rows * made.manifest.inputs[0].row_bytes > 1536
    return made.folder


@needs_cross
def test_the_robot_test_passes(export: Path, tmp_path: Path) -> None:
    assert _robot(export, tmp_path) == ("PASS", {"Says Hello": "", "Gives The Golden Answer": ""})


@needs_cross
def test_the_robot_test_fails_on_a_wrong_answer(export: Path, tmp_path: Path) -> None:
    """A layer's weights are others in a firmware that names the export's build all the same."""
    folder = tmp_path / "build"
    shutil.copytree(export, folder)
    source = (folder / "model.c").read_text()
    weights = re.search(r"static const \w+ weights_\d+\[[^=]+= \{([^}]+)\}", source)
    assert weights is not None
    others = re.sub(r"(?<![\w-])(-?\w+),", r"~\1,", weights[1])
    (folder / "model.c").write_text(source[: weights.start(1)] + others + source[weights.end(1) :])
    manifest = Manifest.load(folder)
    of_export = manifest.build_sha256
    build_firmware(
        folder, boards.load(manifest.board), frontend=True, optimize="cycles", build_sha256=of_export
    )
    status, messages = _robot(folder, tmp_path)
    assert status == "FAIL" and messages["Says Hello"] == ""
    assert "differ from the reference" in messages["Gives The Golden Answer"]


@needs_cross
def test_the_robot_test_refuses_another_build(export: Path, tmp_path: Path) -> None:
    folder = tmp_path / "build"
    shutil.copytree(export, folder)
    build_firmware(folder, boards.load(Manifest.load(folder).board), frontend=True, optimize="flash")
    status, messages = _robot(folder, tmp_path)
    assert status == "FAIL" and "another firmware" in messages["Gives The Golden Answer"]
