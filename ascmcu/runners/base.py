# SPDX-License-Identifier: Apache-2.0
"""The interface of a runner: it runs a firmware and provides a byte link to it.

A runner is one file ``ascmcu/runners/<name>.py`` with a class ``RUNNER``; dropping the file in adds it to
``ascmcu bench --on <name>``. Emulators, the host build and a board on a serial port are equals: the bench
sees the bytes, and the few facts below.
"""

from __future__ import annotations

import abc
import importlib
import pkgutil
import types
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Self

from ascmcu.boards import Board
from ascmcu.errors import InputError, near
from ascmcu.toolchain.manifest import Manifest

# "counts" are of a kind that nobody knows.
CountKind = Literal["cycles", "instructions", "counts", "none"]


@dataclass(frozen=True)
class Target:
    """What a runner is asked to run: one export folder, for one board.

    ``folder`` holds model.c, board_config.h, firmware.elf and the rest of an export; ``frontend`` says
    whether the firmware takes audio (frontend.c is there) or only the network's input.
    """

    folder: Path
    board: Board
    manifest: Manifest
    frontend: bool

    @property
    def elf(self) -> Path:
        """The firmware for the board."""
        return self.folder / "firmware.elf"


@dataclass(frozen=True)
class RunnerFacts:
    """What a benchmark has to know about where it ran.

    ``count_kind`` is what the firmware's counter counts here: an emulator that retires one instruction per
    count says "instructions", never "cycles", and a port that may lead to either says "counts". ``detail`` is for
    people: program, version, options. ``response_s`` is how long the firmware may take to answer before the session
    calls the link dead. ``wait_states``: the flash latency that the counts hold, where that is not what the firmware
    has set. ``silent_hint``: what to look at when nothing answers.
    """

    name: str
    count_kind: CountKind
    detail: str
    response_s: float
    wait_states: int | None = None
    silent_hint: str = "is the export's firmware running there?"


class Runner(abc.ABC):
    """A byte link to a running firmware, open between ``__enter__`` and ``__exit__``.

    ``with create("qemu", target) as link: session(link)``. The constructor only remembers; ``__enter__``
    starts, and raises ToolError when a program is missing, LinkError when the start fails. ``__exit__``
    ends everything that was started, also after an error.
    """

    name: ClassVar[str]
    # Whether it runs the export's own image: a board has what was flashed, and the host a program of its own.
    runs_image: ClassVar[bool] = True

    def __init__(self, target: Target) -> None:
        self.target = target

    @property
    def label(self) -> str:
        """What tells this link from others to the same export: two boards may be benched at once."""
        return self.name

    @property
    def notices(self) -> tuple[str, ...]:
        """What the user should know before it starts."""
        return ()

    @property
    @abc.abstractmethod
    def facts(self) -> RunnerFacts:
        """Valid while the link is open."""

    @abc.abstractmethod
    def __enter__(self) -> Self: ...

    @abc.abstractmethod
    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: types.TracebackType | None,
    ) -> None: ...

    @property
    def stood_at(self) -> str:
        """Where the program was when the watchdog reset it, where the runner can know it."""
        return ""

    @abc.abstractmethod
    def read(self, timeout_s: float) -> bytes:
        """At least one byte that the device sent, or ``b""`` when none came within ``timeout_s``.

        Raises:
            LinkError: the link is closed for good (process ended, port gone); says what is known of why.
        """

    @abc.abstractmethod
    def write(self, data: bytes, timeout_s: float) -> None:
        """Hand all of ``data`` to the link.

        Raises:
            LinkError: the link is closed, or did not take the bytes within ``timeout_s``.
        """


def names() -> list[str]:
    """The runners that ``bench --on`` knows: the modules of this package, by name.

    Modules with a leading underscore are shared parts; the serial port is named by ``--serial``.
    """
    import ascmcu.runners as package

    found = (module.name for module in pkgutil.iter_modules(package.__path__))
    return sorted(name for name in found if not name.startswith("_") and name not in ("base", "serial"))


def create(name: str, target: Target) -> Runner:
    """The runner of that name, not yet started.

    Raises:
        InputError: no such runner.
    """
    if name not in names():
        raise InputError("unknown runner", found=name, expected=", ".join(names()), hint=near(name, names()))
    runner: type[Runner] = importlib.import_module(f"ascmcu.runners.{name}").RUNNER
    return runner(target)
