# SPDX-License-Identifier: Apache-2.0
"""``ascmcu boards``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from ascmcu.cli import names
from ascmcu.cli.numbers import Bytes, Megahertz


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
        memories = (_size(row["flash_bytes"]), _size(row["ram_bytes"]))
        clock = f"{round(row['clock_hz'] / 1e6, 2):g}"
        qemu = "yes" if row["qemu"] else ""
        table.add_row(row["name"], row["chip"], clock, *memories, row["serial"], qemu)
    Console().print(table)


def _size(size_bytes: int) -> str:
    """Whole MiB as such, all else in KiB."""
    return f"{size_bytes >> 20} MiB" if size_bytes % (1 << 20) == 0 else f"{size_bytes // 1024} KiB"


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
@click.option(
    "--pack", type=click.Path(path_type=Path, exists=True, dir_okay=False), default=None,
    help="Read a CMSIS pack on disk (.pack or .pdsc) instead.",
)  # fmt: skip
@click.option("--ask", is_flag=True, help="Use no pack: ask for what the options below do not say.")
@click.option("--flash", "flash_bytes", type=Bytes(), default=None, help="Size of the flash, such as 512k.")
@click.option("--ram", "ram_bytes", type=Bytes(), default=None, help="Size of the RAM, such as 128k.")
@click.option(
    "--crystal", type=Megahertz(), default=None, help="Crystal in MHz; 0 for the chip's own oscillator."
)
@click.option("--clock", type=Megahertz(), default=None, help="Clock of the core in MHz.")
@click.option("--port", default=None, help="Serial port, such as USART1.")
@click.option("--tx", default=None, help="Its pin for sending.")
@click.option("--rx", default=None, help="Its pin for receiving.")
@click.option("--alternate", type=click.IntRange(0, 15), default=None, help="Function number of both pins.")
def new_board(
    part: str, name: str | None, folder: Path, source: str | None, update: bool, pack: Path | None, ask: bool,
    flash_bytes: int | None, ram_bytes: int | None, crystal: int | None, clock: int | None, port: str | None,
    tx: str | None, rx: str | None, alternate: int | None,
) -> None:  # fmt: skip
    """Write a board description for PART, such as STM32F407VGTx.

    Memories come from its vendor's CMSIS pack, or from --flash and --ram. Needs a PART of a known family.
    """
    from ascmcu import boards, packs
    from ascmcu.codegen import new_board as descriptions
    from ascmcu.codegen.new_board import Answers
    from ascmcu.errors import InputError

    answers = Answers(crystal, clock, port, tx, rx, alternate)
    if pack is not None:
        found = packs.read_pack(pack, part)
    elif ask or flash_bytes is not None or ram_bytes is not None:
        base = descriptions.nearest(packs.told(part, 0, 0))
        if ask:
            flash_bytes, ram_bytes, answers = _asked(base, flash_bytes, ram_bytes, answers)
        if flash_bytes is None or ram_bytes is None:
            raise InputError(
                "a board without a pack needs both sizes",
                expected="--flash and --ram",
                hint="or --ask, which asks",
            )
        found = packs.told(part, flash_bytes, ram_bytes)
    else:
        found = packs.find(part, packs.load_index(source, update=update))
    base = descriptions.nearest(found)
    paths = descriptions.write(found, name or found.name.lower(), folder, answers)
    board = boards.load(str(paths[0]))
    for path in paths:
        click.echo(f"written: {path}")
    for memory in board.chip.memory:
        click.echo(f"  {memory.name:<6} {memory.origin:#010x}  {memory.size_bytes // 1024} KiB")
    if found.algorithms:
        click.echo(f"  flash algorithms: {', '.join(found.algorithms)} ({found.pack})")
    click.echo(
        f"  {board.clock.sysclk_hz / 1e6:g} MHz from {board.clock.source}, {board.clock.wait_states} wait states; "
        f"{board.port_name} on {board.serial.tx}, {board.serial.rx} at {board.serial.baud} baud"
    )
    left = ", ".join(descriptions.unsaid(base, answers))
    click.echo(f"  to be checked: {left}; taken from {descriptions.taken_from(base, answers)}")
    click.echo(f"next: ascmcu export MODEL.tflite --board {paths[0]}")


def _asked(base: Any, flash_bytes: int | None, ram_bytes: int | None, answers: Any) -> tuple[int, int, Any]:
    """Ask for what the options do not say; Enter takes the value of the most similar board."""
    from ascmcu.codegen.new_board import Answers, crystal_hz
    from ascmcu.errors import InputError

    def of(given: Any, question: str, default: Any, kind: Any = str) -> Any:
        if given is not None:
            return given
        try:
            return click.prompt(question, default=default, type=kind)
        except click.Abort as ended:
            # click says the same of Ctrl-C and of the end of the input.
            if isinstance(ended.__context__, EOFError):
                click.echo(err=True)
                raise InputError(
                    "the input ended", where=question, hint="or give the options instead"
                ) from None
            raise

    clock, serial = base.clock, base.serial
    crystal = crystal_hz(base) / 1e6
    return (
        of(flash_bytes, "size of the flash", f"{base.flash.size_bytes // 1024}k", Bytes()),
        of(ram_bytes, "size of the RAM", f"{base.ram.size_bytes // 1024}k", Bytes()),
        Answers(
            of(answers.crystal_hz, "crystal in MHz, 0 for none", f"{crystal:.9g}", Megahertz()),
            of(answers.sysclk_hz, "clock of the core in MHz", f"{clock.sysclk_hz / 1e6:.9g}", Megahertz()),
            of(answers.port, "serial port", base.port_name),
            of(answers.tx, "its pin for sending", serial.tx),
            of(answers.rx, "its pin for receiving", serial.rx),
            of(answers.alternate, "function number of both pins", serial.alternate, int),
        ),
    )
