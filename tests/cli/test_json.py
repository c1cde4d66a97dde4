# SPDX-License-Identifier: Apache-2.0
"""``--json``: standard output is one JSON document, with and without ``--quiet``, whatever else is to be said."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import click
import pytest

from ascmcu.cli import cli
from tests.cli.conftest import Ascmcu
from tests.cli.test_wrong import place as place

ROWS = [
    "boards list",
    "boards show nucleo-f446",
    "data list scenes",
    "data check scenes",
    "features list",
    "features check --spec default --data scenes --limit 1",
    "inspect small.tflite",
    "plan small.tflite",
    "plan small.tflite --board nucleo-f411",
    "export small.tflite --board nucleo-f411 -o again",
    "export small.tflite --board nucleo-f411 -o library --format library",
    "flash --list",
    "bench build --on host --tensors in.npy",
    "bench build --on sim --tensors in.npy --limit 1",
    "bench build --on host",
    "try small.tflite --on host -o tried",
    "profile build --flame flame.svg",
    "report result.json",
    "compare result.json result.json",
    "sim build/firmware.elf --between reset_continue main",
    "doctor",
]
# Training, quantization and searches have this in their own tests, where they run anyway.
ELSEWHERE = {"train", "quantize", "tune", "features fit", "submit", "monitor"}


@pytest.mark.parametrize("row", ROWS)
def test_standard_output_is_json(
    row: str, place: Path, ascmcu: Ascmcu, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    done = ascmcu(*shlex.split(row), "--json")
    assert done.status in (0, 1), done.stderr
    told = json.loads(done.stdout)
    quiet = ascmcu(*shlex.split(row), "--json", "--quiet")
    assert (quiet.status, quiet.stderr) == (done.status, "")
    assert type(json.loads(quiet.stdout)) is type(told)


def test_every_verb_with_json_has_a_row() -> None:
    def leaves(command: click.Command, path: str) -> list[str]:
        if isinstance(command, click.Group):
            context = click.Context(command)
            below = [(n, command.get_command(context, n)) for n in command.list_commands(context)]
            return [
                leaf for n, one in below if one is not None for leaf in leaves(one, f"{path} {n}".strip())
            ]
        return [path] if any("--json" in option.opts for option in command.params) else []

    assert leaves(cli, "")
    for leaf in leaves(cli, ""):
        assert leaf in ELSEWHERE or any(row.startswith(leaf) for row in ROWS), leaf
