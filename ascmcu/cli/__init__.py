"""The command line: one verb per module, each imported only when it is called."""

from __future__ import annotations

import importlib
import importlib.util
import sys

import click

from ascmcu import __version__
from ascmcu.errors import AscmcuError

# In pipeline order; the text is what `ascmcu --help` shows, so that help imports no verb.
VERBS = {
    "doctor": "Show what this machine has, what it lacks and how to install it.",
    "data": "Check, list and synthesise data sets.",
    "train": "Train a network by its recipe: data set in, quantized model out.",
    "quantize": "Make an int8 .tflite of a float model.",
    "inspect": "Layers, parameters, MACs, memory, and the limits they meet.",
    "features": "Compare the device's features with librosa's.",
    "export": "Compile a .tflite to C and firmware for a board.",
    "flash": "Write the last export to the board on the desk.",
    "bench": "Stream recordings or tensors through a firmware; accuracy, cycles, RAM, flash.",
    "boards": "List and show the boards that are known.",
    "sim": "Run any bare-metal Cortex-M4 ELF with cycle counts.",
}


class _LazyGroup(click.Group):
    """Imports ``ascmcu.cli.<verb>`` and takes its ``command`` when the verb is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [verb for verb in VERBS if importlib.util.find_spec(f"ascmcu.cli.{verb}")]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self.list_commands(ctx):
            return None
        command: click.Command = importlib.import_module(f"ascmcu.cli.{name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(verb, VERBS[verb]) for verb in self.list_commands(ctx)])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="ascmcu")
def cli() -> None:
    """From a trained audio classifier to a benchmarked Cortex-M4 firmware."""


def main() -> None:
    """Run the command line; every deliberate error becomes one message and its exit status."""
    try:
        cli(standalone_mode=True)
    except AscmcuError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_status)
