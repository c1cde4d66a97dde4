# SPDX-License-Identifier: Apache-2.0
"""``ascmcu plan``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ascmcu.cli import names

if TYPE_CHECKING:
    from ascmcu.api.choices import Candidate


@click.command("plan")
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--board",
    shell_complete=names.BOARDS,
    help="Predict cycles at this board's wait states, and mark the plans that its RAM holds.",
)
@click.option(
    "--features",
    default=None,
    shell_complete=names.FEATURES,
    help="Feature specification: a name or a .toml file. `none` plans the network without front end.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(model: Path, board: str | None, features: str | None, as_json: bool) -> None:
    """Show the plans for MODEL (a .tflite): less RAM for more cycles, down to the least RAM.

    RAM is that of the activations, flash that of the weights and tables. `ascmcu export --max-ram N` takes the
    fastest plan that fits. It searches at the limit itself and may find a plan between two rows.

    A plan with several sweeps takes the input once for each strip, a part of its columns every time: the caller must
    have the whole input.
    """
    from ascmcu import api, boards
    from ascmcu.cli.progress import staged
    from ascmcu.codegen.frontend import frontend_cost
    from ascmcu.kernels import DEFAULT_TARGET, Target

    chosen = None if board is None else boards.load(board)
    target = DEFAULT_TARGET
    if chosen is not None:
        target = Target("cycles", chosen.clock.wait_states, chosen.chip.flash_cache)
    compiled = api.compile_model(model, features=False if features == "none" else features)
    with staged() as progress:
        found = api.front(compiled, target, lambda done, total: progress("planning", "plans", done, total))
    room = None if chosen is None else chosen.ram.size_bytes
    rows = [row(candidate, room) for candidate in found.plans]
    if as_json:
        result = {
            "model": compiled.name,
            "board": None if chosen is None else chosen.name,
            "wait_states": target.wait_states,
            "decides": found.decides,
            "front": rows,
        }
        click.echo(json.dumps(result, indent=2))
        return
    _show(rows)
    clock = "zero wait states" if chosen is None else f"{chosen.clock.sysclk_hz / 1e6:g} MHz"
    waits = "" if chosen is None else f", {target.wait_states} wait states, for {chosen.name}"
    click.echo(
        f"cycles are predicted at {clock}{waits}, with all weights in flash; `export` copies what gains most"
    )
    for notice in compiled.notices:
        click.echo(f"note: {notice}", err=True)
    if compiled.features is not None:
        held = frontend_cost(compiled.features)
        click.echo(
            f"the front end takes {held.ram_bytes:,} bytes of RAM and {held.tables_bytes:,} of flash besides"
        )
    least = rows[-1]["ram_bytes"]
    click.echo("between two rows there may be more plans: `ascmcu export --max-ram N` searches at N itself")
    click.echo(f"no plan takes less than {least:,} bytes: at its peak lie {found.decides}")


def row(candidate: Candidate, room_bytes: int | None) -> dict[str, Any]:
    """A plan for JSON; ``room_bytes`` is a board's RAM, None without one."""
    from ascmcu.codegen.model import weights_bytes

    plan, variant = candidate.plan, candidate.variant
    return {
        "ram_bytes": plan.arena_bytes,
        "cycles": plan.cycles,
        "flash_bytes": weights_bytes(plan),
        "schedule": plan.mode,
        "label": candidate.label,
        "latency_cycles": plan.latency_cycles,
        "layers": len(plan.running),
        "parts": [
            {"to": p.target, "strips": p.strips, "kept": list(p.kept), "staged": list(p.staged)}
            | {"in_place": p.in_place}
            for p in variant.parts
        ],
        "landing_rows": len(plan.landings),
        "sweeps": 1 if variant.sweeps is None else len(variant.sweeps.begins),
        "fits": None if room_bytes is None else plan.arena_bytes <= room_bytes,
    }


def _show(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("RAM", "cycles", "relative", "flash", "layers", "sweeps"):
        table.add_column(name, justify="right")
    table.add_column("schedule")
    fastest = max(rows[0]["cycles"], 1)
    for row in rows:
        too_large = "" if row["fits"] is not False else ", larger than the board's RAM"
        table.add_row(
            f"{row['ram_bytes']:,}", f"{row['cycles']:,}", f"{row['cycles'] / fastest:.3f} ×",
            f"{row['flash_bytes']:,}", f"{row['layers']}", f"{row['sweeps']}", row["label"] + too_large,
        )  # fmt: skip
    Console().print(table)
