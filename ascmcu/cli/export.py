# SPDX-License-Identifier: Apache-2.0
"""``ascmcu export``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from ascmcu.cli import names
from ascmcu.cli.numbers import Bytes, Seconds

FORMATS = ("firmware", "library", "cmake", "zephyr", "arduino", "platformio", "cmsis-pack", "cube")


@click.command("export")
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--board",
    default=None,
    shell_complete=names.BOARDS,
    help="Board name (see `ascmcu boards list`) or a board's TOML file. A library needs none.",
)
@click.option(
    "-o", "--output", "folder", type=click.Path(path_type=Path), default=Path("build"), show_default=True,
    help="Output folder.",
)  # fmt: skip
@click.option(
    "--schedule", type=click.Choice(["auto", "layers", "rows"]), default="auto", show_default=True,
    help="layers: whole tensors. rows: streamed, needs less RAM. auto: the faster that fits; if both are about as "
    "fast, the one with less RAM.",
)  # fmt: skip
@click.option(
    "--features",
    default=None,
    shell_complete=names.FEATURES,
    help="Feature specification: a name or a .toml file. `none` compiles the network without front end.",
)
@click.option(
    "--optimize", type=click.Choice(["cycles", "flash", "balanced"]), default="cycles", show_default=True,
    help="The fewest cycles, the least flash, or a balance: a kilobyte of flash for 1 % of the network's cycles.",
)  # fmt: skip
@click.option(
    "--format", "output", type=click.Choice(FORMATS), default="firmware", show_default=True,
    help="A firmware image, a C library for your own firmware, or the library as a package.",
)  # fmt: skip
@click.option(
    "--prefix",
    default="",
    metavar="NAME",
    help="Prefix of a library's symbols, macros and files. [default: model]",
)
@click.option(
    "--selftest", is_flag=True, help="Give a library a function that proves its bits in your build."
)
@click.option(
    "--instances", is_flag=True,
    help="Keep a library's variables in structs of yours, so that several tasks can run the network.",
)  # fmt: skip
@click.option(
    "--state", "states", multiple=True, metavar="IN:OUT",
    help="Input IN takes what output OUT gave in the step before. Names or numbers. Can be repeated.",
)  # fmt: skip
@click.option(
    "--max-ram",
    type=Bytes(),
    default=None,
    help="Limit for activations and weights in RAM, in bytes or as 20k (k = 1,024).",
)
@click.option(
    "--weights", type=click.Choice(["auto", "flash", "ram"]), default="auto", show_default=True,
    help="Where a firmware reads the weights. ram: copied there at start. auto: those that save most cycles, "
    "as far as RAM is free. A library leaves them in flash.",
)  # fmt: skip
@click.option("--listen", is_flag=True, help="For audio without end: one result for every hop.")
@click.option(
    "--window",
    "window_s",
    type=Seconds(),
    default=None,
    help="With --listen: what the network hears at once, such as 1s. [default: its clip]",
)
@click.option(
    "--hop",
    "hop_s",
    type=Seconds(),
    default=None,
    help="With --listen: from the start of one window to the next, such as 250ms.",
)
@click.option(
    "--decisions",
    type=click.Path(path_type=Path),
    default=None,
    help="With --listen: a TOML file that says which scores are events.",
)
@click.option(
    "--microphone",
    type=click.Choice(["i2s", "pdm"]),
    default=None,
    help="With --decisions: also build listen.elf, which listens to this microphone.",
)
@click.option(
    "--limits",
    multiple=True,
    metavar="NAME",
    help="Stop if MODEL exceeds the limits of this challenge or board. Can be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    model: Path, board: str | None, folder: Path, schedule: Any, features: str | None, optimize: Any, output: Any,
    prefix: str, selftest: bool, instances: bool, states: tuple[str, ...], max_ram: int | None, weights: Any,
    listen: bool, window_s: float | None, hop_s: float | None, decisions: Path | None, microphone: str | None,
    limits: tuple[str, ...], as_json: bool,
) -> None:  # fmt: skip
    """Compile MODEL (a .tflite) to C and to firmware for a board."""
    from ascmcu import api
    from ascmcu.cli.progress import staged

    if not listen and (window_s, hop_s, decisions) != (None, None, None):
        raise click.UsageError("--window, --hop and --decisions are for --listen.")
    if limits:
        from ascmcu.tune import limits as bounds

        bounds.require(model, limits)
    with staged() as progress:
        result = api.export(
            model, board, folder, schedule=schedule, features=False if features == "none" else features,
            optimize=optimize, output=output, max_ram_bytes=max_ram, weights=weights,
            states=states, prefix=prefix, selftest=selftest, instances=instances, listen=listen,
            window_s=window_s, hop_s=hop_s, decisions=decisions, microphone=microphone,
            progress=progress,
        )  # fmt: skip
    for notice in result.notices:
        click.echo(notice, err=True)
    if result.warnings:
        count = len(result.warnings)
        click.echo(
            f"the firmware is built; the compiler warned, {count} lines: {result.warnings[0]}", err=True
        )
    if as_json:
        click.echo(json.dumps(_report(result), indent=2))
    else:
        _show(result)


def _report(result: Any) -> dict[str, Any]:
    m = result.manifest
    elf = result.folder / "firmware.elf"
    return {
        "model": m.model,
        "model_sha256": m.model_sha256,
        "board": m.board,
        "elf": str(elf) if elf.is_file() else None,
        "folder": str(result.folder),
        "fits": m.fits,
        "schedule": m.schedule,
        "macs": m.macs,
        "parameters": m.parameters,
        "ram_bytes": m.ram_bytes,
        "flash_bytes": m.flash_bytes,
        "compiler": m.compiler,
        "flags": m.flags,
        "predicted": vars(m.predicted) if m.predicted else None,
        "runner_up": vars(m.runner_up) if m.runner_up else None,
        "layers": [vars(layer) for layer in m.layers],
        "listening": vars(m.listening) if m.listening else None,
        "pace": {**vars(m.pace), "load": m.pace.load, "spared": m.pace.spared} if m.pace else None,
    }


def _before(manifest: Any) -> str:
    """The file's parameters, where passes have left some out."""
    figures = manifest.figures
    return (
        "" if figures is None or figures.parameters == manifest.parameters else f" of {figures.parameters:,}"
    )


def _show(result: Any) -> None:
    from rich.console import Console
    from rich.table import Table

    from ascmcu import boards

    m, board = result.manifest, boards.of_export(result.folder, result.manifest.board)
    console = Console()
    console.print(
        f"[bold]{m.model}[/] for {board.title}: {len(m.layers)} layers, {m.macs:,} MACs, {m.parameters:,} parameters"
        + _before(m)
    )
    table = Table("memory", "part", "bytes", "of the board", box=None, header_style="bold", pad_edge=False)
    for name, parts, size in (
        ("RAM", m.ram_bytes, board.ram_room_bytes(m.ram_bytes)),
        ("flash", m.flash_bytes, board.flash.size_bytes),
    ):
        for part, used in parts.items():
            if used:
                shown = part == "total" and board.name != boards.GENERIC
                percent = f"{100 * used / size:.1f} %" if shown else ""
                table.add_row(name if part == "total" else "", part, f"{used:,}", percent)
    console.print(table)
    for line in _predictions(m):
        console.print(line)
    if m.listening is not None and not m.listening.steps:
        console.print(f"listens to windows of {m.listening.window_s:g} s, {m.listening.hop_s:g} s apart")
    if m.pace is not None:
        console.print(m.pace.text)
    console.print(f"files in {result.folder}/")


def _predictions(manifest: Any) -> list[str]:
    """The plan, and how the best other one differs."""
    p, other = manifest.predicted, manifest.runner_up
    if p is None:
        return [f"schedule {manifest.schedule}"]
    lines = [
        f"schedule {p.plan or p.schedule}: {p.cycles:,} cycles predicted at {p.wait_states} wait states, "
        f"{p.latency_cycles:,} of them behind the last row"
    ]
    if other is not None:
        name = other.plan or other.schedule
        also = f"another plan of schedule {name}" if name == (p.plan or p.schedule) else f"schedule {name}"
        lines.append(
            f"{also} would take {100 * (other.cycles / max(p.cycles, 1) - 1):+.1f} % cycles, "
            f"{other.activation_bytes - p.activation_bytes:+,} bytes of RAM, "
            f"{other.latency_cycles - p.latency_cycles:+,} cycles behind the last row"
        )
    return lines
