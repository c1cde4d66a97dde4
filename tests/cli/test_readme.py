# SPDX-License-Identifier: Apache-2.0
"""What the README says holds: its table is of the stored results, its commands exist."""

from __future__ import annotations

import json
import runpy
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from ascmcu.cli import cli
from tests.docs.test_commands import commands

ROOT = Path(__file__).resolve().parents[2]
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
