# SPDX-License-Identifier: Apache-2.0
"""A comparison on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ascmcu.results import words
from ascmcu.results.comparison import Comparison, Condition, Difference
from ascmcu.results.markdown import change


def show(comparison: Comparison, console: Console) -> None:
    """Print what differs, the budgets, and under which other conditions the results were made."""
    c = comparison
    console.print(
        f"[bold]{escape(c.names[1])}[/] against [bold]{escape(c.names[0])}[/], {c.base.board_title}"
    )
    if c.decisive:
        console.print(f"[yellow]not comparable as they are: {_listed(c.decisive)}[/]", highlight=False)
    if not c.figures and not c.layers:
        console.print("no figure differs")
    if c.figures:
        table = _plain("figure", "before", "after", "change")
        for d in c.figures:
            table.add_row(d.title, _tell(d, d.before), _tell(d, d.after), _coloured(d))
        console.print(table)
    if c.layers:
        table = _plain("layer", "figure", "before", "after", "change")
        for layer in c.layers:
            name = words.short_layer(layer.name) + ("" if layer.state == "changed" else f" ({layer.state})")
            for number, d in enumerate(layer.figures):
                first = escape(name) if number == 0 else ""
                table.add_row(first, d.title, _tell(d, d.before), _tell(d, d.after), _coloured(d))
        console.print(table)
    for condition in (x for x in c.conditions if x not in c.decisive):
        console.print(f"[dim]{condition.name}: {escape(condition.before)} → {escape(condition.after)}[/]")
    if c.shared_clips:
        console.print(f"{c.equal_answers} of {c.shared_clips} clips are answered alike")
    for verdict in c.verdicts:
        mark = "[green]kept[/]" if verdict.kept else "[red]broken[/]"
        console.print(f"{mark}  {verdict.sentence}", highlight=False)


def _listed(conditions: Sequence[Condition]) -> str:
    return "; ".join(f"{x.name} {escape(x.before)} → {escape(x.after)}" for x in conditions)


def _plain(*columns: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right")
    return table


def _tell(d: Difference, value: float | int | None) -> str:
    if value is None:
        return "–"
    return words.percent(value) if d.fraction else f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _coloured(d: Difference) -> str:
    colour = {True: "green", False: "red", None: "dim"}[d.better]
    return f"[{colour}]{change(d)}[/]"
