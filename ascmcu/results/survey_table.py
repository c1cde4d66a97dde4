# SPDX-License-Identifier: Apache-2.0
"""What a file holds that cannot be compiled, for ``ascmcu inspect``."""

from __future__ import annotations

import dataclasses
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ascmcu.frontends.survey import Survey


def to_dict(survey: Survey, model: str, why: str) -> dict[str, Any]:
    """For JSON: ``exportable`` is false, and ``why`` the message that an export gives."""
    return {"model": model, "exportable": False, "why": why, **dataclasses.asdict(survey)}


def show(survey: Survey, model: str, why: str, console: Console) -> None:
    """Print the ends, every kind of operator with its count, the totals, and why there is no export."""
    ends = f"{' , '.join(survey.inputs)} -> {' , '.join(survey.outputs)}"
    console.print(f"[bold]{model}[/]: {escape(ends)}", highlight=False)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("operator", "type", "count", "supported"):
        table.add_column(column, justify="right" if column == "count" else "left")
    for use in survey.operators:
        verdict = "yes" if use.supported else "[red]no[/]"
        table.add_row(use.name, use.dtype, str(use.count), verdict)
    console.print(table)
    console.print(
        f"\n{survey.subgraphs} subgraph(s), {survey.constant_bytes:,} bytes of constants, {survey.macs:,} MACs"
    )
    console.print(f"[red]cannot be exported:[/] {escape(why)}", highlight=False)
