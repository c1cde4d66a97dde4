# SPDX-License-Identifier: Apache-2.0
"""``ascmcu inspect``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ascmcu.cli import names


@click.command("inspect")
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--features",
    default=None,
    shell_complete=names.FEATURES,
    help="Feature specification instead of the one in MODEL: a name or a .toml file. Its front end counts for the "
    "boards. `none` counts the network alone.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(model: Path, features: str | None, as_json: bool) -> None:
    """Show the layers of MODEL (a .tflite), their sizes, and which challenge limits and boards the model fits.

    MODEL may also be the folder of a training run, or the JSON file of a microWakeWord model. Parameters include zeros,
    as in DCASE. RAM is the peak of the activations. The keys of --json are the fields of
    ascmcu.results.inspection.Inspection.

    For a model that cannot be exported, the command shows its operators, which of them are supported, and the reason;
    --json then has "exportable": false. The exit status is 0: what is in the file was shown. It is 2 for a file that is
    cut or damaged.
    """
    from ascmcu import api
    from ascmcu.errors import DamagedError, ModelError

    try:
        inspection = api.inspect(model, features=False if features == "none" else features)
    except DamagedError:
        raise
    except ModelError as error:
        _refused(model, str(error), as_json)
        return
    if as_json:
        click.echo(json.dumps(inspection.to_dict(), indent=2))
        return
    from rich.console import Console

    from ascmcu.results.inspection_table import show

    show(inspection, Console())


def _refused(model: Path, why: str, as_json: bool) -> None:
    """A model that cannot be exported: what it holds, and what is in the way."""
    from ascmcu import api
    from ascmcu.results import survey_table

    survey = api.survey(model)
    if as_json:
        click.echo(json.dumps(survey_table.to_dict(survey, model.stem, why), indent=2))
        return
    from rich.console import Console

    survey_table.show(survey, model.stem, why, Console())
