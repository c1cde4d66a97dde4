# SPDX-License-Identifier: Apache-2.0
"""Help: quick, without numpy, and as the snapshots say."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from ascmcu.cli import VERBS, cli
from tests.cli.conftest import Ascmcu, Snapshot

# Modules that help may load beyond those of a bare Python. Each takes about 0.5 ms; seconds would measure the machine.
HELP_MODULES = 200
PRESENT = cli.list_commands(click.Context(cli))


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import atexit, sys; bare = set(sys.modules); from ascmcu.cli import main; sys.argv[:] = ['ascmcu', '--help'];"
        "atexit.register(lambda: print('loaded:', *sorted(set(sys.modules) - bare))); main()"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    loaded = set(done.stdout.rpartition("loaded:")[2].split())
    assert "ascmcu.cli" in loaded
    assert not loaded & {"numpy", "jinja2", "rich", "tflite", "librosa", "unicorn", "numba", "tensorflow"}
    assert len(loaded) < HELP_MODULES
    assert not {name for name in loaded if name.startswith("ascmcu.")} - {
        "ascmcu.cli", "ascmcu.cli.plain", "ascmcu.errors",
    }  # fmt: skip


def _paths(command: click.Command, path: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The command and all below it."""
    found = [path]
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            found += _paths(below, (*path, name))
    return found


def test_help_of_the_whole(ascmcu: Ascmcu) -> None:
    done = ascmcu("--help")
    assert (done.status, done.stderr) == (0, "")
    listed = [
        line.split()[0] for line in done.stdout.partition("Commands:")[2].splitlines() if line[2:3].strip()
    ]
    assert listed == [verb for verb in VERBS if verb in PRESENT]


@pytest.mark.parametrize("verb", PRESENT)
def test_help_of_every_verb(verb: str, ascmcu: Ascmcu, snapshot: Snapshot) -> None:
    command = cli.get_command(click.Context(cli), verb)
    assert command is not None
    texts = []
    for path in _paths(command, (verb,)):
        done = ascmcu(*path, "--help")
        assert (done.status, done.stderr) == (0, ""), path
        texts.append(done.stdout)
    snapshot(f"help-{verb}", "\n".join(texts))
