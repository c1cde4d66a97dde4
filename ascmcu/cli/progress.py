# SPDX-License-Identifier: Apache-2.0
"""Progress of long steps: a bar on a terminal, an occasional line in a log, nothing with ``--quiet``.

Always on standard error, so that standard output holds the result alone.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import Protocol

_LINE_EVERY_S = 15.0


class Counted(Protocol):
    """Takes how many are done, how many there are in all, and what else there is to say."""

    def __call__(self, done: int, total: int, note: str = "", /) -> None: ...


class Staged(Protocol):
    """The same for several steps behind each other: which one, and what it counts."""

    def __call__(self, what: str, unit: str, done: int, total: int, note: str = "", /) -> None: ...


@contextlib.contextmanager
def counted(what: str, unit: str) -> Iterator[Counted]:
    """A function to be called with how many of ``unit`` are done, and how many there are in all."""
    with staged() as say:
        yield lambda done, total, note="": say(what, unit, done, total, note)


@contextlib.contextmanager
def staged() -> Iterator[Staged]:
    """A function to be called with the step, its unit, how many are done, and how many there are in all."""
    if not sys.stderr.isatty():
        yield _lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(
        *columns, TextColumn("{task.fields[note]}"), console=Console(stderr=True), transient=True
    ) as bars:
        tasks = {}

        def say(what: str, unit: str, done: int, total: int, note: str = "") -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=None, note="")
            bars.update(tasks[what], completed=done, total=total, note=note)

        yield say


def _lines() -> Staged:
    """A line every ``_LINE_EVERY_S``, with an estimate of what is left of the step."""
    said_s = time.monotonic()
    began: dict[str, tuple[float, int]] = {}

    def say(what: str, unit: str, done: int, total: int, note: str = "") -> None:
        nonlocal said_s
        now_s = time.monotonic()
        began_s, first = began.setdefault(what, (now_s, done))
        if now_s - said_s < _LINE_EVERY_S or done == first:
            return
        said_s = now_s
        left_s = (now_s - began_s) / (done - first) * (total - done)
        behind = f"; {note}" if note else ""
        print(f"{what}: {done} of {total} {unit}, {_about(left_s)} left{behind}", file=sys.stderr, flush=True)

    return say


def _about(seconds: float) -> str:
    """An estimate, no finer than it is true."""
    if seconds < 120:
        return f"about {seconds:.0f} s"
    return f"about {seconds / 60:.0f} min" if seconds < 2 * 3600 else f"about {seconds / 3600:.1f} h"
