# SPDX-License-Identifier: Apache-2.0
"""``ascmcu completion``."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]), metavar="SHELL")
def command(shell: str) -> None:
    """Print what SHELL needs to complete verbs and options.

    bash and zsh: `eval "$(ascmcu completion bash)"` in the start-up file. fish: `ascmcu completion fish` into
    ~/.config/fish/completions/ascmcu.fish.
    """
    from ascmcu.cli import cli

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(cli, {}, "ascmcu", "_ASCMCU_COMPLETE").source())
