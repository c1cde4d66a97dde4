# SPDX-License-Identifier: Apache-2.0
"""``ascmcu flash``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from ascmcu.cli import names


@click.command("flash")
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path), default=Path("build"))
@click.option(
    "--with",
    "tool",
    default=None,
    shell_complete=names.FLASH_TOOLS,
    help="Tool: pyocd, openocd, stflash, jlink, gdb, dfu or uf2.  [default: the first that is installed]",
)
@click.option(
    "--probe",
    default=None,
    help="Serial number of a debug probe, HOST:PORT of a GDB server, or the path of a UF2 drive.",
)
@click.option(
    "--serial",
    "port",
    default="auto",
    show_default=True,
    help="Serial port on which the firmware reports; `none` does not wait for it.",
)
@click.option("--list", "listing", is_flag=True, help="List tools and probes and exit.")
@click.option("--dry-run", is_flag=True, help="Print the command lines and exit.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    folder: Path, tool: str | None, probe: str | None, port: str, listing: bool, dry_run: bool, as_json: bool
) -> None:
    """Write the firmware in DIR (default: build) to the board, verify it, and wait until it reports."""
    from ascmcu import boards
    from ascmcu.errors import InputError
    from ascmcu.flash import base
    from ascmcu.toolchain.manifest import Manifest, check_image

    if listing:
        _list(as_json)
        return
    manifest = Manifest.load(folder)
    board = boards.of_export(folder, manifest.board)
    job = base.Job(folder, board, probe)
    if not job.elf.is_file():
        raise InputError(
            "the export holds no firmware",
            where=str(job.elf),
            hint="a library is not flashed: export without --format",
        )
    for image in (job.elf, job.bin, job.hex):
        check_image(image, manifest)
    if dry_run:
        chosen = base.create(tool) if tool else base.preferred(board)
        if chosen.found() is None:
            click.echo(f"{chosen.program} is not installed: {chosen.install}", err=True)
        click.echo(base.shown(chosen.run(job, Path("SCRATCH"))))
        return
    chosen = base.create(tool) if tool else base.choose(board)
    size_bytes = job.bin.stat().st_size
    click.echo(f"writing {size_bytes:,} bytes to {board.title} with {chosen.name}", err=True)
    report: dict[str, Any] = {"board": board.name, "tool": chosen.write(job), "bytes": size_bytes}
    if port != "none":
        report |= _hello(folder, board, manifest, port)
    if as_json:
        click.echo(json.dumps(report, indent=2))
        return
    click.echo(f"{report['bytes']} bytes written and verified with {report['tool']}")
    if "model" in report:
        clock = f"{report['clock_hz'] / 1e6:g} MHz ({report['clock']})"
        model = f"{report['model']} {report['model_sha256'][:12]}"
        click.echo(f"{model} on {report['device_board']} at {clock}, ascmcu {report['tool_version']}")
        for notice in report["notices"]:
            click.echo(notice)


def _list(as_json: bool) -> None:
    from ascmcu.flash import base

    rows = [
        {"tool": t.name, "found": t.found(), "probes": t.probes()} for t in map(base.create, base.names())
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        probes = ", ".join(map(str, row["probes"])) or "no probe seen"  # type: ignore[arg-type]
        click.echo(f"{row['tool']:<8} {row['found'] or 'not installed'}: {probes}")


def _hello(folder: Path, board: Any, manifest: Any, port: str) -> dict[str, Any]:
    """Wait until the firmware has started and has said which one it is.

    Raises:
        LinkError: nothing answers, or something else than the export.
    """
    from ascmcu.benchmark import run as bench
    from ascmcu.benchmark import starts
    from ascmcu.runners.base import Target
    from ascmcu.runners.serial import SerialRunner

    target = Target(folder, board, manifest, manifest.features is not None)
    with bench.connect(SerialRunner(target, port)) as (_, session):
        hello = session.hello
        bench.check_firmware(hello, target)
    return {
        "model": hello.model,
        "model_sha256": hello.model_sha256,
        "device_board": hello.board,
        "clock_hz": hello.clock_hz,
        "clock": hello.clock.name.lower(),
        "protocol": hello.version,
        "tool_version": hello.tool_version,
        "flags": hello.build_flags,
        "reset": hello.reset.name.lower(),
        "notices": list(starts.notices(hello, starts.Names(target))),
    }
