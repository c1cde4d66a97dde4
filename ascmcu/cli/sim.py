"""``ascmcu sim``: run a bare-metal Cortex-M4 program with cycle counts."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ascmcu.sim import Result


@click.command()
@click.argument("elf", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--between", nargs=2, metavar="SYM SYM",
    help="Count from the first execution of one symbol to the first of the other behind it.",
)  # fmt: skip
@click.option("--board", metavar="NAME", help="The board or part to simulate; guessed from the ELF when absent.")
@click.option("--limit-cycles", type=click.IntRange(min=1), default=None, help="Give up after so many cycles.")
@click.option("--json", "as_json", is_flag=True, help="Report as JSON on standard output.")
def command(
    elf: Path, between: tuple[str, str] | None, board: str | None, limit_cycles: int | None, as_json: bool
) -> None:
    """Run any bare-metal Cortex-M4 ELF on the cycle model.

    What the program writes (semihosting, ITM, serial port) goes to standard output, with --json to standard
    error. Cycles are at zero flash wait states.
    """
    from ascmcu.sim import session

    limit = limit_cycles or session.DEFAULT_LIMIT_CYCLES
    result = session.run(elf, between=between or None, board=board, limit_cycles=limit)
    console = sys.stderr if as_json else sys.stdout
    console.write(result.console.decode(errors="replace"))
    console.flush()
    if as_json:
        click.echo(json.dumps(_report(result), indent=2))
    else:
        click.echo(_text(result))


def _report(result: Result) -> dict[str, Any]:
    return {
        "cycles": result.cycles,
        "instructions": result.instructions,
        "exit_code": result.exit_code,
        "ended": result.ended,
        "total_cycles": result.total_cycles,
        "total_instructions": result.total_instructions,
        "machine": result.machine,
        "wait_states": result.wait_states,
        "host_s": round(result.host_s, 3),
    }


def _text(result: Result) -> str:
    per = result.cycles / result.instructions if result.instructions else 0.0
    speed = result.instructions_per_host_second / 1e6
    return "\n".join(
        [
            f"{result.cycles:,} cycles, {result.instructions:,} instructions ({per:.2f} cycles each)",
            f"{result.machine}; {result.wait_states} wait states",
            f"ended: {result.ended} (exit code {result.exit_code})",
            f"simulated {speed:.0f} million instructions per second",
        ]
    )
