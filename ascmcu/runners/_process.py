# SPDX-License-Identifier: Apache-2.0
"""Base of runners whose device is a child process, reached by its standard streams or a socket."""

from __future__ import annotations

import abc
import contextlib
import os
import select
import socket
import subprocess
import tempfile
import time
import types
from pathlib import Path
from typing import Self

from ascmcu import scratch as scratches
from ascmcu.errors import LinkError
from ascmcu.runners.base import Runner
from ascmcu.toolchain.program import bound_to_us, end_group

_EXIT_S = 2.0
_SAID_BYTES = 2000  # at either end of what a child has printed


class ProcessRunner(Runner):
    """Starts ``_command`` with a socket pair as its standard input and output, keeps its standard error.

    A subclass whose child opens its own socket overrides ``_open_link``.
    """

    def __enter__(self) -> Self:
        self._cleanup = contextlib.ExitStack()
        try:
            scratch = self._cleanup.enter_context(scratches.folder())
            self._errors = self._cleanup.enter_context(tempfile.TemporaryFile())
            self._link = self._open_link(scratch)
        except BaseException:
            self._cleanup.close()
            raise
        self._link.setblocking(False)
        self._arrived = b""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: types.TracebackType | None,
    ) -> None:
        self._cleanup.close()

    @abc.abstractmethod
    def _command(self, scratch: Path) -> list[str]:
        """The child's command line; ``scratch`` is a folder that lives as long as the link."""

    def _open_link(self, scratch: Path) -> socket.socket:
        ours, theirs = socket.socketpair()
        self._cleanup.enter_context(ours)
        with theirs:
            self._start(self._command(scratch), theirs.fileno())
        return ours

    def _start(self, command: list[str], stream: int, output: int | None = None) -> None:
        """Start the child with ``stream`` as its standard input and, unless ``output`` is given, output.

        It ends with the link, and all that it has started with it.
        """
        self._child = subprocess.Popen(
            [*bound_to_us(), *command],
            stdin=stream,
            stdout=stream if output is None else output,
            stderr=self._errors,
            start_new_session=True,
        )
        self._cleanup.callback(end_group, self._child)

    def _closed(self) -> LinkError:
        try:
            status: int | None = self._child.wait(_EXIT_S)
        except subprocess.TimeoutExpired:
            status = None
        return LinkError(
            f"the {self.name} runner has closed the link",
            found="still running" if status is None else f"exit status {status}",
            details=self._said(),
        )

    def _said(self) -> str:
        """What the child has printed, of a long text the head and the tail."""
        end = os.fstat(self._errors.fileno()).st_size
        if end <= 2 * _SAID_BYTES:
            return os.pread(self._errors.fileno(), end, 0).decode(errors="replace")
        head = os.pread(self._errors.fileno(), _SAID_BYTES, 0).decode(errors="replace")
        tail = os.pread(self._errors.fileno(), _SAID_BYTES, end - _SAID_BYTES).decode(errors="replace")
        return f"{head}\n… {end - 2 * _SAID_BYTES} bytes …\n{tail}"

    def read(self, timeout_s: float) -> bytes:
        if self._arrived:
            data, self._arrived = self._arrived, b""
            return data
        if not select.select([self._link], [], [], max(0.0, timeout_s))[0]:
            return b""
        return self._received()

    def write(self, data: bytes, timeout_s: float) -> None:
        """Send all of it, and keep what comes meanwhile: a child whose answers are not read may stop reading."""
        left = memoryview(data)
        deadline = time.monotonic() + timeout_s
        while left:
            wait_s = deadline - time.monotonic()
            if wait_s <= 0:
                raise LinkError(f"the {self.name} runner takes no bytes", found=f"none in {timeout_s:.1f} s")
            readable, writable, _ = select.select([self._link], [self._link], [], wait_s)
            if readable:
                self._arrived += self._received()
            if writable:
                left = left[self._sent(left) :]

    def _received(self) -> bytes:
        try:
            data = self._link.recv(65536)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        if not data:
            raise self._closed()
        return data

    def _sent(self, data: memoryview) -> int:
        try:
            return self._link.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise self._closed() from error
