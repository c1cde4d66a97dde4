# SPDX-License-Identifier: Apache-2.0
"""``ascmcu sim``: run a bare-metal Cortex-M4 program with cycle counts."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ascmcu.version import tool

if TYPE_CHECKING:
    from ascmcu.sim import Result
    from ascmcu.sim.pair import Pair
    from ascmcu.sim.profile import FunctionRow, LineRow

_ROWS = 25
_NO_FUNCTION = "(in no function: at the edges of the stretch)"
_LEAST_TIMED = 1_000_000  # of fewer instructions, start-up is most of the time


@click.command()
@click.argument("elf", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("other", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--between",
    nargs=2,
    metavar="SYM SYM",
    help="Count from the first execution of the first symbol to the next execution of the second; "
    "the same symbol twice: one call of that function.",
)
@click.option(
    "--between-other",
    nargs=2,
    metavar="SYM SYM",
    help="The same for OTHER, if its symbols have other names.",
)
@click.option("--board", metavar="NAME", help="Board or part to simulate. [default: guessed from the ELF]")
@click.option(
    "--wait-states",
    metavar="N",
    type=click.IntRange(0, 15),
    default=None,
    help="Flash wait states. [default: those that the board's clock needs; without --board none]",
)
@click.option(
    "--limit-cycles",
    metavar="N",
    type=click.IntRange(1, 10**15),
    help="Stop after N cycles.  [default: 20 billion]",
)
@click.option("--profile", is_flag=True, help="Show cycles by function, without and with its callees.")
@click.option(
    "--annotate", is_flag=True, help="Show cycles by instruction for the function with the most cycles."
)
@click.option("--function", metavar="NAME", help="Annotate this function instead.")
@click.option(
    "--flame", type=click.Path(path_type=Path, dir_okay=False), metavar="OUT.svg", help="Write a flame graph."
)
@click.option(
    "--html", "page", type=click.Path(path_type=Path, dir_okay=False), metavar="OUT.html",
    help="With OTHER: write the comparison as a page.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    elf: Path,
    other: Path | None,
    between: tuple[str, str] | None,
    between_other: tuple[str, str] | None,
    board: str | None,
    wait_states: int | None,
    limit_cycles: int | None,
    profile: bool,
    annotate: bool,
    function: str | None,
    flame: Path | None,
    page: Path | None,
    as_json: bool,
) -> None:
    """Run any bare-metal Cortex-M4 ELF on the cycle model; with OTHER, compare two.

    The program's output (semihosting, ITM, serial port) goes to standard output, or to standard error with --json.
    Flash wait states are those that the board's clock needs; without --board there are none. The report states them.
    Exit status 0 means that the simulation finished; the program's own exit code is reported.
    """
    if other is not None:
        if annotate or function or flame:
            raise click.UsageError("--annotate, --function and --flame take one ELF")
        _compare(
            (elf, other), (between, between_other or between), board, wait_states, limit_cycles, page, as_json
        )
        return
    if between_other or page:
        raise click.UsageError("--between-other and --html need a second ELF")
    from ascmcu.paths import check_output, write_whole
    from ascmcu.sim import flame as flames
    from ascmcu.sim import native, session
    from ascmcu.sim import profile as profiles

    if flame:
        check_output(flame, elf)
    for notice in native.notices():
        click.echo(f"note: {notice}", err=True)
    machine = session.build(elf, board, wait_states)
    annotate = annotate or function is not None
    if profile or annotate or flame:
        machine.engine.profile((s.address for s in machine.image.functions), windowed=bool(between))
    if function:
        machine.image.symbol(function)
    result = session.finish(machine, between or None, limit_cycles or session.DEFAULT_LIMIT_CYCLES)
    console = sys.stderr if as_json else sys.stdout
    console.write(_readable(result.console))
    console.flush()
    rows = profiles.functions(machine.engine, machine.image) if profile or annotate else []
    hottest = function or (rows[0].name if rows else "")
    lines = profiles.annotate(machine.engine, machine.image, hottest) if annotate else []
    if flame:
        title = f"{elf.name}: {result.cycles:,} cycles, {result.machine}"
        write_whole(flame, flames.render(profiles.paths(machine.engine, machine.image), title))
    if as_json:
        click.echo(json.dumps(_report(result, rows if profile else [], hottest, lines), indent=2))
    else:
        click.echo(_text(result))
        if profile:
            click.echo(function_table(rows, result.cycles))
        if annotate:
            click.echo(line_table(hottest, lines))


def _readable(written: bytes) -> str:
    """What a program wrote to its serial port; of bytes that are no text their number, which harms no terminal."""
    text = written.decode(errors="replace")
    if all(letter.isprintable() or letter.isspace() for letter in text) and "\ufffd" not in text:
        return text if text.endswith("\n") or not text else f"{text}\n"
    return f"{len(written)} bytes written to the serial port, which are no text\n"


def _compare(
    elfs: tuple[Path, Path],
    between: tuple[tuple[str, str] | None, tuple[str, str] | None],
    board: str | None,
    wait_states: int | None,
    limit_cycles: int | None,
    page: Path | None,
    as_json: bool,
) -> None:
    """Run two programs and show them side by side."""
    from ascmcu.paths import check_output, write_whole
    from ascmcu.sim import pair as pairs
    from ascmcu.sim import session

    if page:
        check_output(page, *elfs)
    pair = pairs.run(
        elfs,
        (between[0] or None, between[1] or None),
        board=board,
        wait_states=wait_states,
        limit_cycles=limit_cycles or session.DEFAULT_LIMIT_CYCLES,
    )
    if page:
        write_whole(page, pairs.html(pair))
    if as_json:
        runs = (pair.first, pair.second)
        reports = [{"elf": run.name, **_report(run.result, list(run.functions), "", [])} for run in runs]
        click.echo(json.dumps({"first": reports[0], "second": reports[1], "ratio": pair.ratio}, indent=2))
        return
    click.echo(pair_text(pair))


def pair_text(pair: Pair) -> str:
    """Two programs for the terminal: the whole of each, then the functions, most expensive first."""
    lines = []
    for run in (pair.first, pair.second):
        sizes = f"{run.flash_bytes:,} bytes loaded, {run.ram_bytes:,} bytes of static RAM"
        lines += [f"{run.name}: {sizes}", *(f"  {line}" for line in _text(run.result).splitlines())]
    lines.append(f"{pair.second.name} takes {pair.ratio:.3f} times the cycles of {pair.first.name}")
    lines.append("(the model's fetch rules leave up to 4 % open in compiled code: see docs/timing-model.md)")
    names = (pair.first.name, pair.second.name)
    lines += ["", f"{names[0][-16:]:>16} {names[1][-16:]:>16}  function, cycles without its callees"]
    told = [["–" if c is None else f"{c:,}" for c in row.cycles] for row in pair.rows[:_ROWS]]
    lines += [f"{a:>16} {b:>16}  {row.name}" for (a, b), row in zip(told, pair.rows, strict=False)]
    rests = [unattributed(run.functions, run.result.cycles) for run in (pair.first, pair.second)]
    if any(rests):
        lines.append(f"{rests[0]:>16,} {rests[1]:>16,}  {_NO_FUNCTION}")
    if len(pair.rows) > _ROWS:
        lines.append(f"… and {len(pair.rows) - _ROWS} more; --json has all")
    return "\n".join(lines)


def _report(result: Result, rows: list[FunctionRow], function: str, lines: list[LineRow]) -> dict[str, Any]:
    report: dict[str, Any] = {
        "tool": tool(),
        "cycles": result.cycles,
        "instructions": result.instructions,
        "exit_code": result.exit_code,
        "exited": result.exited,
        "ended": result.ended,
        "total_cycles": result.total_cycles,
        "total_instructions": result.total_instructions,
        "machine": result.machine,
        "wait_states": result.wait_states,
        "flash": result.flash,
        "host_s": round(result.host_s, 3),
    }
    if rows:
        report["functions"] = function_rows(rows)
        report["unattributed_cycles"] = unattributed(rows, result.cycles)
    if lines:
        report["annotated"] = line_rows(function, lines)
    return report


def function_rows(rows: Sequence[FunctionRow]) -> list[dict[str, Any]]:
    """A profile's functions for JSON."""
    return [dataclasses.asdict(row) for row in rows]


def line_rows(function: str, lines: Sequence[LineRow]) -> dict[str, Any]:
    """A function's instructions for JSON."""
    return {
        "function": function,
        "instructions": [
            {"address": r.address, "text": r.text, "executions": r.executions, "cycles": r.cycles}
            for r in lines
        ],
    }


def _text(result: Result) -> str:
    per = result.cycles / result.instructions if result.instructions else 0.0
    speed = result.instructions_per_host_second / 1e6
    lines = [
        f"{result.cycles:,} cycles, {result.instructions:,} instructions ({per:.2f} cycles each)",
        f"{result.machine}; flash: {result.flash}",
        f"ended: {result.ending}",
        f"by {tool()}",
    ]
    if result.total_instructions >= _LEAST_TIMED:
        lines.append(f"simulated {speed:.3g} million instructions per second")
    return "\n".join(lines)


def function_table(rows: Sequence[FunctionRow], total_cycles: int) -> str:
    """A profile's functions, most expensive first."""
    lines = ["", f"{'exclusive':>14} {'%':>6} {'inclusive':>14} {'%':>6} {'calls':>10}  function"]
    scale = 100 / total_cycles if total_cycles else 0.0
    for row in rows[:_ROWS]:
        lines.append(
            f"{row.exclusive_cycles:>14,} {row.exclusive_cycles * scale:>6.1f} {row.inclusive_cycles:>14,} "
            f"{row.inclusive_cycles * scale:>6.1f} {row.calls:>10,}  {row.name}"
        )
    if len(rows) > _ROWS:
        lines.append(f"… and {len(rows) - _ROWS} more; --json has all")
    if rest := unattributed(rows, total_cycles):
        lines.append(f"{rest:>14,} {rest * scale:>6.1f} {'':>14} {'':>6} {'':>10}  {_NO_FUNCTION}")
    return "\n".join(lines)


def unattributed(rows: Sequence[FunctionRow], total_cycles: int) -> int:
    """Cycles of the whole that are in no function: waits for flash that the stretch begins or ends with."""
    return total_cycles - sum(row.exclusive_cycles for row in rows)


def line_table(function: str, rows: Sequence[LineRow]) -> str:
    """A function's instructions with their cycles."""
    lines = ["", f"{function}:", f"{'cycles':>12} {'executions':>12} {'each':>6}  address   instruction"]
    for row in rows:
        each = row.cycles / row.executions if row.executions else 0.0
        why = f"   ; {', '.join(row.reasons)}" if row.reasons else ""
        lines.append(
            f"{row.cycles:>12,} {row.executions:>12,} {each:>6.2f}  {row.address:08x}  {row.text}{why}"
        )
    return "\n".join(lines)
