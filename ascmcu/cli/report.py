# SPDX-License-Identifier: Apache-2.0
"""``ascmcu report``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click


@click.command("report")
@click.argument("result", metavar="[RESULT]", type=click.Path(path_type=Path), default=Path("build"))
@click.option(
    "-o", "--output", "to", type=click.Path(path_type=Path), default=None,
    help="Where it goes. [default: report.html beside the result; other formats to standard output]",
)  # fmt: skip
@click.option(
    "--format", "form", type=click.Choice(["html", "text", "markdown", "junit", "json"]), default="html",
    show_default=True, help="A page, the terminal's tables, a pull request's, a CI's, or the result itself.",
)  # fmt: skip
@click.option(
    "--export", type=click.Path(path_type=Path), default=None,
    help="Folder of the export, for the memory map. [default: where the result lies]",
)  # fmt: skip
@click.option(
    "--budget", "limits", multiple=True, metavar="NAME=MAX",
    help="A bound such as cycles=5000000, ram=64000, accuracy=90%; broken, the exit status is 1.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
def command(
    result: Path, to: Path | None, form: str, export: Path | None, limits: tuple[str, ...], as_json: bool
) -> None:
    """Show RESULT: a file that `ascmcu bench` wrote, or an export's folder with the newest one (default: build)."""
    from ascmcu import api
    from ascmcu.paths import check_output
    from ascmcu.results import budgets

    if to is not None:
        check_output(to, result)
    bounds = [budgets.parse(text) for text in limits]
    benchmark = api.result(result)
    verdicts = [budgets.judge(bound, benchmark) for bound in bounds]
    form = "json" if as_json else form
    if form == "html":
        click.echo(api.report(result, to, export=export))
    elif form == "text" and to is None:
        from rich.console import Console

        from ascmcu.results import table

        table.show(benchmark, Console())
    else:
        _put(_text(form, benchmark, verdicts), to)
    for verdict in verdicts:
        if not verdict.kept:
            click.echo(f"budget broken: {verdict.sentence}", err=True)
    sys.exit(0 if all(verdict.kept for verdict in verdicts) else 1)


def _text(form: str, benchmark: Any, verdicts: list[Any]) -> str:
    if form == "json":
        return json.dumps(benchmark.to_dict(), indent=2) + "\n"
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
