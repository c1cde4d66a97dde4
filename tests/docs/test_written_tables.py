# SPDX-License-Identifier: Apache-2.0
"""Tables of pages that a tool writes are what it would write today."""

from __future__ import annotations

import json

import pytest

from ascmcu import boards
from tests.support import tool

board_table = tool.load("boards_table")
three_jobs = tool.load("three_jobs")


@pytest.mark.parametrize("module", [board_table, three_jobs], ids=["boards_table", "three_jobs"])
def test_the_page_is_current(
    module: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["tool", "--check"])
    assert module.main() == 0, capsys.readouterr().err  # type: ignore[attr-defined]


def test_every_board_has_a_line_with_its_figures() -> None:
    lines = {
        line.split("`")[1]: line for line in board_table.table().splitlines()[2:] if line.startswith("|")
    }
    assert set(lines) == set(boards.names())
    for name, line in lines.items():
        board = boards.load(name)
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert cells[2:4] == [f"{board.clock.sysclk_hz / 1e6:g}", str(board.clock.wait_states)]
        assert cells[5] == str(board.flash.size_bytes // 1024)
        assert cells[6].split()[0] == str(board.ram.size_bytes // 1024)
        assert ("PDM" in cells[7]) is (board.microphone.count > 0)


def test_the_times_are_of_the_commands_that_the_page_has() -> None:
    jobs = three_jobs.jobs(three_jobs.PAGE.read_text())
    stored = json.loads(three_jobs.RESULT.read_text())["jobs"]
    assert {job: [each["command"] for each in commands] for job, commands in stored.items()} == jobs
    assert [len(commands) for commands in jobs.values()] == [1, 4, 3], "at most 1, 4 and 4 commands"
