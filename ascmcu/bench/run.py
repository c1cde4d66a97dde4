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
from ascmcu.bench.session import NoAnswer, Repairs, Session
from ascmcu.errors import InputError, LinkError
from ascmcu.runners.base import Runner, RunnerFacts, Target
from ascmcu.runners.serial import SerialRunner

_HELLO_S = 5.0
_DONE = {"finished": True}
_LOSSY_FRAMES, _LOSSY_PART = 20, 0.05

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class ClipResult:
    """What the device said of one clip. Counts are per clip, summed over its rows; None where nothing counts.

    ``worst_hop``: the most work from one feature row to the next. ``latency``: all work from the samples
    that complete the last row to the result. ``layers``: one count per layer, empty when the firmware has no
    profile. ``disturbed``: chunks during whose processing bytes arrived, whose counts hold the receive
    interrupt. ``repeats``: the network's count of every repetition, of which ``network`` is the median.
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
    repeats: tuple[int, ...] = ()


@dataclass(frozen=True)
class RunResult:
    """A finished run: every clip in order, and what device and link say of themselves."""

    facts: RunnerFacts
    hello: wire.Hello
    statistics: wire.Statistics
    repairs: Repairs
    clips: tuple[ClipResult, ...]
    resumed: int


class _Lossy(Exception):
    """So many frames are damaged at this baud rate that a lower one is to be tried."""


def run(
    target: Target,
    runner: Runner,
    clips: Clips,
    *,
    repeat: int = 1,
    warm_up: int = 0,
    progress: Progress = lambda done, total: None,
) -> RunResult:
    """Send all clips that have no result yet.

    On a serial port that damages more than one frame in twenty the run goes on at the board's lower rate.

    Args:
        target: the export that the firmware is of.
        runner: not yet entered.
        clips: what to send.
        repeat: how often every clip is run; outputs must be the same each time.
        warm_up: clips to run before, whose results are dropped.
        progress: called with clips done and clips in all.

    Raises:
        LinkError: the link failed, or the device runs something else. The results so far are kept.
        InputError: the same benchmark is already running.
        ToolError: a program that the runner needs is missing.
        DataError: a clip cannot be read.
    """
    path = target.folder / f"bench-{runner.label}-{clips.identity[:8]}.jsonl"
    head = {
        "format": 1,
        "runner": runner.name,
        "model_sha256": target.manifest.model_sha256,
        "firmware_sha256": _firmware_hash(target),
        "clips": clips.identity,
        "repeat": repeat,
    }
    with _claimed(path) as file:
        done = _resume(file, head)
        resumed = len(done)
        attempts = [runner, *_slower(runner)]
        for attempt in attempts:
            with connect(attempt) as (link, session):
                check_firmware(session.hello, target)
                for clip in clips.clips[:warm_up]:
                    session.run(clip.load(), clips.kind)
                try:
                    _send(session, clips, done, target, file, repeat, progress, last=attempt is attempts[-1])
                except _Lossy:
                    continue
                statistics = session.statistics()
                _append(file, _DONE)
                ordered = tuple(done[clip.name] for clip in clips.clips)
                return RunResult(link.facts, session.hello, statistics, session.repairs, ordered, resumed)
    raise AssertionError("the last attempt ends in a result or an error")


def _slower(runner: Runner) -> list[Runner]:
    """The same serial port at the board's lower rate, if it has one."""
    if not isinstance(runner, SerialRunner) or runner.baud <= runner.target.board.serial.fallback_baud:
        return []
    return [runner.at(runner.target.board.serial.fallback_baud)]


def _send(
    session: Session,
    clips: Clips,
    done: dict[str, ClipResult],
    target: Target,
    file: TextIO,
    repeat: int,
    progress: Progress,
    *,
    last: bool,
) -> None:
    """Run the clips that are not in ``done`` yet, and put them there.

    Raises:
        LinkError: the link failed.
        _Lossy: the same, or nearly so, because bytes are damaged, and a slower attempt is left.
    """
    for number, clip in enumerate(clips.clips):
        progress(number, len(clips.clips))
        if clip.name in done:
            continue
        try:
            done[clip.name] = _one(session, clip, clips.kind, target, repeat)
        except LinkError as error:
            if not last and _damages(session):
                raise _Lossy from error
            raise
        _append(file, _to_json(done[clip.name]))
        if not last and _damages(session):
            raise _Lossy
    progress(len(clips.clips), len(clips.clips))


def _damages(session: Session) -> bool:
    bad = session.repairs.bad_frames
    return bad >= _LOSSY_FRAMES and bad > _LOSSY_PART * session.frames


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
        try:
            yield file
        finally:
            file.seek(0)
            if len(file.readlines()) <= 1:  # no result: nothing that the next run could go on from
                path.unlink(missing_ok=True)


@contextlib.contextmanager
def connect(runner: Runner) -> Iterator[tuple[Runner, Session]]:
    """An open link to a firmware that has said hello.

    On a serial port the board's second baud rate is tried too: the one it falls back to when its external
    oscillator is silent, or when what it hears is garbled.

    Raises:
        LinkError: nothing answers.
    """
    candidates = [runner, *_slower(runner)]
    heard: LinkError | None = None
    for candidate in candidates:
        with candidate as link:
            session = Session(link, response_s=link.facts.response_s)
            try:
                session.greet(_HELLO_S if len(candidates) > 1 else link.facts.response_s)
            except NoAnswer as error:
                heard = heard or (error if session.heard else None)
                if candidate is candidates[-1]:
                    raise heard or error from None
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


def _one(session: Session, clip: Clip, kind: wire.Kind, target: Target, repeat: int) -> ClipResult:
    data = clip.load()
    results = [session.run(data, kind) for _ in range(repeat)]
    result = results[-1]
    if any(r.outputs != result.outputs for r in results):
        raise LinkError(
            "the same clip gave different outputs", where=clip.name, found=f"{repeat} repetitions"
        )
    counts = tuple(r.network for r in results)
    profile = wire.Capability.HAS_PROFILE in session.hello.capabilities
    layers = session.layers(result) if profile and session.hello.counter is not wire.Counter.NONE else ()
    scores = outputs(target.manifest, result.outputs)[0]
    return ClipResult(
        name=clip.name,
        label=clip.label,
        predicted=int(np.argmax(scores)),
        outputs=result.outputs,
        frontend=result.frontend,
        network=sorted(counts)[repeat // 2],
        worst_hop=max(r.worst_hop for r in results),
        latency=result.latency,
        disturbed=sum(r.disturbed for r in results),
        layers=layers,
        repeats=counts if repeat > 1 else (),
    )


def _firmware_hash(target: Target) -> str:
    return hashlib.sha256(target.elf.read_bytes()).hexdigest() if target.elf.is_file() else ""


def _append(file: TextIO, line: dict[str, Any]) -> None:
    file.write(json.dumps(line) + "\n")
    file.flush()


def _to_json(result: ClipResult) -> dict[str, Any]:
    return {**dataclasses.asdict(result), "outputs": result.outputs.hex()}


def _from_json(line: dict[str, Any]) -> ClipResult:
    tuples = {key: tuple(line[key]) for key in ("layers", "repeats")}
    return ClipResult(**{**line, "outputs": bytes.fromhex(line["outputs"]), **tuples})


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


def spread(folder: Path) -> str:
    """How far the network's counts of one clip lie apart in the newest run in ``folder``, in words."""
    newest = max(folder.glob("bench-*.jsonl"), key=lambda path: path.stat().st_mtime)
    lines = [json.loads(text) for text in newest.read_text().splitlines()]
    repeats = [line["repeats"] for line in lines if line.get("repeats")]
    if not any(map(any, repeats)):
        return "nothing counts here"
    widest = max(max(r) - min(r) for r in repeats)
    part = max((max(r) - min(r)) / max(1, sorted(r)[len(r) // 2]) for r in repeats)
    low, high = min(map(min, repeats)), max(map(max, repeats))
    return f"network {low:,} … {high:,} counts; one clip's lie at most {widest:,} apart ({100 * part:.3f} %)"
