# SPDX-License-Identifier: Apache-2.0
"""One benchmark by several processes, each with a firmware of its own and a share of the clips.

A share keeps its own journal, so that a run that was cut off goes on with the same number of processes. Counts are of
one clip; they do not depend on how the clips are dealt.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import itertools
import multiprocessing
from collections.abc import Callable
from multiprocessing.sharedctypes import SynchronizedArray
from pathlib import Path

from ascmcu import boards
from ascmcu.benchmark import run as bench_run
from ascmcu.benchmark.answers import FirstAnswers
from ascmcu.benchmark.clips import Clips
from ascmcu.benchmark.run import RunResult
from ascmcu.benchmark.session import Repairs
from ascmcu.benchmark.wire import Statistics
from ascmcu.runners.base import Runner, Target
from ascmcu.toolchain.manifest import Manifest

RunnerOf = Callable[[Target], Runner]
_POLL_S = 0.2
_done: SynchronizedArray[int] | None = None


@dataclasses.dataclass(frozen=True)
class _Share:
    """What one process does."""

    number: int
    folder: Path
    runner_of: RunnerOf
    clips: Clips
    repeat: int
    warm_up: int


def run(
    target: Target,
    runner_of: RunnerOf,
    clips: Clips,
    jobs: int,
    *,
    repeat: int = 1,
    warm_up: int = 0,
    progress: bench_run.Progress = lambda done, total: None,
) -> tuple[RunResult, int]:
    """Run all clips; see ``run.run``.

    Args:
        runner_of: makes a runner of an export; a function of a module, which other processes can be given.
        jobs: how many processes; never more than there are clips that may be dealt.

    Returns:
        The result, and how many clips were held against the integer interpreter and found equal.

    Raises:
        LinkError, ToolError, DataError, GeneratedCodeError: as ``run.run``, from the first process that fails.
    """
    shares = dealt(clips, jobs)
    with runner_of(target):  # builds what it needs once, before several want to
        pass
    context = multiprocessing.get_context("spawn")
    counts = context.Array("l", len(shares))
    work = [
        _Share(number, target.folder, runner_of, share, repeat, warm_up)
        for number, share in enumerate(shares)
    ]
    with concurrent.futures.ProcessPoolExecutor(
        len(shares), context, initializer=_begin, initargs=(counts,)
    ) as pool:
        waiting = [pool.submit(_one, share) for share in work]
        while not _over(waiting):
            progress(sum(counts[:]), len(clips.clips))
        found = [each.result() for each in waiting]
    progress(len(clips.clips), len(clips.clips))
    return _together([result for result, _ in found]), sum(compared for _, compared in found)


def _over(waiting: list[concurrent.futures.Future[tuple[RunResult, int]]]) -> bool:
    """Whether all have ended, or one has failed; waits a moment for that."""
    first = concurrent.futures.FIRST_EXCEPTION
    ended, going = concurrent.futures.wait(waiting, timeout=_POLL_S, return_when=first)
    return not going or any(each.exception() for each in ended)


def dealt(clips: Clips, jobs: int) -> list[Clips]:
    """The clips in so many shares of neighbours; steps that follow each other, and windows of one recording, stay."""
    groups: list[list[int]] = []
    for number, clip in enumerate(clips.clips):
        before = clips.clips[number - 1] if number else None
        same = bool(clip.recording) and before is not None and before.recording == clip.recording
        if groups and (clip.follows or same):
            groups[-1].append(number)
        else:
            groups.append([number])
    count = max(1, min(jobs, len(groups)))
    bounds = [len(groups) * n // count for n in range(count + 1)]
    return [
        dataclasses.replace(clips, clips=tuple(clips.clips[n] for group in groups[a:b] for n in group))
        for a, b in itertools.pairwise(bounds)
    ]


def _begin(counts: SynchronizedArray[int]) -> None:
    global _done
    _done = counts


def _one(share: _Share) -> tuple[RunResult, int]:
    """A share of the clips, in a process of its own."""
    manifest = Manifest.load(share.folder)
    board = boards.of_export(share.folder, manifest.board)
    target = Target(share.folder, board, manifest, manifest.features is not None)
    runner = share.runner_of(target)
    check = FirstAnswers(target, share.clips.kind, runner.name)

    def progress(done: int, total: int) -> None:
        if _done is not None:
            _done[share.number] = done

    result = bench_run.run(
        target,
        runner,
        share.clips,
        repeat=share.repeat,
        warm_up=share.warm_up,
        check=check,
        progress=progress,
    )
    return result, check.compared


def _together(results: list[RunResult]) -> RunResult:
    """One result of all shares, in their order."""
    first = results[0]
    sums = {
        field.name: sum(getattr(each.statistics, field.name) for each in results)
        for field in dataclasses.fields(Statistics)
    }
    for most in ("stack_bytes", "stack_peak_bytes"):
        sums[most] = max(getattr(each.statistics, most) for each in results)
    repairs = Repairs(
        **{
            field.name: sum(getattr(each.repairs, field.name) for each in results)
            for field in dataclasses.fields(Repairs)
        }
    )
    return dataclasses.replace(
        first,
        statistics=dataclasses.replace(first.statistics, **sums),
        repairs=repairs,
        clips=tuple(clip for each in results for clip in each.clips),
        resumed=sum(each.resumed for each in results),
        notices=tuple(dict.fromkeys(notice for each in results for notice in each.notices)),
    )
