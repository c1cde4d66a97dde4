# SPDX-License-Identifier: Apache-2.0
"""Runs clips through a firmware and keeps every raw result in a journal beside the export.

A run that was interrupted goes on where it stopped, with the clips whose bytes, firmware and device are still the
same; a finished one is replaced by the next.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

import numpy as np

from ascmcu import __version__
from ascmcu.benchmark import journal, starts, wire
from ascmcu.benchmark.clips import Clip, Clips, outputs
from ascmcu.benchmark.counting import kind_of
from ascmcu.benchmark.counts import of_repetitions
from ascmcu.benchmark.journal import ClipResult
from ascmcu.benchmark.pushes import total_bytes
from ascmcu.benchmark.session import NoAnswer, Repairs, Session, StepLost
from ascmcu.errors import LinkError
from ascmcu.runners.base import CountKind, Runner, RunnerFacts, Target
from ascmcu.runners.serial import SerialRunner
from ascmcu.toolchain.manifest import TensorSpec, check_image

_HELLO_S = 5.0
_LOSSY_FRAMES, _LOSSY_PART = 20, 0.05
# How often the steps of a clip are taken again from its start when one of them is lost.
_CLIP_REPLAYS = 3

Progress = Callable[[int, int], None]
# Takes a clip, what was sent, and all outputs; raises where the outputs cannot be.
Check = Callable[[Clip, bytes, bytes], None]
Tell = Callable[[str], None]


@dataclass(frozen=True)
class RunResult:
    """A finished run: every clip in order, and what device and link say of themselves.

    ``facts.count_kind`` is what the counts were found to be. ``notices`` are sentences for people.
    """

    facts: RunnerFacts
    hello: wire.Hello
    statistics: wire.Statistics
    repairs: Repairs
    clips: tuple[ClipResult, ...]
    resumed: int
    notices: tuple[str, ...] = ()

    @property
    def inputs_sha256(self) -> str:
        """The identity of what was run: all bytes that were sent, in their order."""
        return hashlib.sha256("\n".join(clip.input_sha256 for clip in self.clips).encode()).hexdigest()


class _Lossy(Exception):
    """So many frames are damaged at this baud rate that a lower one is to be tried."""


def run(
    target: Target,
    runner: Runner,
    clips: Clips,
    *,
    repeat: int = 1,
    warm_up: int = 0,
    counts: CountKind | None = None,
    check: Check = lambda clip, data, outputs: None,
    progress: Progress = lambda done, total: None,
    tell: Tell = lambda text: None,
) -> RunResult:
    """Send all clips that have no result yet.

    On a serial port that damages more than one frame in twenty the run goes on at the board's lower rate.

    Args:
        target: the export that the firmware is of.
        runner: not yet entered.
        clips: what to send.
        repeat: how often every clip is run; outputs must be the same each time.
        warm_up: number of clips to run first; their results are discarded.
        counts: what the device counts, where the user vouches for it.
        check: called with every clip's outputs before they are kept.
        progress: called with clips done and clips in all.
        tell: called with what the user should know at once; the result has it too.

    Raises:
        LinkError: the link failed, or the device runs something else. The results so far are kept.
        InputError: the same benchmark is already running.
        ToolError: a program that the runner needs is missing.
        DataError: a clip cannot be read.
    """
    path = target.folder / f"bench-{runner.label}-{clips.identity[:8]}.jsonl"
    notices: list[str] = []
    resumed: int | None = None
    with journal.claimed(path) as file:
        attempts = [runner, *_slower(runner)]
        for attempt in attempts:
            with connect(attempt) as (link, session):
                check_firmware(session.hello, target)
                if link.runs_image:
                    check_image(target.elf, target.manifest)
                facts = dataclasses.replace(link.facts, count_kind=kind_of(session.hello, link.facts, counts))
                head = _head(target, runner, clips, session.hello, facts.count_kind, repeat)
                done, told = _taken_up(journal.resume(file, head), file, head, clips, progress)
                if resumed is None:
                    resumed = len(done)
                    started = starts.notices(session.hello, starts.Names(target))
                    notices = [*told, *journal.left_alone(path, clips.names), *_uncertain(facts), *started]
                    for notice in notices:
                        tell(notice)
                for clip in clips.clips[:warm_up]:
                    session.run(clip.load(), clips.kind)
                with _goes_on(done, clips):
                    try:
                        _send(
                            session, clips, done, target, file, repeat, check, progress,
                            last=attempt is attempts[-1],
                        )  # fmt: skip
                    except _Lossy:
                        continue
                    statistics = session.statistics()
                journal.finish(file)
                notices += _counted(session.restarts)
                ordered = tuple(
                    dataclasses.replace(done[clip.name], label=clip.label) for clip in clips.clips
                )
                return RunResult(
                    facts, session.hello, statistics, session.repairs, ordered, resumed, tuple(notices)
                )
    raise AssertionError("the last attempt ends in a result or an error")


@contextlib.contextmanager
def _goes_on(done: dict[str, ClipResult], clips: Clips) -> Iterator[None]:
    """A link that fails inside says that results are kept, if any are."""
    try:
        yield
    except LinkError as error:
        if done:
            kept = (
                f"{len(done)} of {len(clips.clips)} clips have their result: "
                "the same command goes on where this one stopped"
            )
            error.hint = f"{error.hint}; {kept}" if error.hint else kept
        raise


def _head(
    target: Target, runner: Runner, clips: Clips, hello: wire.Hello, kind: CountKind, repeat: int
) -> dict[str, Any]:
    """What all results of a run depend on but the clips."""
    return {
        "format": journal.FORMAT,
        "ascmcu": __version__,
        "runner": runner.name,
        "model_sha256": target.manifest.model_sha256,
        "features_sha256": target.manifest.features_sha256,
        "build_sha256": target.manifest.build_sha256,
        "firmware_sha256": _firmware_hash(target),
        "counts": kind,
        "timing": list(hello.timing),
        "repeat": repeat,
        "names": clips.names,
        "source": clips.source,
    }


def _taken_up(
    found: journal.Resumed, file: TextIO, head: dict[str, Any], clips: Clips, progress: Progress
) -> tuple[dict[str, ClipResult], list[str]]:
    """The results whose clips still hold the same bytes, and what is to be said of it."""
    results, told = found.results, list(found.notices)
    done = {}
    for number, clip in enumerate(clips.clips):
        if clip.name in results:
            progress(number, len(clips.clips))
            if results[clip.name].input_sha256 == hashlib.sha256(clip.load()).hexdigest():
                done[clip.name] = results[clip.name]
    if done:
        told.append(
            f"an interrupted run is taken up: {len(done)} of {len(clips.clips)} clips have their result"
        )
    changed = len(results) - len(done)
    broken = _of_broken_clips(clips, done)
    for name in broken:
        del done[name]
    if broken:
        told.append(f"{len(broken)} steps of an unfinished clip are run again: its states are gone")
    if changed:
        told.append(f"{changed} results of an interrupted run are dropped: their clips have changed since")
    if changed or broken:
        journal.keep(file, head, done.values())
    return done, told


def _of_broken_clips(clips: Clips, done: dict[str, ClipResult]) -> list[str]:
    """The steps that have a result where another one of their clip has none: states begin at a clip's first step."""
    broken: list[str] = []
    for first in [i for i, clip in enumerate(clips.clips) if not clip.follows]:
        steps = [
            clips.clips[first],
            *itertools.takewhile(lambda clip: clip.follows, clips.clips[first + 1 :]),
        ]
        names = [clip.name for clip in steps]
        if not all(name in done for name in names):
            broken += [name for name in names if name in done]
    return broken


def _uncertain(facts: RunnerFacts) -> list[str]:
    if facts.count_kind != "counts":
        return []
    return [
        f"what the device counts is unknown: {facts.detail} is not known to lead to a board, so no time follows "
        "from the counts; --counts cycles says that it does"
    ]


def _counted(restarts: Sequence[str]) -> list[str]:
    """Each kind of restart with how often it happened."""
    return [f"{text} ({restarts.count(text)} times in this run)" for text in dict.fromkeys(restarts)]


def _slower(runner: Runner) -> list[Runner]:
    """The same serial port at the board's lower rate, if it has one; a socket has no rate and is opened once."""
    if not isinstance(runner, SerialRunner) or not runner.has_rate:
        return []
    if runner.baud <= runner.target.board.serial.fallback_baud:
        return []
    return [runner.at(runner.target.board.serial.fallback_baud)]


def _send(
    session: Session,
    clips: Clips,
    done: dict[str, ClipResult],
    target: Target,
    file: TextIO,
    repeat: int,
    check: Check,
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
            try:
                done[clip.name] = _one(session, clip, clips.kind, target, repeat, check)
            except StepLost as lost:
                done[clip.name] = _again(
                    lost,
                    session,
                    clips,
                    number,
                    done,
                    lambda c: _one(session, c, clips.kind, target, 1, check),
                )
        except LinkError as error:
            if not last and _damages(session):
                raise _Lossy from error
            raise
        journal.append(file, done[clip.name])
        if not last and _damages(session):
            raise _Lossy
    progress(len(clips.clips), len(clips.clips))


def _again(
    lost: StepLost,
    session: Session,
    clips: Clips,
    number: int,
    done: dict[str, ClipResult],
    take: Callable[[Clip], ClipResult],
) -> ClipResult:
    """Take a clip's steps again from its first, up to step ``number``, which was lost.

    Raises:
        LinkError: an earlier step answers otherwise than before, or a step is lost every time.
    """
    first = max(i for i, clip in enumerate(clips.clips[: number + 1]) if not clip.follows)
    for _ in range(_CLIP_REPLAYS):
        try:
            for clip in clips.clips[first:number]:
                result = session.run(clip.load(), clips.kind, continues=clip.follows)
                if result.outputs != done[clip.name].outputs:
                    raise LinkError("the same steps gave different outputs", where=clip.name)
            return take(clips.clips[number])
        except StepLost as again:
            lost = again
    raise lost


def _damages(session: Session) -> bool:
    bad = session.repairs.bad_frames
    return bad >= _LOSSY_FRAMES and bad > _LOSSY_PART * session.frames


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
            facts = link.facts
            session = Session(
                link,
                response_s=facts.response_s,
                silent_hint=facts.silent_hint,
                place=starts.Names(runner.target),
                stood_at=functools.partial(getattr, link, "stood_at"),
            )
            try:
                session.greet(_HELLO_S if len(candidates) > 1 else facts.response_s)
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
        LinkError: another board's firmware, another model's, or another build of it; says all that differs.
    """
    manifest = target.manifest
    inputs = (_pushed(manifest.inputs), f"{hello.rows} × {hello.row_bytes} bytes")
    facts: list[tuple[str, object, object]] = [
        ("board", manifest.board, hello.board),
        ("model", manifest.model_sha256, hello.model_sha256),
        ("schedule", manifest.schedule, hello.schedule),
        ("feature spec", manifest.features_sha256, hello.features_sha256),
        ("front end", target.frontend, hello.has_frontend),
        ("input", *inputs),
        ("layers", len(manifest.layers), hello.layers),
    ]
    if manifest.build_sha256 != hello.build_sha256:
        facts += [
            ("ascmcu", manifest.tool_version, hello.tool_version),
            (
                "flags",
                _without(manifest.flags, hello.build_flags),
                _without(hello.build_flags, manifest.flags),
            ),
            ("build", manifest.build_sha256, hello.build_sha256),
        ]
    differing = [(what, expected, found) for what, expected, found in facts if expected != found]
    if differing:
        names = [what for what, _, _ in differing]
        raise LinkError(
            f"the device runs another firmware: its {' and '.join(names[:2])} {_are(names)} not the export's",
            where=f"{hello.model} for {hello.board} by ascmcu {hello.tool_version}",
            expected=", ".join(f"{what} {_short(expected)}" for what, expected, _ in differing),
            found=", ".join(f"{what} {_short(found)}" for what, _, found in differing),
            hint=f"`ascmcu flash {target.folder}` writes this export to the board",
        )


def _pushed(inputs: Sequence[TensorSpec]) -> str:
    """What the firmware says of its inputs: several are one row to it."""
    rows, row_bytes = (1, total_bytes(inputs)) if len(inputs) > 1 else (inputs[0].rows, inputs[0].row_bytes)
    return f"{rows} × {row_bytes} bytes"


def _without(flags: str, others: str) -> str:
    """The compiler's flags that are not among the others."""
    return " ".join(flag for flag in flags.split() if flag not in others.split())


def _are(names: list[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _short(value: object) -> str:
    """A fact for a message: of a hash its first digits."""
    text = str(value)
    if len(text) != len(wire.NO_SHA256):
        return text
    return "none" if text == wire.NO_SHA256 else text[:12]


def _one(
    session: Session,
    clip: Clip,
    kind: wire.Kind,
    target: Target,
    repeat: int,
    check: Check,
) -> ClipResult:
    data = clip.load()
    results = [session.run(data, kind, continues=clip.follows) for _ in range(repeat)]
    result = results[-1]
    if any(r.outputs != result.outputs for r in results):
        raise LinkError(
            "the same clip gave different outputs", where=clip.name, found=f"{repeat} repetitions"
        )
    check(clip, data, result.outputs)
    profile = wire.Capability.HAS_PROFILE in session.hello.capabilities
    layers = session.layers(result) if profile and session.hello.counter is not wire.Counter.NONE else ()
    scores = outputs(target.manifest, result.outputs)[0]
    return ClipResult(
        name=clip.name,
        label=clip.label,
        predicted=int(np.argmax(scores)),
        outputs=result.outputs,
        counts=of_repetitions([r.counts for r in results]),
        disturbed=sum(r.disturbed for r in results),
        layers=layers,
        repeats=tuple(r.counts.network for r in results) if repeat > 1 else (),
        input_sha256=hashlib.sha256(data).hexdigest(),
    )


def _firmware_hash(target: Target) -> str:
    return hashlib.sha256(target.elf.read_bytes()).hexdigest() if target.elf.is_file() else ""
