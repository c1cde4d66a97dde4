# SPDX-License-Identifier: Apache-2.0
"""What the pages on boards and CI say is so."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from ascmcu import boards
from ascmcu.cli import cli

ROOT = Path(__file__).resolve().parents[2]
STEPS = ROOT / "docs" / "ci" / "ascmcu.sh"


def _commands(text: str) -> list[list[str]]:
    """The calls of ascmcu in a text, as words; variables and matrix entries become a plain word or a number."""
    joined = text.replace("\\\n", " ")
    found = re.findall(r"^\s*(?:- )?ascmcu ([^|\n#]+)", joined, re.MULTILINE)
    found += re.findall(r"`ascmcu ([^`]+)`", joined)
    calls = []
    for call in found:
        call = re.sub(r"\$\{\{ matrix\.budget \}\}", "cycles=+1%", call)
        call = re.sub(r"\$\{\{[^}]*\}\}", "sim", call)
        call = re.sub(r"(> ?\S+|\|\| true)", "", call)
        calls.append([word.strip('"') for word in call.split()])
    return calls


@pytest.mark.parametrize(
    "path", [STEPS, ROOT / "docs" / "ci.md", ROOT / "docs" / "boards.md"], ids=lambda p: p.name
)
def test_every_command_is_one_that_there_is(path: Path) -> None:
    calls = _commands(path.read_text())
    assert len(calls) >= 3
    for words in calls:
        context = click.Context(cli)
        command = cli.get_command(context, words[0])
        assert command is not None, words
        rest = words[1:]
        if isinstance(command, click.Group):
            command, rest = command.get_command(context, rest[0]), rest[1:]
            assert command is not None, words
        command.make_parser(click.Context(command, **cli.context_settings)).parse_args(
            rest
        )  # raises on an option that there is not


def test_the_table_of_boards_is_the_boards() -> None:
    rows = re.findall(
        r"^\| `([\w-]+)` \| (\S+) \| (\d+) MHz \| (\d+) / (\d+) KB \|",
        (ROOT / "docs/boards.md").read_text(),
        re.M,
    )
    assert [row[0] for row in rows] == boards.names()
    for name, chip, mhz, flash, ram in rows:
        board = boards.load(name)
        figures = (
            round(board.clock.sysclk_hz / 1_000_000),
            board.flash.size_bytes // 1024,
            board.ram.size_bytes // 1024,
        )
        assert (board.chip.name, *figures) == (chip, int(mhz), int(flash), int(ram))
