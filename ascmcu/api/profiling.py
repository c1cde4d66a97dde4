# SPDX-License-Identifier: Apache-2.0
"""Where the cycles of one inference go: by function, by call path, by instruction; on the simulator."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ascmcu import boards
from ascmcu.benchmark import made
from ascmcu.benchmark.session import Session
from ascmcu.benchmark.starts import Names
from ascmcu.errors import InputError
from ascmcu.paths import PathLike
from ascmcu.runners.base import Target
from ascmcu.runners.sim import SimRunner
from ascmcu.sim import profile as profiles
from ascmcu.sim.profile import FunctionRow, LineRow
from ascmcu.toolchain.manifest import Manifest

# What an inference calls; the protocol around it is not the model's.
_ROOTS = ("frontend_", "model_")
# Inputs whose values are all over the range: nothing is saturated, or zero.
_NOISE = "noise 1"


@dataclass(frozen=True)
class Profile:
    """One inference.

    Attributes:
        cycles: of the front end and the network.
        machine: the simulated chip, with its flash.
        paths: call paths from the network's or the front end's functions on, most expensive first.
        functions: most expensive by itself first.
        annotated: the instructions of the functions that were asked for.
    """

    cycles: int
    machine: str
    paths: tuple[profiles.Path, ...]
    functions: tuple[FunctionRow, ...]
    annotated: tuple[tuple[str, tuple[LineRow, ...]], ...]

    def __repr__(self) -> str:
        first = f", most in {self.functions[0].name}" if self.functions else ""
        return f"Profile({self.cycles:,} cycles in {len(self.functions)} functions{first})"


def profile(
    folder: PathLike = "build",
    *,
    wait_states: int | None = None,
    hottest: int = 1,
    function: str | None = None,
) -> Profile:
    """Run one made input through an export's firmware on the simulator, and follow its calls.

    Args:
        folder: the export.
        wait_states: of the flash, in place of those of the board's clock.
        hottest: of how many functions the instructions are wanted.
        function: the function whose instructions are wanted, in place of the hottest.

    Raises:
        InputError: no export, a library, or no such function.
        LinkError: the firmware crashed.
    """
    folder = Path(folder)
    manifest = Manifest.load(folder)
    board = boards.of_export(folder, manifest.board)
    target = Target(folder, board, manifest, manifest.features is not None)
    if not target.elf.is_file():
        raise InputError(
            "this export is a library: there is no firmware to run",
            where=str(folder),
            hint="export without --format",
        )
    clips = made.separate(manifest)
    clip = next(clip for clip in clips.clips if clip.name == _NOISE)
    runner = SimRunner(target, wait_states, profiled=True)
    with runner as link:
        image, engine = link.machine.image, link.machine.engine
        if function is not None:
            image.symbol(function)
        session = Session(link, response_s=link.facts.response_s, place=Names(target))
        counts = session.run(clip.load(), clips.kind).counts
        found = profiles.functions(engine, image, _ROOTS)
        rows = tuple(row for row in found if row.exclusive_cycles)
        wanted = [row.name for row in rows[:hottest]] if function is None else [function]
        return Profile(
            counts.frontend + counts.network,
            link.facts.detail,
            tuple(profiles.paths(engine, image, _ROOTS)),
            rows,
            tuple((name, tuple(profiles.annotate(engine, image, name))) for name in wanted),
        )
