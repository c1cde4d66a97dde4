# SPDX-License-Identifier: Apache-2.0
"""``ascmcu completion``."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]), metavar="SHELL")
def command(shell: str) -> None:
    """Print a completion script for SHELL.

    bash and zsh: put `eval "$(ascmcu completion bash)"` (or zsh) into the shell's start-up file. fish: write the
    output to ~/.config/fish/completions/ascmcu.fish.
    """
    from ascmcu.cli import cli

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(cli, {}, "ascmcu", "_ASCMCU_COMPLETE").source())
