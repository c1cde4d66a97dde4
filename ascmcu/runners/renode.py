"""Renode: the board's own ELF file on an emulated chip, over its serial port.

Renode lets every instruction take one cycle, without wait states: its CYCCNT is the number of instructions, and is
labelled so. The program is ``renode`` on PATH, or what ``ASCMCU_RENODE`` names.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

from ascmcu.codegen import renode as renode_files
from ascmcu.errors import LinkError, ToolError
from ascmcu.runners._process import ProcessRunner
from ascmcu.runners.base import RunnerFacts

_START_S = 120.0  # Renode compiles its platform at every start: 3 … 6 s on an idle machine


def find_renode() -> str:
    """The program.

    Raises:
        ToolError: it is not there.
    """
    named = os.environ.get("ASCMCU_RENODE")
    found = shutil.which(named or "renode")
    if found is None:
        raise ToolError(
            "Renode is not installed; nothing was run",
            where=named or "renode",
            hint="unpack a release of github.com/renode/renode and put it on PATH, or name it with ASCMCU_RENODE",
        )
    return found


class RenodeRunner(ProcessRunner):
    """``renode`` without windows, the serial port on a TCP socket of this machine."""

    name = "renode"

    @property
    def facts(self) -> RunnerFacts:
        done = subprocess.run([find_renode(), "--version"], capture_output=True, text=True, check=False)
        version = (done.stdout.strip() or "Renode").splitlines()[0]
        detail = f"{version}, {self.target.board.stand.renode_platform}"
        return RunnerFacts(self.name, "instructions", detail, response_s=60.0, wait_states=0)

    def _command(self, scratch: Path) -> list[str]:
        board = self.target.board
        if not renode_files.models(board):
            raise ToolError(
                "Renode models nothing like this board", where=board.name, hint="--on sim, qemu or host"
            )
        (scratch / "renode.repl").write_text(renode_files.platform(board))
        script = scratch / "run.resc"
        script.write_text(renode_files.script(board, scratch, self.target.elf.resolve(), self._port))
        return [find_renode(), "--console", "--disable-xwt", "--plain", "-e", f"include @{script}"]

    def _start(self, command: list[str], stream: int) -> None:
        # Its console reads standard input, and ends at the end of it.
        self._child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=self._errors, stderr=subprocess.STDOUT
        )
        self._cleanup.callback(self._stop)

    def _open_link(self, scratch: Path) -> socket.socket:
        with socket.create_server(("127.0.0.1", 0)) as door:
            self._port = int(door.getsockname()[1])
        self._start(self._command(scratch), subprocess.DEVNULL)
        deadline = time.monotonic() + _START_S
        while True:
            try:
                link = socket.create_connection(("127.0.0.1", self._port), timeout=1.0)
                return self._cleanup.enter_context(link)
            except OSError:
                if self._child.poll() is not None or time.monotonic() > deadline:
                    raise LinkError("Renode did not start", details=self._said()) from None
                time.sleep(0.1)


RUNNER = RenodeRunner
