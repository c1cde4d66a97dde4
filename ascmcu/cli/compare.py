# SPDX-License-Identifier: Apache-2.0
"""``ascmcu compare``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click


@click.command("compare")
@click.argument(
    "results", nargs=-1, required=True, metavar="BASE [RESULT]...", type=click.Path(path_type=Path)
)
@click.option(
    "--budget", "limits", multiple=True, metavar="NAME=LIMIT",
    help="Limit relative to BASE (cycles=+1%, ram=+512) or absolute (flash=90000). Exit status 1 if exceeded.",
)  # fmt: skip
@click.option(
    "--format", "form", type=click.Choice(["text", "markdown", "junit", "json"]), default="text", show_default=True,
    help="Tables for the terminal or for a pull request, a JUnit file for CI, or JSON.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Same as --format json.")
@click.option(
    "--pareto", "plot", type=click.Path(path_type=Path, dir_okay=False), default=None,
    help="Plot all results and their Pareto front to an .svg or .png.",
)  # fmt: skip
@click.option(
    "--x", "across", default="cycles", show_default=True, help="Figure on the plot's horizontal axis."
)
@click.option(
    "--y", "upward", default="accuracy", show_default=True, help="Figure on the plot's vertical axis."
)
def command(
    results: tuple[Path, ...], limits: tuple[str, ...], form: str, as_json: bool, plot: Path | None,
    across: str, upward: str,
) -> None:  # fmt: skip
    """Compare each RESULT with BASE and show only differences.

    Each is a file that `ascmcu bench` wrote, or an export's folder (its newest result is used). Figures for budgets:
    accuracy, log-loss, map, auc, partial-auc, cycles, instructions, network, frontend, latency, ram, flash, macs,
    parameters.
    """
    from ascmcu import api
    from ascmcu.paths import check_output
    from ascmcu.results import budgets, comparison, pareto

    bounds = [budgets.parse(text) for text in limits]
    if plot is not None:
        pareto.check_suffix(plot)
        check_output(plot, *results)
    loaded = [(path, api.result(path)) for path in results]
    called = comparison.told_apart(loaded)
    if plot is not None:
        x, y = budgets.by_name(across), budgets.by_name(upward)
        pareto.write(plot, pareto.points(list(zip(called, (b for _, b in loaded), strict=True)), x, y), x, y)
        click.echo(f"plot: {plot}", err=True)
    elif len(loaded) < 2:
        raise click.UsageError("give two results or more, or --pareto")
    made = [
        comparison.compare(loaded[0][1], later, bounds, (called[0], name))
        for name, (_, later) in zip(called[1:], loaded[1:], strict=True)
    ]
    _show("json" if as_json else form, made)
    sys.exit(0 if all(c.kept for c in made) else 1)


def _show(form: str, made: list[Any]) -> None:
    if form == "json":
        click.echo(json.dumps([c.to_dict() for c in made], indent=2))
    elif form == "markdown":
        from ascmcu.results import markdown

        click.echo(markdown.of_comparison(made), nl=False)
    elif form == "junit":
        from ascmcu.results import junit

        suites = [(f"{c.names[1]}.{c.result.runner}", junit.cases(c.result, c.verdicts)) for c in made]
        click.echo(junit.render(suites), nl=False)
    else:
        from rich.console import Console

        from ascmcu.results import comparison_table

        for c in made:
            comparison_table.show(c, Console())
