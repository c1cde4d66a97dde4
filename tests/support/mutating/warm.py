# SPDX-License-Identifier: Apache-2.0
"""A pytest session that has imported and collected everything, and forks a child for every edit.

The child puts the edited functions in the place of those that are imported. That is the edited program, as long as
nothing of what was edited has run yet: see ``can``.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

from tests.support.mutating.edits import Edit

_OPTIMIZED = 0x1  # inspect.CO_OPTIMIZED: the code of a function, not of a module or class


def edited_functions(path: str, source: bytes, edit: Edit) -> list[tuple[CodeType, CodeType]] | None:
    """The functions' codes that differ, each before and after; ``None`` where something else differs."""
    old, new = (compile(text, path, "exec", dont_inherit=True) for text in (source, edit.apply(source)))
    return _changed(old, new)


def _changed(old: CodeType, new: CodeType) -> list[tuple[CodeType, CodeType]] | None:
    if old == new:
        return []
    if old.co_flags & _OPTIMIZED:
        inner = _inner(old, new)
        return None if inner is None or old.co_freevars != new.co_freevars else [(old, new), *inner]
    parts = [[c for c in code.co_consts if not isinstance(c, CodeType)] for code in (old, new)]
    same = old.co_code == new.co_code and repr(parts[0]) == repr(parts[1]) and old.co_names == new.co_names
    return _inner(old, new) if same else None


def _inner(old: CodeType, new: CodeType) -> list[tuple[CodeType, CodeType]] | None:
    """What differs of the functions and classes inside."""
    found: list[tuple[CodeType, CodeType]] = []
    codes = [[c for c in code.co_consts if isinstance(c, CodeType)] for code in (old, new)]
    if len(codes[0]) != len(codes[1]):
        return None
    for before, after in zip(*codes, strict=True):
        changed = _changed(before, after)
        if changed is None:
            return None
        found += changed
    return found


def _put(functions: Sequence[FunctionType], path: str, source: bytes, edit: Edit) -> None:
    """Change those functions that the edit is of; one that is not imported yet is read when it is."""
    changed = edited_functions(path, source, edit)
    assert changed is not None
    new = {_identity(before): after for before, after in changed}
    for function in functions:
        if function.__code__.co_filename == path:
            function.__code__ = new.get(_identity(function.__code__), function.__code__)


def _identity(code: CodeType) -> tuple[object, ...]:
    """What tells a function of a file, however often it has run: that changes how Python compares codes."""
    return code.co_qualname, code.co_firstlineno, code.co_linetable, code.co_code


class _Loop:
    """In the place of pytest's loop: answer what is asked, each time by a child that goes on as pytest would."""

    def __init__(self, channel: socket.socket, fresh: Callable[[], None]) -> None:
        self._channel = channel
        self._fresh = fresh
        self._failures = -1

    def pytest_runtestloop(self, session: Any) -> bool | None:
        items = {item.nodeid: item for item in session.items}
        # By type, not isinstance: that asks a dead weak reference for its class.
        functions = [thing for thing in gc.get_objects() if type(thing) is FunctionType]
        # A child that looks at every object would copy them all.
        gc.collect()
        gc.freeze()
        lines = self._channel.makefile("r")
        self._answer(sorted(items))
        for line in lines:
            order = json.loads(line)
            self._fresh()
            reader, writer = os.pipe()
            child = os.fork()
            if not child:
                os.setsid()
                self._failures = writer
                self._channel.close()
                path, edit = Path(order["path"]), Edit(**order["edit"])
                source = path.read_bytes()
                _put(functions, str(path), source, edit)
                path.write_bytes(edit.apply(source))
                session.items[:] = [items[name] for name in order["tests"]]
                return None  # pytest goes on with these
            os.close(writer)
            self._answer(waited(child, order["limit_s"]))
            with open(reader) as told:
                self._answer(told.readline().strip())
        os._exit(0)

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed and self._failures >= 0:
            os.write(self._failures, f"{report.nodeid}\n".encode())

    def _answer(self, what: object) -> None:
        self._channel.sendall(json.dumps(what).encode() + b"\n")


def waited(child: int, limit_s: float) -> int | None:
    """The exit status of a child that leads a process group; ``None`` of one that does not end."""
    end = time.monotonic() + limit_s
    ended, status = 0, 0
    while not ended and time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        time.sleep(0.01)
    with contextlib.suppress(ProcessLookupError):  # nor do its own children live on
        os.killpg(child, signal.SIGKILL)
    if not ended:
        os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) if ended else None


class Session:
    """The other end: ``tests`` are those that were collected."""

    def __init__(
        self, start: Callable[[Callable[[], None]], int], main: Callable[[object], int], fresh: Callable[[], None]
    ) -> None:  # fmt: skip
        """``start`` runs a function in a child and gives its number, ``main`` runs pytest with a plugin, ``fresh``
        makes what no test may find from the last one."""
        self._channel, theirs = socket.socketpair()

        def serve() -> None:
            self._channel.close()
            status = main(_Loop(theirs, fresh))
            sys.stdout.flush()
            os._exit(status)

        self._child = start(serve)
        theirs.close()
        self._lines = self._channel.makefile("r")
        self.tests: list[str] = self._answer()

    def _answer(self) -> Any:
        line = self._lines.readline()
        if not line:
            raise RuntimeError("pytest ended before it was asked: see its log")
        return json.loads(line)

    def attempt(self, path: Path, edit: Edit, tests: Sequence[str], limit_s: float) -> tuple[int | None, str]:
        """pytest's exit status with the edit (``None``: it did not end), and the first test that failed."""
        original = path.read_bytes()
        order = {"path": str(path), "edit": vars(edit), "tests": list(tests), "limit_s": limit_s}
        try:
            self._channel.sendall(json.dumps(order).encode() + b"\n")
            return self._answer(), self._answer()
        finally:
            path.write_bytes(original)

    def close(self) -> None:
        """End the session."""
        self._lines.close()
        self._channel.close()
        os.waitpid(self._child, 0)
