# SPDX-License-Identifier: Apache-2.0
"""``ascmcu submit``: the package of a challenge."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ascmcu.errors import InputError


@click.command("submit")
@click.argument("challenge")
@click.argument("runs", metavar="[RUN]...", nargs=-1)
@click.option(
    "--data", type=click.Path(path_type=Path), help="Folder of the evaluation set: meta.csv and audio/."
)
@click.option(
    "--development",
    type=click.Path(path_type=Path),
    help="Folder of the development set; its test part is scored.",
)
@click.option(
    "--info", type=click.Path(path_type=Path), help="TOML file with authors, label and description."
)
@click.option("--template", is_flag=True, help="Print a template of the --info file.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("submission"),
    show_default=True,
    help="Folder.",
)
@click.option("--json", "as_json", is_flag=True, help="Print files and results as JSON.")
def command(
    challenge: str, runs: tuple[str, ...], data: Path | None, development: Path | None, info: Path | None,
    template: bool, output: Path, as_json: bool,
) -> None:  # fmt: skip
    """Score the evaluation set of CHALLENGE with RUN and write system outputs and meta file.

    CHALLENGE is dcase2024-task1 or dcase2025-task1. RUN is the folder of a training run or a .tflite. DCASE 2024 asks
    for a model for each subset of the training part: `split5=runs/a split25=runs/b`. Without a name, the subset is that
    of the run's recipe. In DCASE 2025 devices may have their own models beside the general one: `runs/all a=runs/a`.

    The int8 network runs as generated C on the host: its outputs are the bits of the device.
    """
    from ascmcu.challenges import info as facts
    from ascmcu.challenges import records

    asked = records.find(challenge)
    if template:
        click.echo(facts.TEMPLATE.replace("task1", asked.task), nl=False)
        return
    if not runs or data is None or development is None or info is None:
        raise click.UsageError(
            "--data, --development, --info and a RUN are needed; --template prints an info file"
        )
    told = facts.read(info, asked)
    from ascmcu.challenges import package
    from ascmcu.cli.notes import Notes
    from ascmcu.cli.progress import staged
    from ascmcu.data import datasets

    models = package.entrants(asked, _named(runs))
    with staged() as progress:
        written = package.write(asked, told, models, data, datasets.load(development), output, progress)
    tell = Notes()
    for notice in written.notices:
        tell(notice)
    if as_json:
        found = {"folder": str(written.folder), "files": written.files, "notices": written.notices}
        click.echo(json.dumps({**found, **written.results}, indent=2))
        return
    for line in (*written.lines, *(written.folder / file for file in written.files)):
        click.echo(line)


def _named(runs: tuple[str, ...]) -> dict[str, Path]:
    """``split25=runs/a`` → name and path; a path alone has the empty name."""
    found: dict[str, Path] = {}
    for text in runs:
        name, equals, path = text.rpartition("=")
        key = name if equals and not Path(text).exists() else ""
        if key in found and not key:
            raise InputError("two runs without a name", found=text, expected="split5=RUN split10=RUN …")
        found[key] = Path(path if key else text)
    return found
