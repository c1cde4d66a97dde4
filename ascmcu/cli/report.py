# SPDX-License-Identifier: Apache-2.0
"""``ascmcu report``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from ascmcu.cli import every as duty_options


@click.command("report")
@click.argument("result", metavar="[RESULT]", type=click.Path(path_type=Path), default=Path("build"))
@click.option(
    "-o", "--output", "to", type=click.Path(path_type=Path), default=None,
    help="Output file. [default: report.html beside the result; standard output for other formats]",
)  # fmt: skip
@click.option(
    "--format", "form", type=click.Choice(["html", "text", "markdown", "junit", "json"]), default="html",
    show_default=True, help="A page, tables for the terminal or a pull request, JUnit for CI, or the raw result.",
)  # fmt: skip
@click.option(
    "--export", type=click.Path(path_type=Path), default=None,
    help="Folder of the export, for the memory map. [default: the result's folder]",
)  # fmt: skip
@click.option(
    "--budget", "limits", multiple=True, metavar="NAME=MAX",
    help="Limit such as cycles=5000000, ram=64000 or accuracy=90%. Exit status 1 if exceeded.",
)  # fmt: skip
@duty_options.options
@click.option("--json", "as_json", is_flag=True, help="Same as --format json.")
def command(
    result: Path, to: Path | None, form: str, export: Path | None, limits: tuple[str, ...], every: str | None,
    idle_ua: float | None, as_json: bool,
) -> None:  # fmt: skip
    """Show RESULT: a file from `ascmcu bench`, or an export's folder (default: build), whose newest result is used."""
    from ascmcu import api
    from ascmcu.paths import check_output
    from ascmcu.results import budgets

    if to is not None:
        check_output(to, result)
    bounds = [budgets.parse(text) for text in limits]
    benchmark = api.result(result)
    verdicts = [budgets.judge(bound, benchmark) for bound in bounds]
    form = "json" if as_json else form
    duty = duty_options.duty(benchmark, every, idle_ua)
    told = [] if duty is None else duty_options.sentences(benchmark, duty)
    if told and form == "junit":
        raise click.UsageError("--every goes with every format but junit")
    if form == "html":
        click.echo(api.report(result, to, export=export, notes=told))
    elif form == "text" and to is None:
        from rich.console import Console

        from ascmcu.results import table

        table.show(benchmark, Console())
        duty_options.show(benchmark, duty)
    elif form == "json":
        _put(json.dumps(duty_options.to_dict(benchmark, duty), indent=2) + "\n", to)
    else:
        lines = "".join(f"\n{line}\n" if form == "markdown" else f"{line}\n" for line in told)
        _put(_text(form, benchmark, verdicts) + lines, to)
    for verdict in verdicts:
        if not verdict.kept:
            click.echo(f"budget broken: {verdict.sentence}", err=True)
    sys.exit(0 if all(verdict.kept for verdict in verdicts) else 1)


def _text(form: str, benchmark: Any, verdicts: list[Any]) -> str:
    if form == "markdown":
        from ascmcu.results import markdown

        return markdown.of_benchmark(benchmark, verdicts)
    if form == "junit":
        from ascmcu.results import junit

        return junit.render([(f"{benchmark.model}.{benchmark.runner}", junit.cases(benchmark, verdicts))])
    import io

    from rich.console import Console

    from ascmcu.results import table

    text = io.StringIO()
    table.show(benchmark, Console(file=text, width=120))
    return text.getvalue()


def _put(text: str, to: Path | None) -> None:
    if to is None:
        click.echo(text, nl=False)
    else:
        from ascmcu.paths import write_whole

        write_whole(to, text)
        click.echo(to)
