# SPDX-License-Identifier: Apache-2.0
"""``ascmcu try``."""

from __future__ import annotations

import json
import shlex
import sys
import webbrowser
from dataclasses import asdict
from pathlib import Path

import click

from ascmcu.cli import names


@click.command("try")
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--board",
    default="nucleo-f446",
    show_default=True,
    shell_complete=names.BOARDS,
    help="Board name (see `ascmcu boards list`) or a board's TOML file.",
)
@click.option(
    "-o", "--output", "folder", type=click.Path(path_type=Path), default=Path("build"), show_default=True,
    help="Folder of the export, the result and the report.",
)  # fmt: skip
@click.option(
    "--features",
    default=None,
    shell_complete=names.FEATURES,
    help="Feature specification: a name or a TOML file; `none` for the network alone.",
)
@click.option(
    "--data", type=click.Path(path_type=Path), default=None,
    help="Recordings: a folder with a meta.csv or a folder per class, or a table. [default: made inputs]",
)  # fmt: skip
@click.option("--split", default=None, help="The part of the data to take, such as test or fold5.")
@click.option(
    "--tensors", type=click.Path(path_type=Path), default=None,
    help="Inputs for the network alone: a .npy of (N, *input shape) in its input dtype.",
)  # fmt: skip
@click.option(
    "--labels", type=click.Path(path_type=Path), multiple=True,
    help="The network's classes in the order of its outputs, a file as `ascmcu bench --labels` takes it.",
)  # fmt: skip
@click.option("--limit", type=click.IntRange(min=1), default=None, help="Use at most N inputs.")
@click.option(
    "--on", "runner", default="sim", show_default=True, shell_complete=names.RUNNERS,
    help="Where to run: host, sim, qemu, …",
)  # fmt: skip
@click.option("--no-open", is_flag=True, help="Do not open the report in a browser.")
@click.option("--json", "as_json", is_flag=True, help="Report as JSON on standard output.")
def command(
    model: Path, board: str, folder: Path, features: str | None, data: Path | None, split: str | None,
    tensors: Path | None, labels: tuple[Path, ...], limit: int | None, runner: str, no_open: bool, as_json: bool,
) -> None:  # fmt: skip
    """Show MODEL's cycles, RAM and flash: export, run, compare with LiteRT, open the report.

    Without --data and --tensors the inputs are the type's extremes and seeded noise.
    """
    if data is not None and tensors is not None:
        raise click.UsageError("--data and --tensors exclude each other")
    if split is not None and data is None:
        raise click.UsageError("--split goes with --data")
    if labels and data is None and tensors is None:
        raise click.UsageError("--labels goes with --data or --tensors")
    from ascmcu import api
    from ascmcu.cli.notes import Notes
    from ascmcu.cli.progress import staged

    tell = Notes()
    with staged() as progress:
        trial = api.try_model(
            model, board, folder, features=False if features == "none" else features, data=data, split=split,
            tensors=tensors, labels=labels, limit=limit, on=runner, progress=progress,
            tell=tell,
        )  # fmt: skip
    if as_json:
        found = {
            "result": trial.result.to_dict(),
            "litert": {**asdict(trial.agreement), "text": trial.agreement.sentence},
            "page": str(trial.page),
        }
        click.echo(json.dumps(found, indent=2))
        return
    from rich.console import Console

    from ascmcu.results import table

    table.show(trial.result, Console(), tell.told)
    click.echo(trial.agreement.sentence)
    click.echo(f"report: {trial.page}")
    quoted = shlex.quote(str(folder))
    click.echo(f"next: ascmcu flash {quoted}; ascmcu bench {quoted} --serial auto")
    if not no_open and sys.stdout.isatty():
        webbrowser.open(trial.page.resolve().as_uri())
