# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C, as a signal to a process that is at work: what it says, what it leaves, and that the same command goes on."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ascmcu.data import synth
from ascmcu.toolchain import cmsis_dsp
from tests.cli.conftest import dense

ROOT = Path(__file__).resolve().parents[2]
MAIN = "import sys; from ascmcu.cli import main; sys.argv[0] = 'ascmcu'; main()"
PROGRAM = [sys.executable, "-c", MAIN]
# Who sends a signal from outside may come too late: this benchmark sends it to itself, behind its fourth result.
KEPT = 4
INTERRUPTS_ITSELF = f"""
import os, signal
from ascmcu.benchmark import journal
append, kept = journal.append, []
def appended(*arguments):
    append(*arguments)
    kept.append(arguments)
    if len(kept) == {KEPT}:
        os.kill(os.getpid(), signal.SIGINT)
journal.append = appended
{MAIN}
"""
# A cold start beside other work has taken more than a minute: only a hang takes as long.
DEADLINE_S = 1200.0

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="signals"),
    pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="no cross compiler"),
]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """``home`` with a model and its inputs; ``tools``, which comes first on the path, is empty."""
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "tools").mkdir()
    (home / "small.tflite").write_bytes(dense(16, 4))
    np.save(home / "in.npy", np.random.default_rng(1).integers(-128, 128, (40, 1, 16), np.int8))
    return home


def _environment(place: Path) -> dict[str, str]:
    return {
        **os.environ, "PATH": f"{place.parent / 'tools'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT),
        "COLUMNS": "80",
    }  # fmt: skip


def _run(place: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = _environment(place) | more
    return subprocess.run([*PROGRAM, *arguments], cwd=place, env=environment, capture_output=True, text=True)


def _endless(place: Path, name: str) -> Path:
    """A program of that name that says that it has begun, by its number, and does not end."""
    began = place.parent / f"{name}-began"
    program = place.parent / "tools" / name
    # GCC is asked for its version before it is asked for work.
    version = shutil.which(name) or "false"
    program.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && exec {version} --version\necho $$ >>{began}\nexec sleep 6000\n'
    )
    program.chmod(0o755)
    return began


def _interrupted(
    place: Path, arguments: list[str], at_work: Callable[[], bool], *, waits: bool = True, **more: str
) -> str:
    """The hint of a command that gets SIGINT once it is at work, or waits for another program or a file."""
    running = subprocess.Popen(
        [*PROGRAM, *arguments], cwd=place, env=_environment(place) | more, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    deadline = time.monotonic() + DEADLINE_S
    while not (begun := at_work()) and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert begun or running.poll() is not None, f"not at work after {DEADLINE_S:.0f} s"
    if waits:
        _has_gone_to_wait(running.pid)
    running.send_signal(signal.SIGINT)
    answered, said = running.communicate(timeout=DEADLINE_S)
    return _hint(arguments, running.returncode, answered, said)


def _hint(arguments: list[str], status: int | None, answered: str, said: str) -> str:
    """The last line of what an interrupted command says."""
    assert (status, answered) == (130, ""), said
    told, hint = said.splitlines()[-2:]
    assert told == "interrupted" and hint.startswith("  hint:     "), said
    assert f"`{shlex.join(['ascmcu', *arguments])}`" in hint
    return hint


def _has_gone_to_wait(pid: int) -> None:
    """Until it has slept for a while: a child that has begun is known to subprocess, which ends it, a moment later."""
    asleep, deadline = 0, time.monotonic() + DEADLINE_S
    while asleep < 10 and time.monotonic() < deadline:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        asleep = asleep + 1 if state == "S" else 0
        time.sleep(0.02)


def _tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def _alive(began: Path) -> list[int]:
    """Which of the endless programs still run; one that is dead and not yet buried has no command line."""
    lines = {int(n): Path(f"/proc/{n}/cmdline") for n in began.read_text().split()}
    return [n for n, path in lines.items() if path.exists() and path.read_bytes()]


def test_export(place: Path) -> None:
    arguments = ["export", "small.tflite", "--board", "nucleo-f446"]
    assert _run(place, *arguments).returncode == 0
    before = _tree(place)
    began = _endless(place, "arm-none-eabi-gcc")
    hint = _interrupted(place, arguments, began.exists)
    assert "an earlier export is unchanged" in hint
    assert _tree(place) == before and not list(place.glob(".*")) and not _alive(began)
    (place.parent / "tools" / "arm-none-eabi-gcc").unlink()
    assert _run(place, *arguments).returncode == 0


@pytest.mark.parametrize("runner", ["host", "sim"])
def test_bench(runner: str, place: Path) -> None:
    assert _run(place, "export", "small.tflite", "--board", "nucleo-f446", "-q").returncode == 0
    arguments = [
        "bench",
        "--on",
        runner,
        "--tensors",
        "in.npy",
        "--limit",
        "40",
    ]
    command = [sys.executable, "-c", INTERRUPTS_ITSELF, *arguments]
    cut = subprocess.run(command, cwd=place, env=_environment(place), capture_output=True, text=True)
    hint = _hint(arguments, cut.returncode, cut.stdout, cut.stderr)
    assert "the clips scored so far are kept" in hint
    assert not (place / "build" / f"bench-{runner}.json").exists()
    done = _run(place, *arguments, "--json")
    finished = json.loads(done.stdout)
    assert (finished["clips"], finished["resumed"]) == (40, KEPT)
    assert done.stderr.startswith("note: an interrupted run is taken up: ") and done.stderr.count("\n") == 1


def test_flash(place: Path) -> None:
    assert _run(place, "export", "small.tflite", "--board", "nucleo-f446", "-q").returncode == 0
    began = _endless(place, "openocd")
    arguments = ["flash", "--with", "openocd", "--serial", "none"]
    assert "the board may hold half a firmware" in _interrupted(place, arguments, began.exists)
    assert not _alive(began)
    (place.parent / "tools" / "openocd").write_text("#!/bin/sh\necho '** Verified OK **'\n")
    done = _run(place, *arguments)
    assert (done.returncode, "written and verified with openocd" in done.stdout) == (0, True), done.stderr
    assert done.stderr.startswith("writing ") and "with openocd" in done.stderr


def test_report(place: Path) -> None:
    (place / "report.html").write_text("an earlier page")
    os.mkfifo(place / "result.json")
    running = ["report", "result.json", "-o", "report.html"]
    # A pipe that nobody writes to: the report waits for its result.
    written: list[int] = []

    def waits() -> bool:
        with contextlib.suppress(OSError):  # nobody reads yet
            written.append(os.open(place / "result.json", os.O_WRONLY | os.O_NONBLOCK))
        return bool(written)

    hint = _interrupted(place, running, waits)
    os.close(written[0])
    assert "an earlier report is unchanged" in hint
    assert (place / "report.html").read_text() == "an earlier page"


def test_features(place: Path) -> None:
    there = cmsis_dsp.available()
    if there is None:
        pytest.skip("no CMSIS-DSP sources on this machine")
    synth.write(place / "scenes", synth.SynthSpec(clips_per_scene=1, clip_seconds=0.5))
    began = _endless(place, "gcc")
    cache = place.parent / "cache"
    hint = _interrupted(
        place, ["features", "check", "--spec", "default", "--data", "scenes"], began.exists,
        ASCMCU_CACHE=str(cache), ASCMCU_CMSIS_DSP=str(there.include_dirs[1].parent),
    )  # fmt: skip
    assert "nothing was written" in hint
    assert not list((cache / "native").iterdir()) and not _alive(began)


def test_data(place: Path) -> None:
    arguments = ["data", "synth", "scenes", "--clips", "2000"]
    hint = _interrupted(
        place, arguments, lambda: len(list(place.glob(".scenes-*/**/audio/*"))) > 2, waits=False
    )
    assert "nothing half-written" in hint
    assert {p.name for p in place.iterdir()} == {"small.tflite", "in.npy"}
    assert _run(place, *arguments[:-1], "2").returncode == 0
    assert len(list((place / "scenes" / "audio").iterdir())) == 12
