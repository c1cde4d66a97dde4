# SPDX-License-Identifier: Apache-2.0
"""``ascmcu boards``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ascmcu.cli import names


@click.group("boards")
def command() -> None:
    """List and show the supported boards, or describe a new one."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def list_boards(as_json: bool) -> None:
    """List all boards with chip, clock, memory and serial port."""
    from ascmcu import boards

    rows = [boards.load(name).summary() for name in boards.names()]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    # Within 80 columns, and no name cut: names are what one types.
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("board", "chip", "MHz", "flash", "RAM", "serial port", "QEMU"):
        number = title in ("MHz", "flash", "RAM")
        table.add_column(title, no_wrap=True, justify="right" if number else "left")
    for row in rows:
        memories = (f"{row['flash_bytes'] // 1024} KiB", f"{row['ram_bytes'] // 1024} KiB")
        clock = f"{row['clock_hz'] / 1e6:g}"
        qemu = "yes" if row["qemu"] else ""
        table.add_row(row["name"], row["chip"], clock, *memories, row["serial"], qemu)
    Console().print(table)


@command.command("show")
@click.argument("name", shell_complete=names.BOARDS)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def show_board(name: str, as_json: bool) -> None:
    """Show a board and its chip. NAME is a board or a TOML file."""
    import dataclasses

    from ascmcu import boards

    board = boards.load(name)
    if as_json:
        click.echo(json.dumps(board.summary() | dataclasses.asdict(board), indent=2))
        return
    from rich.console import Console

    clock, chip = board.clock, board.chip
    console = Console(soft_wrap=True)
    console.print(f"[bold]{board.name}[/]: {board.title}, {chip.title} ({chip.core}, {chip.family})")
    for memory in chip.memory:
        also = f", the same as at {memory.mirrors:#010x}" if memory.mirrors else ""
        console.print(f"  {memory.name:<6} {memory.origin:#010x}  {memory.size_bytes // 1024} KiB{also}")
    pll = clock.pll
    over_drive = ", over-drive" if clock.over_drive else ""
    console.print(
        f"  clock  {clock.source} {clock.source_hz / 1e6:g} MHz / {pll.m} · {pll.n} / {pll.p} = "
        f"{clock.sysclk_hz / 1e6:g} MHz, {clock.wait_states} wait states at {board.supply_mv} mV{over_drive}"
    )
    serial = board.serial
    console.print(f"  serial {board.port_name}, TX {serial.tx}, RX {serial.rx}, {serial.baud} baud")
    console.print(f"  probe  {board.probe.interface}; pyOCD target {chip.tools.pyocd}")
    emulators = board.emulators
    console.print(
        f"  QEMU   {emulators.qemu_machine or 'none'}   Renode {emulators.renode_platform or 'none'}"
    )
    for current in (chip.power.measured, chip.power.datasheet):
        if current is not None:
            console.print(f"  power  {current}", highlight=False)
    if board.microphone.count:
        mic = board.microphone
        console.print(f"  audio  {mic.count} × {mic.kind} on {mic.clock} (clock), {mic.data} (data)")
    console.print(f"  manuals {chip.reference}", highlight=False)


@command.command("new")
@click.argument("part")
@click.option("--name", default=None, help="Name of the board.  [default: the part's]")
@click.option(
    "-o", "--output", "folder", type=click.Path(path_type=Path), default=Path("."), show_default=True,
    help="Folder for the descriptions.",
)  # fmt: skip
@click.option("--index", "source", default=None, help="URL of an index of CMSIS packs, or an index.json.")
@click.option("--update", is_flag=True, help="Download the index again.")
def new_board(part: str, name: str | None, folder: Path, source: str | None, update: bool) -> None:
    """Write a board description for PART (such as STM32F407VGTx) from its vendor's CMSIS pack."""
    from ascmcu import boards, packs
    from ascmcu.codegen import new_board as descriptions

    found = packs.find(part, packs.load_index(source, update=update))
    base = descriptions.nearest(found)
    paths = descriptions.write(found, name or found.name.lower(), folder)
    board = boards.load(str(paths[0]))
    for path in paths:
        click.echo(f"written: {path}")
    for memory in board.chip.memory:
        click.echo(f"  {memory.name:<6} {memory.origin:#010x}  {memory.size_bytes // 1024} KiB")
    click.echo(f"  flash algorithms: {', '.join(found.algorithms) or 'none'} ({found.pack})")
    click.echo(f"  to be checked: clock and pins, taken from {base.name}")
    click.echo(f"next: ascmcu export MODEL.tflite --board {paths[0]}")
