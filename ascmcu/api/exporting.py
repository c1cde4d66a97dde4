# SPDX-License-Identifier: Apache-2.0
"""Build a model into a folder with its firmware."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ascmcu import boards, paths, scratch
from ascmcu.api import fronts, listening
from ascmcu.api.arranging import Arranging, Weights
from ascmcu.api.choices import Candidate, Schedule, better, candidates, recomputed
from ascmcu.api.compiling import Compiled, compile_model
from ascmcu.api.levels import network_level
from ascmcu.api.libraries import Form, write_library
from ascmcu.api.libraries import Format as Format  # re-exported
from ascmcu.api.sources import with_placement, write_sources
from ascmcu.boards import Board
from ascmcu.codegen import microphone as microphones
from ascmcu.errors import BoardError, GeneratedCodeError, InputError
from ascmcu.kernels import Target as Prediction
from ascmcu.paths import PathLike
from ascmcu.schedule import LAYERS, Plan
from ascmcu.toolchain import gcc, rebuild
from ascmcu.toolchain.manifest import Manifest, image_hashes

# What is built: its plan, its manifest, the compiler's warnings.
Made = tuple[Plan, Manifest, tuple[str, ...]]
# Step, what it counts, how many are done, how many there are.
Progress = Callable[[str, str, int, int], None]


@dataclass(frozen=True)
class Export:
    """A finished export.

    Attributes:
        folder: where it is.
        manifest: what ``manifest.json`` holds: sizes in bytes, layers, hashes, compiler and flags.
        plan: the schedule that was chosen: buffers, kernels, predicted cycles.
        warnings: the compiler's and the linker's, a line each.
        notices: what was assumed of the model, a sentence each.
    """

    folder: Path
    manifest: Manifest
    plan: Plan
    warnings: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()

    def __repr__(self) -> str:
        m = self.manifest
        memories = (("RAM", m.ram_bytes), ("flash", m.flash_bytes))
        sizes = [f"{parts['total']:,} B of {name}" for name, parts in memories if parts]
        facts = [f"{m.model} for {m.board}", f"schedule {m.schedule}", *sizes]
        return f"Export({str(self.folder)!r}: {', '.join(facts)})"

    def _repr_html_(self) -> str:
        memory_map = self.folder / "memory.svg"
        picture = memory_map.read_text(encoding="utf-8") if memory_map.is_file() else ""
        return f"{self.plan._repr_html_()}{picture}"


def export(
    model: PathLike,
    board: str | None = None,
    folder: PathLike = "build",
    *,
    schedule: Schedule = "auto",
    features: PathLike | Literal[False] | None = None,
    optimize: gcc.Optimize = "cycles",
    output: Format = "firmware",
    max_ram_bytes: int | None = None,
    weights: Weights = "auto",
    states: Sequence[str] = (),
    prefix: str = "",
    selftest: bool = False,
    instances: bool = False,
    listen: bool = False,
    window_s: float | None = None,
    hop_s: float | None = None,
    decisions: PathLike | None = None,
    microphone: str | None = None,
    progress: Progress = lambda step, unit, done, total: None,
) -> Export:
    """Compile a ``.tflite`` for a board into ``folder``. If it fails, ``folder`` is unchanged.

    Args:
        model: the file.
        board: a board's name, or the path of a board's TOML file; a library needs none, and is then for any Cortex-M4.
        folder: replaced if it is an earlier export; refused if it holds anything else.
        schedule: ``auto`` takes what fits and is predicted to be faster, whole layers or streamed rows; where both are
            about equally fast, what takes less RAM.
        features: as in ``compile``.
        optimize: what kernels are chosen and compiled for.
        output: ``firmware`` builds an image; ``library`` writes C sources with a CMakeLists.txt; ``cmake``, ``zephyr``,
            ``arduino``, ``platformio``, ``cmsis-pack`` and ``cube`` write the same as a package of that ecosystem.
        max_ram_bytes: a limit on the activations and the weights in RAM, tighter than the board's RAM.
        weights: where a firmware reads them: ``flash``; ``ram``, all are copied there at start-up; ``auto``, those that
            gain most are, as far as RAM is free. A library's lie where its user's linker script puts them.
        states: as in ``compile_model``.
        prefix: of a library's symbols, macros, files and CMake target, in place of ``model``.
        selftest: a library has ``model_selftest()``, by which another build of it proves its bits.
        instances: what a library remembers lies in structs of the caller's, so that several tasks can run it.
        listen: for audio without end instead of clips.
        window_s: seconds that a network that listens hears at once; its clip's length by default.
        hop_s: seconds from one window to the next.
        decisions: a TOML file that says which scores are events.
        microphone: ``i2s`` or ``pdm`` builds ``listen.elf`` too, which listens to such a microphone instead of the
            serial port.
        progress: called with the name of the step, its unit, the finished number and the total.

    Raises:
        InputError: model, board, features or folder cannot be used, or the firmware does not fit.
        ToolError: a compiler or a source is not installed.
    """
    Form(prefix, selftest, instances, output).check()
    board = _board_for(board, output)
    boards.load(board)  # what is wrong with it is known before the model is read
    check_folder(Path(folder))
    compiled = compile_model(model, features=features, states=states)
    if listen:
        compiled = listening.listening(compiled, window_s=window_s, hop_s=hop_s, decisions=decisions)
    listening.check_gate(compiled, output)
    if microphone is not None:
        compiled = listening.with_microphone(compiled, microphone, output)
    return build(
        compiled, board, folder, schedule=schedule, optimize=optimize, output=output, max_ram_bytes=max_ram_bytes,
        weights=weights, prefix=prefix, selftest=selftest, instances=instances,
        progress=progress,
    )  # fmt: skip


def _board_for(board: str | None, output: Format) -> str:
    """The board, or what stands for none.

    Raises:
        InputError: a firmware is for one board.
    """
    if output != "firmware":
        return board or boards.GENERIC
    if board in (None, boards.GENERIC):
        raise InputError(
            "a firmware needs a board", found=board, expected="--board NAME or a board's .toml file",
            hint="`ascmcu boards list` shows them; a library needs none: --format library",
        )  # fmt: skip
    assert board is not None
    return board


def build(
    compiled: Compiled,
    board: str | None,
    folder: PathLike = "build",
    *,
    schedule: Schedule = "auto",
    optimize: gcc.Optimize = "cycles",
    output: Format = "firmware",
    max_ram_bytes: int | None = None,
    weights: Weights = "auto",
    prefix: str = "",
    selftest: bool = False,
    instances: bool = False,
    progress: Progress = lambda step, unit, done, total: None,
) -> Export:
    """Build a compiled model for a board into ``folder``. If it fails, ``folder`` is unchanged.

    Arguments and errors are those of ``export``.
    """
    if weights == "ram" and output != "firmware":
        raise InputError(
            "the weights of a library lie where its linker script puts them",
            found=f"--weights {weights}",
            expected="--weights auto or flash",
            hint="their sections are .rodata.weights.*",
        )
    form = Form(prefix, selftest, instances, output)
    form.check()
    board = _board_for(board, output)
    if instances and compiled.listening is not None:
        raise InputError("a network listens once, not in instances", found="--listen with --instances")
    target = boards.load(board)
    folder = Path(folder)
    place = paths.real(folder)
    check_folder(folder)
    prediction = Prediction(optimize, target.clock.wait_states, target.chip.flash_cache)
    found = _candidates(compiled, schedule, prediction, max_ram_bytes, target)
    with scratch_beside(place) as scratched:
        part = scratched / "export"
        write = functools.partial(
            _write_first_that_fits,
            compiled,
            target,
            part,
            optimize,
            output,
            form,
            weights,
            max_ram_bytes,
            progress,
        )
        try:
            fitting = _fitting(found, max_ram_bytes, target)
            plan, manifest, warnings = write(fitting)
        except GeneratedCodeError as error:
            error.hint = f"{error.hint}; the export's folder is kept as {_keep(part, place)}"
            raise
        except BoardError:
            streamed = [c for c in found if c.plan.mode != LAYERS]
            smaller = _smaller(compiled, streamed[-1], target, max_ram_bytes, progress) if streamed else []
            if not smaller:
                raise
            shutil.rmtree(part, ignore_errors=True)
            fitting = _fitting([*found, *smaller], max_ram_bytes, target)
            fitting = [candidate for candidate in fitting if all(candidate is not c for c in found)]
            plan, manifest, warnings = write(fitting)
        boards.keep(board, part)
        if compiled.listening is not None and output == "firmware":
            manifest = _with_pace(part, manifest, target, found)
            if manifest.microphone:
                warnings = (*warnings, *_build_listener(part, target, manifest.microphone, optimize))
                manifest = _with_listener(part, _finish(part, manifest), target)
        put_in_place(place, part)
    kept = () if manifest.listening is None else manifest.listening.kept
    return Export(folder, manifest, plan, warnings, (*compiled.notices, *listening.unkept(compiled, kept)))


def _candidates(
    compiled: Compiled, schedule: Schedule, prediction: Prediction, limit: int | None, board: Board
) -> list[Candidate]:
    if compiled.listening is None or compiled.listening.steps:
        return candidates(compiled, schedule, prediction)
    return listening.candidates(compiled, schedule, prediction, _room(limit, board))


def _with_pace(part: Path, manifest: Manifest, board: Board, found: Sequence[Candidate]) -> Manifest:
    """The manifest with what a hop costs."""
    # The simulator takes as long to import as a firmware's export takes as a whole.
    from ascmcu.api.pacing import paced

    pace = paced(part, board, manifest, _spared(manifest, found))
    with (part / "plan.txt").open("a", encoding="utf-8") as plan:
        plan.write(f"\n{pace.text}\n")
    return _finish(part, dataclasses.replace(manifest, pace=pace))


def _with_listener(part: Path, manifest: Manifest, board: Board) -> Manifest:
    """The manifest with what a hop costs in ``listen.elf``."""
    from ascmcu.api.pacing import listener_cycles

    assert manifest.pace is not None
    busy = listener_cycles(part, board, manifest)
    return _finish(
        part, dataclasses.replace(manifest, pace=dataclasses.replace(manifest.pace, listener_cycles=busy))
    )


def _build_listener(part: Path, board: Board, kind: str, optimize: gcc.Optimize) -> tuple[str, ...]:
    sources = microphones.peripheral(board, kind).sources
    return gcc.build_listener(part, board, sources, optimize=optimize)


def _spared(manifest: Manifest, found: Sequence[Candidate]) -> float | None:
    """The part of recomputing that the chosen plan does not do, as predicted; None without windows."""
    assert manifest.listening is not None
    if manifest.listening.steps:
        return None
    cycles = {(len(c.variant.graph.states), c.plan.mode): c.plan.cycles for c in found}
    own = cycles[len(manifest.listening.kept), manifest.schedule]
    return 1 - own / max(
        cycles[count, mode] for count, mode in cycles if count == 1 and mode == manifest.schedule
    )


def _smaller(
    compiled: Compiled, rows: Candidate, board: Board, limit: int | None, progress: Progress
) -> list[Candidate]:
    """Plans that make rows or columns a second time, or run the network part by part, the best first."""
    tell = functools.partial(progress, "searching for a schedule that fits", "schedules")
    again = list(recomputed(rows, tell))
    parted = fronts.within(compiled, _room(limit, board), rows.plan.target)
    return better([*again, *parted])


def check_folder(folder: Path) -> None:
    """Refuse a folder that holds something that is not an export.

    Raises:
        InputError: it does.
    """
    paths.check_folder(folder)
    folder = paths.real(folder)
    if folder.exists() and (
        not folder.is_dir() or (any(folder.iterdir()) and not (folder / "manifest.json").is_file())
    ):
        raise InputError(
            "the output folder holds something that is not an export",
            where=str(folder),
            expected="a new or empty folder, or an earlier export",
            hint="choose another with -o",
        )


@contextlib.contextmanager
def scratch_beside(folder: Path) -> Iterator[Path]:
    """A hidden folder on the same file system, so that the finished export can be renamed into place.

    What a killed export has left there is cleared first.
    """
    with contextlib.ExitStack() as stack:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            place = stack.enter_context(scratch.folder(folder))
        except OSError as error:
            raise InputError(
                "the output folder cannot be made",
                where=str(folder),
                found=error.strerror,
                hint="choose another with -o",
            ) from error
        stack.enter_context(paths.filling(folder))
        yield place


def put_in_place(folder: Path, part: Path) -> None:
    """Swap the finished export in; an earlier one is removed only then, and comes back if that fails.

    Files in the earlier one that are the user's come along.

    Raises:
        InputError: the new export has a file of the same name as one of theirs.
    """
    previous = part.parent / scratch.PREVIOUS
    kept = paths.foreign(folder) if folder.exists() else ()
    for name in kept:
        if os.path.lexists(part / name):
            raise InputError(
                "the export would replace a file that is not its own",
                where=str(folder / name),
                hint="move it, or choose another folder with -o",
            )
    if folder.exists():
        folder.rename(previous)
    try:
        for name in kept:
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            (previous / name).rename(part / name)
        part.rename(folder)
    except BaseException:
        for name in kept:
            if os.path.lexists(part / name):
                (part / name).rename(previous / name)
        if previous.exists():
            previous.rename(folder)
        raise


def kept_beside(folder: Path) -> Path:
    """Where an export that does not compile is kept."""
    return folder.with_name(f"{folder.name}-does-not-compile")


def _keep(part: Path, folder: Path) -> Path:
    """Put what does not compile beside the export that it would have become, in place of an earlier such folder."""
    kept = kept_beside(folder)
    shutil.rmtree(kept, ignore_errors=True)
    return part.rename(kept)


def _room(limit: int | None, board: Board) -> int:
    return board.ram.size_bytes if limit is None else min(limit, board.ram.size_bytes)


def _fitting(found: Sequence[Candidate], limit: int | None, board: Board) -> list[Candidate]:
    room = _room(limit, board)
    fitting = [c for c in found if c.plan.arena_bytes <= room]
    if not fitting:
        least = min((c.plan for c in found), key=lambda plan: plan.arena_bytes)
        smallest = least.arena_bytes
        others = boards.that_hold(0, smallest)
        hint = f"their size alone fits {', '.join(others)}" if others else "no known board is large enough"
        if smallest <= board.ram.size_bytes:
            hint = f"{board.name} has {board.ram.size_bytes} bytes: allow {smallest}"
        raise BoardError(
            "the network's activations do not fit",
            where=board.name if limit is None else f"{board.name}, --max-ram {limit}",
            expected=f"≤ {room} bytes",
            found=f"{smallest} bytes at least: at the peak lie {fronts.decides(least)}",
            hint=hint,
        )
    return fitting


def _write_first_that_fits(
    compiled: Compiled,
    board: Board,
    part: Path,
    optimize: gcc.Optimize,
    output: Format,
    form: Form,
    weights: Weights,
    max_ram_bytes: int | None,
    progress: Progress,
    fitting: Sequence[Candidate],
    again: bool = False,
) -> Made:
    """Build the first plan that fits; then the runner-up, if it takes fewer cycles where everything lies now.

    Args:
        again: only the first that fits.
    """
    for candidate in fitting:
        part.mkdir()
        manifest = write_sources(compiled, candidate, fitting, board, part, firmware=output == "firmware")
        if output != "firmware":
            manifest = write_library(compiled, candidate.plan, manifest, part, board, optimize, form)
            return candidate.plan, _finish(part, manifest), ()
        arranging = Arranging(board, candidate.plan, weights, max_ram_bytes)
        try:
            manifest, warnings = _build(manifest, candidate.plan, board, part, optimize, arranging, progress)
        except BoardError:
            if candidate is fitting[-1]:
                raise
            shutil.rmtree(part)
            continue
        manifest, plan = with_placement(manifest, candidate.plan, fitting, arranging, part)
        made = plan, _finish(part, manifest), warnings
        others = [c for c in fitting if c is not candidate]
        if again or not _is_beaten(manifest):
            return made
        return _better(
            made,
            part,
            functools.partial(
                _write_first_that_fits, compiled, board, part, optimize, output, form, weights,
                max_ram_bytes, progress, [*others, candidate], again=True,
            ),
        )  # fmt: skip
    raise AssertionError("there is always a candidate")


def _is_beaten(manifest: Manifest) -> bool:
    """Whether the runner-up takes fewer cycles where everything lies: plans are ranked before it is known how much of
    the constants RAM holds beside their activations."""
    first, second = manifest.predicted, manifest.runner_up
    return first is not None and second is not None and second.cycles < first.cycles


def _better(made: Made, part: Path, write: Callable[[], Made]) -> Made:
    """The build with fewer cycles, of the one in ``part`` and of another there."""
    aside = part.with_name("first")
    part.rename(aside)
    other = write()
    before, after = made[1].predicted, other[1].predicted
    if before is not None and after is not None and after.cycles < before.cycles:
        shutil.rmtree(aside)
        return other
    shutil.rmtree(part)
    aside.rename(part)
    return made


def _network_bytes(part: Path, board: Board, frontend: bool, level: gcc.Optimize) -> int:
    return gcc.network_bytes(part, board, frontend=frontend, optimize=level)


def _build(
    manifest: Manifest,
    plan: Plan,
    board: Board,
    part: Path,
    optimize: gcc.Optimize,
    arrange: gcc.Arrange,
    progress: Progress,
) -> tuple[Manifest, tuple[str, ...]]:
    """Compile what was written; the manifest with what is known then, and the compiler's warnings."""
    frontend = manifest.features is not None
    network = network_level(plan, optimize, functools.partial(_network_bytes, part, board, frontend))
    report = gcc.build_firmware(
        part, board, frontend=frontend, optimize=optimize, network=network, build_sha256=None, arrange=arrange,
        progress=lambda done, total: progress("compiling", "files", done, total),
    )  # fmt: skip
    rebuild.write(
        part, board, frontend=frontend, optimize=optimize, network=network, build_sha256=report.build_sha256
    )
    built = dataclasses.replace(
        manifest,
        ram_bytes=report.ram_bytes,
        flash_bytes=report.flash_bytes,
        compiler=report.compiler,
        flags=report.flags,
        build_sha256=report.build_sha256,
        images_sha256=image_hashes(part),
    )
    return built, report.warnings


def _finish(part: Path, manifest: Manifest) -> Manifest:
    """The manifest, which lists all files, is the last of them."""
    files = sorted(file.relative_to(part).as_posix() for file in part.rglob("*") if file.is_file())
    manifest = dataclasses.replace(manifest, files=tuple(files))
    (part / "manifest.json").write_text(manifest.to_json(), encoding="utf-8")
    return manifest
