# SPDX-License-Identifier: Apache-2.0
"""The options for a clip every so often, of ``bench`` and ``report``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ascmcu.cli.numbers import Real

if TYPE_CHECKING:
    from ascmcu.results.duty import Duty
    from ascmcu.results.schema import Benchmark


def options(command: Callable[..., None]) -> Callable[..., None]:
    """Decorator: ``--every`` and ``--idle-ua``."""
    every = click.option(
        "--every", metavar="TIME", default=None,
        help="Energy of a clip every TIME (500ms, 1s, 10min), waiting included, from measured currents.",
    )  # fmt: skip
    idle = click.option(
        "--idle-ua", metavar="UA", type=Real(min=0), default=None,
        help="With --every: the current while it waits, as you measured it, in µA.",
    )  # fmt: skip
    return every(idle(command))


def check(folder: Path, every: str | None, idle_ua: float | None) -> None:
    """Refuse a question that the export in ``folder`` cannot answer, before its clips run."""
    from ascmcu import boards
    from ascmcu.results import duty as duties
    from ascmcu.toolchain.manifest import Manifest

    if every is None:
        if idle_ua is not None:
            raise click.UsageError("--idle-ua goes with --every")
        return
    duties.seconds(every)
    duties.require_current(boards.of_export(folder, Manifest.load(folder).board))


def duty(benchmark: Benchmark, every: str | None, idle_ua: float | None) -> Duty | None:
    """What the options ask for; None without them."""
    from ascmcu.results import duty as duties

    if every is None:
        if idle_ua is not None:
            raise click.UsageError("--idle-ua goes with --every")
        return None
    return duties.of(benchmark, duties.seconds(every), idle_ua)


def to_dict(benchmark: Benchmark, found: Duty | None) -> dict[str, Any]:
    """A result for JSON, the duty cycle with it."""
    return benchmark.to_dict() if found is None else {**benchmark.to_dict(), "duty": found.to_dict()}


def sentences(benchmark: Benchmark, found: Duty) -> list[str]:
    """Lines for people."""
    from ascmcu.results import duty as duties

    return duties.sentences(found, benchmark.run_title)


def show(benchmark: Benchmark, found: Duty | None) -> None:
    """The same to the terminal."""
    for line in [] if found is None else sentences(benchmark, found):
        click.echo(line)
