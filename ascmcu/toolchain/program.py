# SPDX-License-Identifier: Apache-2.0
"""Run other programs with limits for time and output."""

from __future__ import annotations

import contextlib
import functools
import os
import select
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass

from ascmcu.errors import ToolError

VERSION_S = 20.0  # .NET takes a second or two to start, more on a busy machine
HEAD_BYTES = 64 << 10
_EXIT_S = 2.0


@functools.cache
def bound_to_us() -> tuple[str, ...]:
    """What stands before a command whose process is to end with this one, also when this one is killed (kill -9).

    Empty where the system has nothing of the kind: there a killed bench leaves its emulator.
    """
    path = shutil.which("setpriv")  # of util-linux; BusyBox's knows no such option
    words = (path or "", "--pdeathsig", "KILL", "--")
    tried = path and subprocess.run([*words, path, "--version"], capture_output=True, check=False)
    return words if tried and not tried.returncode else ()


@dataclass(frozen=True)
class Said:
    """What a program has printed, and its exit status; None where it was ended because it printed too much."""

    text: str
    status: int | None


def run(
    command: list[str], timeout_s: float, most_bytes: int = HEAD_BYTES, *, with_errors: bool = True
) -> Said:
    """Run a program and collect its output, at most ``most_bytes``; nothing of it stays behind.

    With ``with_errors`` what it prints on standard error is part of it, else it is dropped.

    Raises:
        OSError: it cannot be run.
        TimeoutError: it has not ended after ``timeout_s``.
    """
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if with_errors else subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        head, status = _collected(child, time.monotonic() + timeout_s, most_bytes)
    finally:
        end_group(child)
    return Said(head.decode(errors="replace"), status)


def _collected(
    child: subprocess.Popen[bytes], deadline_s: float, most_bytes: int
) -> tuple[bytes, int | None]:
    """The output until its end or its limit, and the status."""
    assert child.stdout is not None
    head = bytearray()
    while len(head) < most_bytes:
        left_s = deadline_s - time.monotonic()
        if left_s <= 0 or not select.select([child.stdout], [], [], left_s)[0]:
            raise TimeoutError
        data = os.read(child.stdout.fileno(), most_bytes - len(head))
        if not data:
            try:
                return bytes(head), child.wait(max(0.0, deadline_s - time.monotonic()))
            except subprocess.TimeoutExpired:
                raise TimeoutError from None
        head += data
    return bytes(head), None


def first_line(command: list[str], timeout_s: float = VERSION_S) -> str:
    """The first line that a program prints, such as its version; "" when it prints nothing.

    Raises:
        ToolError: it cannot be run, or has not ended after ``timeout_s``; nothing of it stays behind.
    """
    text = " ".join(command)
    try:
        said = run(command, timeout_s).text.strip()
    except TimeoutError:
        raise ToolError(
            "a program does not end", where=text, found=f"still running after {timeout_s:.0f} s"
        ) from None
    except OSError as error:
        raise ToolError("a program cannot be run", where=text, found=error.strerror) from error
    return said.splitlines()[0] if said else ""


def end_group(child: subprocess.Popen[bytes]) -> None:
    """End a child that leads its process group, and what it has started: a shell script hands no signal on."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        # Nobody is left; or, on macOS, not reaped yet.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_EXIT_S)
    for stream in (child.stdin, child.stdout):
        if stream is not None:
            stream.close()
