# SPDX-License-Identifier: Apache-2.0
"""The interface of a flashing tool: it writes an export's image to a chip and verifies it.

A tool is one file ``ascmcu/flash/<name>.py`` with a class ``TOOL``; dropping the file in adds it to
``ascmcu flash --with <name>``. Most are a program's command lines, which ``--dry-run`` shows.
"""

from __future__ import annotations

import abc
import importlib
import pkgutil
import re
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ascmcu import scratch as scratches
from ascmcu.boards import Board
from ascmcu.errors import AscmcuError, InputError, LinkError, ToolError
from ascmcu.toolchain import program

_WRITE_S = 300.0
_SAID_BYTES = 16 << 20  # more than any tool prints
_SHOWN = 2000  # characters of what never ends
_LIST_S = 20.0


@dataclass(frozen=True)
class Job:
    """What is to be written, and through which probe (its serial number, or a part of it; None for the only one)."""

    folder: Path
    board: Board
    probe: str | None = None

    @property
    def elf(self) -> Path:
        """The image with its addresses and symbols."""
        return self.folder / "firmware.elf"

    @property
    def bin(self) -> Path:
        """The image's bytes from the start of the flash on."""
        return self.folder / "firmware.bin"

    @property
    def hex(self) -> Path:
        """The image as Intel hex."""
        return self.folder / "firmware.hex"

    @property
    def address(self) -> int:
        """Where ``bin`` goes."""
        return self.board.flash.origin


@dataclass(frozen=True)
class Trouble:
    """A way in which tools fail, told by what they print: a pattern, and what it means in our words."""

    pattern: str
    what: str
    hint: str


NO_PROBE = (
    "no debug probe is connected",
    "connect the board's debug port with a data cable; on Linux the probe's udev rules must be installed",
)
SEVERAL = ("several debug probes are connected", "name one with --probe SERIAL")
LOCKED = (
    "the chip is locked against reading and writing",
    "unlocking erases it whole: `pyocd erase --mass`, or the vendor's tool, then flash again",
)
WRONG_CHIP = (
    "the chip on the probe is not the board's",
    "is it the board that the model was exported for? `ascmcu boards list`, then export with --board",
)
NO_CHIP = (
    "the probe does not reach the chip",
    "is the board powered, and the debug cable or jumper in place? Holding reset while starting may help",
)
NO_PACK = ("pyOCD does not know the part yet", "pyocd pack install {target}")


class FlashTool(abc.ABC):
    """One way of writing flash. Stateless."""

    name: ClassVar[str]
    program: ClassVar[str]
    install: ClassVar[str]
    # The probes that it can drive, as in a board's description.
    interfaces: ClassVar[tuple[str, ...]]
    troubles: ClassVar[tuple[Trouble, ...]] = ()

    def found(self) -> str | None:
        """The program's path, also beside the Python that runs this; None when it is missing."""
        beside = Path(sys.executable).parent / self.program
        return shutil.which(self.program) or (str(beside) if beside.is_file() else None)

    def suits(self, board: Board) -> bool:
        """Whether it can write that board's chip through the board's own probe."""
        return board.probe.interface in self.interfaces

    @abc.abstractmethod
    def commands(self, job: Job, scratch: Path) -> list[list[str]]:
        """The command lines that write, verify and reset, in order; pure. ``scratch`` is for files of its own."""

    def run(self, job: Job, scratch: Path) -> list[list[str]]:
        """The command lines with the program that is installed, where one is."""
        path = self.found()
        known = path is not None and Path(path).is_file()
        return [[path if known and path else line[0], *line[1:]] for line in self.commands(job, scratch)]

    def prepare(self, job: Job, scratch: Path) -> None:  # noqa: B027 - most need nothing
        """Write the files that ``commands`` names."""

    def proved(self, outputs: list[str]) -> bool:
        """Whether what the commands printed says that the chip holds the image."""
        return True

    def probes(self) -> list[str]:
        """Serial numbers of the probes that are connected, as far as the tool can tell."""
        return []

    def write(self, job: Job) -> str:
        """Write, verify, reset; what the tool is, in words.

        Raises:
            ToolError: the program is missing.
            LinkError: it failed; says why in one of our own words where that is known, and shows its output whole.
        """
        path = self.found()
        if path is None:
            raise ToolError(f"{self.program} is not installed", hint=self.install)
        self._check_probes(job)
        outputs = []
        with scratches.folder() as scratch:
            self.prepare(job, scratch)
            for command in self.run(job, scratch):
                outputs.append(self._run(command, job))
        if not self.proved(outputs):
            raise LinkError("the flash does not hold what was written", where=self.name, details=outputs[-1])
        return f"{self.name} ({path})"

    def _check_probes(self, job: Job) -> None:
        known = self.probes()
        if job.probe is None and len(known) > 1:
            raise LinkError(SEVERAL[0], where=self.name, found=", ".join(known), hint=SEVERAL[1])
        if job.probe is not None and known and not any(job.probe.lower() in k.lower() for k in known):
            raise LinkError(
                "no such debug probe", found=job.probe, expected=", ".join(known), hint="see --list"
            )

    def _run(self, command: list[str], job: Job) -> str:
        try:
            done = program.run(command, _WRITE_S, _SAID_BYTES)
        except TimeoutError as error:
            raise LinkError(
                f"{self.name} did not finish", found=f"{_WRITE_S:.0f} s", hint=NO_CHIP[1]
            ) from error
        if done.status is None:
            raise LinkError(
                f"{self.name} does not stop printing",
                where=command[0],
                found=f"{_SAID_BYTES >> 20} MiB",
                details=done.text[:_SHOWN],
            )
        if done.status != 0 or self._failed(done.text):
            raise self.explain(done.text, done.status, job)
        return done.text

    def _failed(self, output: str) -> bool:
        """Whether the output says so although the exit status does not."""
        return False

    def explain(self, output: str, status: int, job: Job) -> AscmcuError:
        """The error for a failed command."""
        for trouble in self.troubles:
            if re.search(trouble.pattern, output, re.IGNORECASE):
                hint = trouble.hint.format(target=job.board.chip.tools.pyocd)
                return LinkError(
                    trouble.what, where=f"{self.name}, {job.board.name}", hint=hint, details=output
                )
        return LinkError(f"{self.name} failed", found=f"exit status {status}", details=output)

    def _listing(self, command: list[str]) -> str:
        """What a command prints that lists probes; nothing when it fails."""
        path = self.found()
        if path is None:
            return ""
        try:
            done = program.run([path, *command], _LIST_S, with_errors=False)
        except OSError:  # TimeoutError is one
            return ""
        return "" if done.status is None else done.text


def names() -> list[str]:
    """The tools: the modules of this package, by name."""
    import ascmcu.flash as package

    found = (module.name for module in pkgutil.iter_modules(package.__path__))
    return sorted(name for name in found if not name.startswith("_") and name != "base")


# The order in which a tool is chosen: pyOCD knows all boards; the rest need less or more of their own.
PREFERENCE = ("pyocd", "openocd", "stflash", "jlink")


def create(name: str) -> FlashTool:
    """The tool of that name.

    Raises:
        InputError: no such tool.
    """
    if name not in names():
        raise InputError("unknown flashing tool", found=name, expected=", ".join(names()))
    tool: type[FlashTool] = importlib.import_module(f"ascmcu.flash.{name}").TOOL
    return tool()


def preferred(board: Board) -> FlashTool:
    """The first tool that can write the board, an installed one where there is one."""
    suitable = [tool for tool in map(create, PREFERENCE) if tool.suits(board)]
    return next((tool for tool in suitable if tool.found()), suitable[0])


def choose(board: Board) -> FlashTool:
    """The first installed tool that can write the board.

    Raises:
        ToolError: none is installed.
    """
    tool = preferred(board)
    if tool.found():
        return tool
    raise ToolError(
        "no flashing tool is installed",
        where=board.name,
        expected=" or ".join(t.program for t in map(create, PREFERENCE) if t.suits(board)),
        hint=tool.install,
    )


def shown(commands: list[list[str]]) -> str:
    """Command lines as one would type them."""
    return "\n".join(shlex.join(command) for command in commands)
