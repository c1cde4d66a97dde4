# SPDX-License-Identifier: Apache-2.0
"""``ascmcu profile``."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command("profile")
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path), default=Path("build"))
@click.option(
    "--flame", type=click.Path(path_type=Path, dir_okay=False), metavar="OUT.svg",
    help="Where the flame graph goes. [default: flame.svg in DIR]",
)  # fmt: skip
@click.option(
    "--hottest", type=click.IntRange(0), default=1, show_default=True,
    help="Show the instructions of the N functions with the most cycles.",
)  # fmt: skip
@click.option("--function", metavar="NAME", help="Show the instructions of this function instead.")
@click.option(
    "--wait-states", metavar="N", type=click.IntRange(0, 15), default=None,
    help="Flash wait states. [default: those that the board's clock needs]",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    folder: Path,
    flame: Path | None,
    hottest: int,
    function: str | None,
    wait_states: int | None,
    as_json: bool,
) -> None:
    """Show where the cycles of one inference go, for the export in DIR (default: build).

    The firmware runs one made input on the simulator. Shown are cycles by function and by instruction; a flame graph
    is written.
    """
    from ascmcu import api
    from ascmcu.cli.sim import function_rows, function_table, line_rows, line_table
    from ascmcu.paths import check_output, write_whole
    from ascmcu.sim import flame as flames

    graph = flame or folder / "flame.svg"
    if flame is not None:
        check_output(flame)
    found = api.profile(folder, wait_states=wait_states, hottest=hottest, function=function)
    title = f"{folder.resolve().name}: {found.cycles:,} cycles of one inference, {found.machine}"
    write_whole(graph, flames.render(list(found.paths), title))
    if as_json:
        result = {
            "cycles": found.cycles,
            "machine": found.machine,
            "functions": function_rows(found.functions),
            "annotated": [line_rows(name, lines) for name, lines in found.annotated],
            "flame": str(graph),
        }
        click.echo(json.dumps(result, indent=2))
        return
    click.echo(f"{found.cycles:,} cycles of one inference; {found.machine}")
    click.echo(function_table(found.functions, found.cycles))
    for name, lines in found.annotated:
        click.echo(line_table(name, lines))
    click.echo(f"\nflame graph: {graph}")
