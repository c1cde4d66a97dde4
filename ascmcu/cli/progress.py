"""How far a long step has come: a bar on a terminal, a line now and then in a log, nothing with ``--quiet``.

Always on standard error, so that standard output holds the result alone.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

_LINE_EVERY_S = 15.0


@contextlib.contextmanager
def counted(what: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """A function to be called with how many of ``unit`` are done, and how many there are in all."""
    if not sys.stderr.isatty():
        yield _lines(what, unit)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(what, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


def _lines(what: str, unit: str) -> Callable[[int, int], None]:
    """A line every ``_LINE_EVERY_S`` with an estimate of what is left."""
    began_s = said_s = time.monotonic()
    first: list[int] = []

    def say(done: int, total: int) -> None:
        nonlocal said_s
        first.append(done)
        now_s = time.monotonic()
        if now_s - said_s < _LINE_EVERY_S or done == first[0]:
            return
        said_s = now_s
        left_s = (now_s - began_s) / (done - first[0]) * (total - done)
        print(f"{what}: {done} of {total} {unit}, about {left_s:.0f} s left", file=sys.stderr, flush=True)

    return say
