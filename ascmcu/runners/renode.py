# SPDX-License-Identifier: Apache-2.0
"""Renode: the board's own ELF file on an emulated chip, over its serial port.

Renode lets every instruction take one cycle, without wait states: its CYCCNT is the number of instructions, and is
labelled so. The program is ``renode`` on PATH, or what ``ASCMCU_RENODE`` names.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

from ascmcu.codegen import renode as renode_files
from ascmcu.errors import LinkError, ToolError
from ascmcu.runners._process import ProcessRunner
from ascmcu.runners.base import RunnerFacts
from ascmcu.toolchain.program import first_line

_LOG_BYTES = 64 << 20  # more than a run prints
_START_S = 60.0  # Renode compiles its platform at every start: 3 … 6 s on an idle machine
_SETTLE_S = 0.5  # the rest of an error's text follows its first line
# What Renode prints when a line of a script fails. It then waits at its prompt.
_FAILED = b"There was an error executing command"
MIN_VERSION = (1, 16, 1)
_WHERE_FROM = "unpack a release of github.com/renode/renode and put it on PATH, or name it with ASCMCU_RENODE"


def find_renode() -> str:
    """The program.

    Raises:
        ToolError: it is not there.
    """
    named = os.environ.get("ASCMCU_RENODE")
    found = shutil.which(named or "renode")
    if found is None and named:
        raise ToolError(
            "ASCMCU_RENODE does not name an executable program; nothing was run",
            where=named,
            hint="give the path of `renode` in an unpacked release, or unset it to take the one on PATH",
        )
    if found is None:
        raise ToolError("Renode is not installed; nothing was run", where="renode", hint=_WHERE_FROM)
    return found


def renode_version(program: str) -> str:
    """What the program says of its version, if it is new enough.

    Raises:
        ToolError: it is too old, or does not say.
    """
    line = first_line([program, "--version"])
    found = re.search(r"(\d+)\.(\d+)\.(\d+)", line)
    if found is None:
        told = line or "no version"
        raise ToolError("not a Renode program; nothing was run", where=program, found=told, hint=_WHERE_FROM)
    if tuple(map(int, found.groups())) < MIN_VERSION:
        raise ToolError(
            "this Renode is too old; nothing was run",
            where=program,
            expected=f"{'.'.join(map(str, MIN_VERSION))} or newer: before, the cycle counter moves in steps of 100 µs, "
            "so counts are useless",
            found=found[0],
            hint=_WHERE_FROM,
        )
    return line


class RenodeRunner(ProcessRunner):
    """``renode`` without windows, the serial port on a TCP socket. Renode itself listens on every interface."""

    name = "renode"

    @property
    def facts(self) -> RunnerFacts:
        detail = f"{self._version}, {self.target.board.emulators.renode_platform}"
        return RunnerFacts(self.name, "instructions", detail, response_s=60.0, wait_states=0)

    def _command(self, scratch: Path) -> list[str]:
        board = self.target.board
        if not renode_files.models(board):
            raise ToolError(
                "Renode has no model of this board", where=board.name, hint="--on sim, qemu or host"
            )
        program = find_renode()
        self._version = renode_version(program)
        (scratch / "renode.repl").write_text(renode_files.platform(board), encoding="utf-8")
        script = scratch / "run.resc"
        named = renode_files.literal(script)
        script.write_text(
            renode_files.script(board, scratch, self.target.elf.resolve(), self._port), encoding="utf-8"
        )
        return [program, "--console", "--disable-xwt", "--plain", "-e", f"include @{named}"]

    def _open_link(self, scratch: Path) -> socket.socket:
        with socket.create_server(("127.0.0.1", 0)) as door:
            self._port = int(door.getsockname()[1])
        # Its console reads standard input, and ends at the end of it: the pipe stays open.
        self._start(self._command(scratch), subprocess.PIPE, self._errors.fileno())
        deadline = time.monotonic() + _START_S
        while True:
            try:
                link = socket.create_connection(("127.0.0.1", self._port), timeout=1.0)
                return self._cleanup.enter_context(link)
            except OSError:
                self._check_started(deadline)
                time.sleep(0.1)

    def _check_started(self, deadline: float) -> None:
        """Raise when the start has failed, or takes too long."""
        self._check_script()
        status = self._child.poll()
        if status is not None:
            raise LinkError(
                "Renode did not start", found=f"it ended at once, exit status {status}", details=self._said()
            )
        if time.monotonic() > deadline:
            raise LinkError(
                "Renode opens no serial port",
                found=f"none after {_START_S:.0f} s",
                hint="check whether it starts: run `renode renode.resc` in the export's folder",
                details=self._said(),
            )

    def _check_script(self) -> None:
        """Raise when a line of the script has failed: Renode says so and waits at its prompt. Or if it never ends."""
        if os.fstat(self._errors.fileno()).st_size > _LOG_BYTES:
            raise LinkError(
                "Renode does not stop printing",
                found=f"more than {_LOG_BYTES >> 20} MiB",
                details=self._said(),
            )
        if _FAILED in self._printed():
            time.sleep(_SETTLE_S)
            raise LinkError(
                "Renode rejects the platform or the script",
                where=self.target.board.name,
                hint="renode.repl and renode.resc in the export are the same files",
                details=self._said(),
            )

    def _printed(self) -> bytes:
        return os.pread(self._errors.fileno(), os.fstat(self._errors.fileno()).st_size, 0)

    def read(self, timeout_s: float) -> bytes:
        data = super().read(timeout_s)
        if not data:
            self._check_script()
        return data


RUNNER = RenodeRunner
