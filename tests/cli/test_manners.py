# SPDX-License-Identifier: Apache-2.0
"""How the command line behaves: quiet, interrupted, in a pipe, in a shell that completes."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner

from ascmcu.cli import AFTER_CTRL_C, VERBS, cli, progress
from ascmcu.results import schema
from ascmcu.results.schema import Benchmark
from tests.cli.conftest import Ascmcu, Snapshot
from tests.results.conftest import benchmark_result as benchmark_result

ROOT = Path(__file__).resolve().parents[2]
needs_cross = pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="no cross compiler")
PROGRAM = [sys.executable, "-c", "import sys; from ascmcu.cli import main; sys.argv[0] = 'ascmcu'; main()"]


@pytest.fixture
def result(benchmark_result: Benchmark, tmp_path: Path) -> Path:
    """A stored result."""
    path = tmp_path / "bench-sim.json"
    path.write_text(benchmark_result.to_json())
    return path


def test_quiet_says_nothing_but_json_and_errors(ascmcu: Ascmcu, result: Path, tmp_path: Path) -> None:
    done = ascmcu("report", result, "--quiet")
    assert (done.status, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "report.html").is_file()
    assert ascmcu("report", result, "-q", "--format", "markdown").stdout.startswith("### tiny")
    assert ascmcu("boards", "list", "-q").stdout == ""
    assert json.loads(ascmcu("boards", "list", "--json", "-q").stdout)
    done = ascmcu("report", "nowhere.json", "-q")
    assert done.status == 2 and done.stderr.startswith("error: not a readable result")


@needs_cross
def test_quiet_through_the_whole_pipeline(ascmcu: Ascmcu, model: Path, tmp_path: Path) -> None:
    assert (
        ascmcu("export", model, "--board", "nucleo-f446", "--format", "library", "-o", "lib", "-q").stdout
        == ""
    )
    assert ascmcu("export", model, "--board", "nucleo-f446", "--quiet").stdout == ""
    np.save(tmp_path / "in.npy", np.zeros((1, 1, 16), np.int8))
    done = ascmcu("bench", "--on", "host", "--tensors", "in.npy", "--quiet")
    assert (done.status, done.stdout, done.stderr) == (0, "", "")
    assert schema.load(tmp_path / "build" / "bench-host.json").runner == "host"


def test_every_leaf_can_be_quiet() -> None:
    def leaves(command: click.Command) -> list[click.Command]:
        if not isinstance(command, click.Group):
            return [command]
        context = click.Context(command)
        below = [command.get_command(context, name) for name in command.list_commands(context)]
        return [leaf for one in below if one is not None for leaf in leaves(one)]

    assert leaves(cli)
    for leaf in leaves(cli):
        assert sum("--quiet" in option.opts for option in leaf.params) == 1, leaf.name


def test_what_ctrl_c_leaves_is_told_for_every_verb_that_takes_long() -> None:
    assert set(AFTER_CTRL_C) <= set(VERBS) | {"tune"}
    assert {"bench", "train", "export", "quantize", "flash", "data", "features"} <= set(AFTER_CTRL_C)


def test_a_log_gets_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter([0.0, 0.0, 5.0, 20.0, 25.0, 40.0])
    monkeypatch.setattr("ascmcu.cli.progress.time.monotonic", lambda: next(now))
    with progress.counted("bench on sim", "clips") as done:
        for count in range(5):
            done(count, 10)
    assert capsys.readouterr().err.splitlines() == [
        "bench on sim: 2 of 10 clips, about 80 s left", "bench on sim: 4 of 10 clips, about 60 s left",
    ]  # fmt: skip


def test_steps_behind_each_other_are_estimated_apart(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter([0.0, 0.0, 30.0, 30.0, 50.0, 3650.0])
    monkeypatch.setattr("ascmcu.cli.progress.time.monotonic", lambda: next(now))
    with progress.staged() as say:
        for what, unit, done, note in (
            ("searching", "plans", 0, ""), ("searching", "plans", 1, ""), ("training", "epochs", 0, ""),
            ("training", "epochs", 1, "loss 0.5"), ("training", "epochs", 2, "loss 0.4"),
        ):  # fmt: skip
            say(what, unit, done, 12, note)
    assert capsys.readouterr().err.splitlines() == [
        "searching: 1 of 12 plans, about 6 min left",
        "training: 1 of 12 epochs, about 4 min left; loss 0.5",
        "training: 2 of 12 epochs, about 5.0 h left; loss 0.4",
    ]


def test_a_terminal_gets_bars_that_vanish(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with progress.staged() as say:
        say("searching", "plans", 1, 4)
        say("compiling", "files", 2, 3, "nearly there")
    shown = terminal.getvalue()
    assert all(part in shown for part in ("searching", "1/4", "compiling", "2/3", "nearly there"))
    assert "\x1b[2K" in shown, "the lines are cleared at the end"


def test_a_pipe_gets_no_colours(result: Path) -> None:
    done = subprocess.run(
        [*PROGRAM, "report", str(result), "--format", "text"], capture_output=True, text=True, check=True
    )
    assert "\x1b" not in done.stdout and "accuracy 75.00 %" in done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str, ascmcu: Ascmcu) -> None:
    done = ascmcu("completion", shell)
    assert done.status == 0 and "_ASCMCU_COMPLETE" in done.stdout


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash")
@pytest.mark.parametrize(
    ("typed", "offered"),
    [("ascmcu exp", {"export"}), ("ascmcu export --bo", {"--board"}), ("ascmcu bench --o", {"--on"}),
     ("ascmcu export x.tflite --schedule r", {"rows"}), ("ascmcu boards l", {"list"}),
     ("ascmcu boards show nucleo-f44", {"nucleo-f446"}),
     ("ascmcu export x.tflite --board nrf", {"nrf52840-dk"}), ("ascmcu export x --features bupt", {"bupt2020"}),
     ("ascmcu bench --on s", {"sim"}), ("ascmcu flash --with o", {"openocd"}), ("ascmcu train dem", {"demo"})],
)  # fmt: skip
def test_bash_completes(typed: str, offered: set[str], tmp_path: Path) -> None:
    program = tmp_path / "ascmcu"
    program.write_text(f"#!{sys.executable}\nfrom ascmcu.cli import main\nmain()\n")
    program.chmod(0o755)
    words = typed.split()
    script = (
        'eval "$(ascmcu completion bash)"; COMP_WORDS=('
        + " ".join(words)
        + f"); COMP_CWORD={len(words) - 1}; "
        f'_ascmcu_completion ascmcu; printf "%s\\n" "${{COMPREPLY[@]}}"'
    )
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == offered, done.stderr


def test_report_formats(ascmcu: Ascmcu, result: Path, tmp_path: Path) -> None:
    assert ascmcu("report", result, "--format", "markdown").stdout.startswith("### tiny on ST NUCLEO-F446RE")
    assert json.loads(ascmcu("report", result, "--json").stdout)["schema"] == "ascmcu.bench"
    assert "<testsuites>" in ascmcu("report", result, "--format", "junit").stdout
    assert ascmcu("report", tmp_path, "--format", "text", "-o", "r.txt").stdout == "r.txt\n"
    assert "accuracy 75.00 %" in (tmp_path / "r.txt").read_text()
    done = ascmcu("report", result, "--format", "markdown", "--budget", "ram=1")
    assert done.status == 1 and done.stderr == "budget broken: RAM, bytes 10,000, budget ≤ 1 (ram=1)\n"


def test_compare_formats(ascmcu: Ascmcu, result: Path, benchmark_result: Benchmark, tmp_path: Path) -> None:
    import dataclasses

    other = dataclasses.replace(benchmark_result, ram_bytes={"total": 10_100})
    (tmp_path / "later.json").write_text(other.to_json())
    both = (result, "later.json")
    done = ascmcu("compare", *both, "--budget", "ram=+1%")
    assert done.status == 0 and re.search(r"RAM, bytes +10,000 +10,100 +\+100 \(\+1.00 %\)", done.stdout)
    assert "flash" not in done.stdout and "network" not in done.stdout
    assert ascmcu("compare", *both, "--budget", "ram=+99").status == 1
    assert json.loads(ascmcu("compare", *both, "--json").stdout)[0]["figures"][0]["change"] == 100
    assert "| RAM, bytes |" in ascmcu("compare", *both, "--format", "markdown").stdout
    assert "<testsuites>" in ascmcu("compare", *both, "--format", "junit").stdout
    assert ascmcu("compare", *both, "--pareto", "p.svg", "--y", "ram").status == 0
    assert (tmp_path / "p.svg").read_text().count("<circle") == 2


CASES = {
    "report-without-result": ["report", "empty"],
    "report-of-no-result": ["report", "notes.json"],
    "compare-one": ["compare", "bench-sim.json"],
    "unknown-budget": ["compare", "bench-sim.json", "bench-sim.json", "--budget", "speed=1"],
    "budget-of-no-form": ["report", "bench-sim.json", "--budget", "ram"],
    "relative-budget-alone": ["report", "bench-sim.json", "--budget", "ram=+1%"],
    "plot-of-no-kind": ["compare", "bench-sim.json", "--pareto", "p.pdf"],
    "unknown-shell": ["completion", "tcsh"],
}


@pytest.mark.parametrize("name", CASES)
def test_bad_input(name: str, ascmcu: Ascmcu, snapshot: Snapshot, result: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.json").write_text('{"schema": "diary"}')
    before = {p.name for p in tmp_path.iterdir()}
    done = ascmcu(*CASES[name])
    assert (done.status, done.stdout) == (2, "")
    snapshot(f"error-{name}", done.stderr)
    assert {p.name for p in tmp_path.iterdir()} == before


def test_a_quiet_verb_that_is_called_otherwise_leaves_the_streams_as_they_were(ascmcu: Ascmcu) -> None:
    before = sys.stdout, sys.stderr
    CliRunner().invoke(cli, ["boards", "list", "-q"])
    assert (sys.stdout, sys.stderr) == before
    assert ascmcu("boards", "show", "zx81").stderr.startswith("error: unknown board")
