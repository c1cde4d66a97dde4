# SPDX-License-Identifier: Apache-2.0
"""``ascmcu inspect``."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command("inspect")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(model: Path, as_json: bool) -> None:
    """Show the layers of MODEL (a .tflite), their sizes, and which challenge limits and boards the model fits.

    Parameters include zeros, as in DCASE. RAM is the peak of the activations. The keys of --json are the fields of
    ascmcu.results.inspection.Inspection.
    """
    from ascmcu import api

    inspection = api.inspect(model)
    if as_json:
        click.echo(json.dumps(inspection.to_dict(), indent=2))
        return
    from rich.console import Console

    from ascmcu.results.inspection_table import show

    show(inspection, Console())
