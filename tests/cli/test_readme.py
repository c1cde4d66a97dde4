# SPDX-License-Identifier: Apache-2.0
"""What the README says holds: its table is of the stored results, its commands exist."""

from __future__ import annotations

import json
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from ascmcu.cli import cli
from tests.cli.conftest import Ascmcu
from tests.docs.test_commands import commands
from tests.support import outside

ROOT = Path(__file__).resolve().parents[2]
needs_cross = pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="no cross compiler")
COMMANDS = commands(ROOT / "README.md")


def test_the_table_is_of_the_stored_results() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "readme_tables", "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("line", [c for c in COMMANDS if c.startswith("ascmcu ")])
def test_every_command_is_one_that_the_command_line_takes(line: str) -> None:
    for part in line.split(" && "):
        _takes(part)


def _takes(line: str) -> None:
    command: click.Command = cli
    arguments = shlex.split(line)[1:]
    while isinstance(command, click.Group):
        name = arguments.pop(0)
        below = command.get_command(click.Context(command), name)
        assert below is not None, f"no {name} in {line}"
        command = below
    command.make_context(command.name, arguments, resilient_parsing=True)


@pytest.mark.parametrize("line", [c for c in COMMANDS if c.startswith("tools/")])
def test_every_tool_is_there(line: str) -> None:
    tools = [part.split()[0] for part in line.split(" && ") if part.startswith("tools/")]
    assert tools
    for name in tools:
        assert (ROOT / name).stat().st_mode & 0o111, name


def _result(**changes: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "model": "tiny", "board": "nucleo-f446", "runner": "sim", "runner_detail": "a model", "clock_hz": 180_000_000,
        "wait_states": 0, "compiler": "gcc 12", "flags": "-O3", "schedule": "rows", "tool_version": "1", "clips": 4,
        "accuracy": None, "cycles": {"network": 900_000, "frontend": 0},
        "ram_bytes": {"total": 20_000}, "flash_bytes": {"total": 40_000},
        "layers": [{"name": "a", "op": "conv2d", "macs": 300_000}, {"name": "b", "op": "softmax", "macs": 0}],
        "provenance": {"measured_at": "2026-11-21T09:52:13Z", "commit": "abc1234"},
    }  # fmt: skip
    return plain | changes


def test_the_table_tells_results_with_their_conditions(tmp_path: Path) -> None:
    tool = runpy.run_path(str(ROOT / "tools" / "readme_tables"))
    audio = _result(model="audio", accuracy=0.75, cycles={"network": 1_800_000, "frontend": 360_000})
    for name, result in (("a", audio), ("b", _result())):
        (tmp_path / f"{name}.json").write_text(json.dumps(result))
    text = tool["table"](tool["load"](tmp_path))
    assert "| 900,000 | 3.00 | 5.0 ms at 180 MHz, 0 wait states | 20,000 B | 40,000 B | – |" in text
    assert (
        "| 1,800,000 + 360,000 front end | 6.00 | 10.0 + 2.0 ms at 180 MHz, 0 wait states |" in text
        and "75.0 % of 4 clips" in text
    )
    assert text.count("180 MHz; runner `sim`") == 1, "equal conditions are told once"
    assert "\naudio, tiny: nucleo-f446 at 180 MHz" in text and "measured on 2026-11-21 by" in text


def test_rows_of_other_days_and_other_flags_have_their_own_note() -> None:
    tool = runpy.run_path(str(ROOT / "tools" / "readme_tables"))
    later = {"measured_at": "2026-11-30T03:03:57Z", "commit": "abc1234"}
    text = tool["table"](
        [_result(), _result(model="later", provenance=later), _result(model="small", flags="-Os")]
    )
    notes = text.partition("\n\n")[2].splitlines()
    assert [note.partition(":")[0] for note in notes] == ["tiny", "later", "small"]
    assert "2026-11-30" in notes[1] and "`-Os`" in notes[2]


def test_instructions_are_not_shown_as_cycles(tmp_path: Path) -> None:
    tool = runpy.run_path(str(ROOT / "tools" / "readme_tables"))
    emulated = {k: v for k, v in _result(runner="qemu").items() if k != "cycles"} | {
        "instructions": {"network": 1}
    }
    with pytest.raises(SystemExit, match="counts no cycles"):
        tool["table"]([emulated])


MEASURED = {
    "mlperf_tiny_kws": "mlperf_tiny_kws_int8.tflite", "mlperf_tiny_resnet8": "mlperf_tiny_ic_resnet8_int8.tflite",
}  # fmt: skip


@needs_cross
@pytest.mark.parametrize("name", MEASURED)
def test_its_figures_are_those_of_today(
    name: str, ascmcu: Ascmcu, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, update_goldens: bool
) -> None:
    """`ascmcu try` gives the stored result, and prints what the README shows; --update-goldens writes both anew."""
    model = outside.model(MEASURED[name])
    outside.require(model)
    stored = ROOT / "docs" / "results" / "bench" / f"{name}.json"
    tool = runpy.run_path(str(ROOT / "tools" / "readme_tables"))
    shutil.copy(model, tmp_path / f"{name}.tflite")
    monkeypatch.setenv("COLUMNS", "96")
    done = ascmcu("try", f"{name}.tflite", "--board", "nucleo-f446", "--no-open")
    assert done.status == 0, done.stderr
    if update_goldens:
        shutil.copy(tmp_path / "build" / "bench-sim.json", stored)
        assert tool["main"]() == 0
    then, now = (json.loads(path.read_text()) for path in (stored, tmp_path / "build" / "bench-sim.json"))
    if then["compiler"] != now["compiler"]:
        pytest.skip(f"measured with {then['compiler']}")
    assert {key: now[key] for key in FIGURES} == {key: then[key] for key in FIGURES}, UPDATE
    shown = tool["printed"](stored).splitlines()
    real = [line.rstrip() for line in done.stdout.splitlines()]
    assert [line for line in real if line in shown] == shown, UPDATE
    if name == tool["SHOWN"]:
        assert "\n".join(shown) in (ROOT / "README.md").read_text(), UPDATE


FIGURES = ("cycles", "layers", "ram_bytes", "flash_bytes", "schedule", "wait_states", "runner_detail")
UPDATE = "`tools/test tests/cli/test_readme.py --update-goldens` measures anew"


def test_every_result_of_today_is_measured_again() -> None:
    results = (ROOT / "docs" / "results" / "bench").glob("*.json")
    current = {path.stem for path in results if json.loads(path.read_text())["provenance"].get("commit")}
    assert current == set(MEASURED)
