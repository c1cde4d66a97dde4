"""Runs clips through a firmware and keeps every raw result: one JSON line per clip, beside the export.

The file's first line names the firmware, the runner and the list of clips. A run that was interrupted goes on
where it stopped, if that line still holds; a finished one is replaced by the next.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np

try:
    import fcntl
except ImportError:  # not on Windows, where two runs at once stay the user's business
    fcntl = None  # type: ignore[assignment]

from ascmcu.bench import wire
from ascmcu.bench.clips import Clip, Clips, outputs
from ascmcu.bench.session import Repairs, Session
from ascmcu.errors import InputError, LinkError
from ascmcu.runners.base import Runner, RunnerFacts, Target
from ascmcu.runners.serial import SerialRunner

_HELLO_S = 5.0
_DONE = {"finished": True}

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class ClipResult:
    """What the device said of one clip. Counts are per clip, summed over its rows; None where nothing counts.

    ``worst_hop``: the most work from one feature row to the next. ``latency``: all work from the samples
    that complete the last row to the result. ``layers``: one count per layer, empty when the firmware has no
    profile. ``disturbed``: chunks during whose processing bytes arrived, whose counts hold the receive
    interrupt.
    """

    name: str
    label: int | None
    predicted: int
    outputs: bytes
    frontend: int
    network: int
    worst_hop: int
    latency: int
    disturbed: int
    layers: tuple[int, ...]


@dataclass(frozen=True)
class RunResult:
    """A finished run: every clip in order, and what device and link say of themselves."""

    facts: RunnerFacts
    hello: wire.Hello
    statistics: wire.Statistics
    repairs: Repairs
    clips: tuple[ClipResult, ...]
    resumed: int


def run(
    target: Target, runner: Runner, clips: Clips, *, progress: Progress = lambda done, total: None
) -> RunResult:
    """Send all clips that have no result yet.

    Args:
        target: the export that the firmware is of.
        runner: not yet entered.
        clips: what to send.
        progress: called with clips done and clips in all.

    Raises:
        LinkError: the link failed, or the device runs something else. The results so far are kept.
        InputError: the same benchmark is already running.
        ToolError: a program that the runner needs is missing.
        DataError: a clip cannot be read.
    """
    path = target.folder / f"bench-{runner.name}-{clips.identity[:8]}.jsonl"
    head = {
        "format": 1,
        "runner": runner.name,
        "model_sha256": target.manifest.model_sha256,
        "firmware_sha256": _firmware_hash(target),
        "clips": clips.identity,
    }
    with _claimed(path) as file:
        done = _resume(file, head)
        with connect(runner) as (link, session):
            check_firmware(session.hello, target)
            for number, clip in enumerate(clips.clips):
                progress(number, len(clips.clips))
                if clip.name not in done:
                    done[clip.name] = _one(session, clip, clips.kind, target)
                    _append(file, _to_json(done[clip.name]))
            progress(len(clips.clips), len(clips.clips))
            statistics = session.statistics()
            _append(file, _DONE)
            resumed = len(clips.clips) - session.clips_run
            ordered = tuple(done[clip.name] for clip in clips.clips)
            return RunResult(link.facts, session.hello, statistics, session.repairs, ordered, resumed)


@contextlib.contextmanager
def _claimed(path: Path) -> Iterator[TextIO]:
    """The results file, open for this run alone: two runs at once would mix their lines.

    Raises:
        InputError: another run holds it.
    """
    with path.open("a+") as file:
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise InputError(
                    "another benchmark of this export over these clips is running", where=str(path)
                ) from error
        yield file


@contextlib.contextmanager
def connect(runner: Runner) -> Iterator[tuple[Runner, Session]]:
    """An open link to a firmware that has said hello.

    On a serial port the board's second baud rate is tried too: the one it falls back to when its external
    oscillator is silent.

    Raises:
        LinkError: nothing answers.
    """
    candidates = [runner]
    if isinstance(runner, SerialRunner) and runner.baud != runner.target.board.serial.fallback_baud:
        candidates.append(SerialRunner(runner.target, runner.port, runner.target.board.serial.fallback_baud))
    for candidate in candidates:
        with candidate as link:
            session = Session(link, response_s=link.facts.response_s)
            try:
                session.greet(_HELLO_S if len(candidates) > 1 else link.facts.response_s)
            except LinkError:
                if candidate is candidates[-1]:
                    raise
                continue
            yield link, session
            return


def check_firmware(hello: wire.Hello, target: Target) -> None:
    """Refuse to score a device that runs something else than the export.

    Raises:
        LinkError: another model, or another front end.
    """
    manifest = target.manifest
    spec = manifest.inputs[0]
    for what, expected, found in (
        ("model", manifest.model_sha256, hello.model_sha256),
        (
            "input",
            f"{spec.rows} rows of {spec.row_bytes} bytes",
            f"{hello.rows} rows of {hello.row_bytes} bytes",
        ),
        ("front end", target.frontend, hello.has_frontend),
    ):
        if expected != found:
            raise LinkError(
                f"the device runs another firmware: its {what} is not the export's",
                where=f"{hello.model} by ascmcu {hello.tool_version}",
                expected=expected,
                found=found,
                hint="`ascmcu flash` writes the last export to the board",
            )


def _one(session: Session, clip: Clip, kind: wire.Kind, target: Target) -> ClipResult:
    result = session.run(clip.load(), kind)
    profile = wire.Capability.HAS_PROFILE in session.hello.capabilities
    layers = session.layers(result) if profile and session.hello.counter is not wire.Counter.NONE else ()
    scores = outputs(target.manifest, result.outputs)[0]
    return ClipResult(
        name=clip.name,
        label=clip.label,
        predicted=int(np.argmax(scores)),
        outputs=result.outputs,
        frontend=result.frontend,
        network=result.network,
        worst_hop=result.worst_hop,
        latency=result.latency,
        disturbed=result.disturbed,
        layers=layers,
    )


def _firmware_hash(target: Target) -> str:
    return hashlib.sha256(target.elf.read_bytes()).hexdigest() if target.elf.is_file() else ""


def _append(file: TextIO, line: dict[str, Any]) -> None:
    file.write(json.dumps(line) + "\n")
    file.flush()


def _to_json(result: ClipResult) -> dict[str, Any]:
    return {**dataclasses.asdict(result), "outputs": result.outputs.hex()}


def _from_json(line: dict[str, Any]) -> ClipResult:
    return ClipResult(**{**line, "outputs": bytes.fromhex(line["outputs"]), "layers": tuple(line["layers"])})


def _resume(file: TextIO, head: dict[str, Any]) -> dict[str, ClipResult]:
    """The results of an unfinished run of the same firmware over the same clips, by name; else none.

    The file then holds ``head`` and those results, and stands at its end.
    """
    file.seek(0)
    lines = []
    for text in file.read().splitlines():
        try:
            lines.append(json.loads(text))
        except ValueError:
            break  # the line that was being written when the run ended
    usable = bool(lines) and lines[0] == head and lines[-1] != _DONE
    results = [_from_json(line) for line in lines[1:]] if usable else []
    file.seek(0)
    file.truncate()
    for line in [head, *map(_to_json, results)]:
        _append(file, line)
    return {result.name: result for result in results}
