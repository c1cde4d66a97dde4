# SPDX-License-Identifier: Apache-2.0
"""Run clips through the firmware of an export and summarise the answers."""

from __future__ import annotations

import dataclasses
import functools
import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ascmcu import boards
from ascmcu.benchmark import answers, made, parallel
from ascmcu.benchmark import clips as clip_sources
from ascmcu.benchmark import run as bench_run
from ascmcu.data.found import Long
from ascmcu.errors import InputError
from ascmcu.paths import PathLike, check_output, filling, write_whole
from ascmcu.results import plan_text
from ascmcu.results.schema import Benchmark
from ascmcu.results.summarize import summarize
from ascmcu.runners import base as runners
from ascmcu.runners.base import CountKind, Runner, Target
from ascmcu.runners.serial import SerialRunner
from ascmcu.toolchain.identity import UNIDENTIFIED
from ascmcu.toolchain.manifest import Manifest

PARALLEL = ("host", "sim")

Progress = Callable[[int, int], None]
Tell = Callable[[str], None]


def bench(
    folder: PathLike = "build",
    *,
    on: str = "sim",
    serial: str | None = None,
    baud: int | None = None,
    data: PathLike | None = None,
    split: str | None = None,
    long: Long = "first",
    columns: Sequence[str] = (),
    tensors: PathLike | npt.NDArray[Any] | Sequence[npt.NDArray[Any]] | None = None,
    labels: Sequence[PathLike | npt.NDArray[Any]] = (),
    counts: CountKind | None = None,
    limit: int | None = None,
    repeat: int = 1,
    warm_up: int = 0,
    save_outputs: PathLike | None = None,
    wait_states: int | None = None,
    name: str | None = None,
    jobs: int = 1,
    progress: Progress = lambda done, total: None,
    tell: Tell = lambda text: None,
) -> Benchmark:
    """Run clips through the firmware of an export; the result is also stored there, as ``bench-<runner>.json``.

    Args:
        folder: the export.
        on: a runner: host, sim, qemu, …
        serial: a board's port instead of a runner; ``auto`` takes the port with the USB ids of the board's probe.
        baud: baud rate, instead of the board's.
        data: recordings: a folder or a table.
        split: the part of the data to take.
        long: for recordings longer than the network's clip: ``first`` uses their beginning, ``error`` refuses them,
            ``windows`` uses all of them and averages the scores of the windows.
        columns: of a table with other columns than usual, as ``field=name``: file, label, labels, part, device, place.
        tensors: (N, *input shape) in the input's dtype, as an array or its ``.npy``, in place of ``data``; of several
            inputs one array each, or their ``.npz``. For a
            network with states they are the N steps of one clip; (M, N, *input shape) are M clips. With neither
            tensors nor ``data``, made inputs are taken (``ascmcu.benchmark.made``).
        labels: a file: the network's classes in the order of its outputs (one per line, a JSON list, a CSV); with
            ``tensors`` also the correct class of each input, by number or name: (N,) as an array or its ``.npy``.
        counts: ``cycles`` or ``instructions``: what a device behind a port counts, if the port does not tell.
        limit: maximum number of recordings, or rows of the array.
        repeat: number of runs of each clip; counts are the median.
        warm_up: number of clips to run first; their results are discarded.
        save_outputs: file for the raw outputs (``.npy``, one row per clip or window); a second output: ``NAME.1.npy``.
        wait_states: on ``sim``: flash wait states, instead of those that the board's clock needs.
        name: what the result, its page and comparisons call the model; its own name where None.
        jobs: processes that share the clips, each with a firmware of its own; on host and sim.
        progress: called with the number of finished clips and of all clips.
        tell: called with notices: assumptions, and clips kept from an interrupted run.

    Raises:
        InputError: no export, no such runner, clips that do not fit the network.
        LinkError: the link to the device failed; scored clips are kept, and the next call resumes.
        ToolError: a program that the runner needs is not installed.
        GeneratedCodeError: the outputs of the first clips differ from the integer interpreter's.
    """
    if data is not None and tensors is not None:
        raise InputError("a benchmark takes either recordings or tensors", found="data and tensors")
    if name is not None and not (name.strip() and name.isprintable()):
        raise InputError("a name must be printable", found=repr(name))
    folder = Path(folder)
    manifest = Manifest.load(folder)
    target = Target(folder, boards.of_export(folder, manifest.board), manifest, manifest.features is not None)
    if save_outputs is not None:
        given = (each for each in (tensors, *labels) if isinstance(each, str | os.PathLike))
        read = [Path(each) for each in given]
        for number in range(len(manifest.outputs)):
            there = outputs_path(Path(save_outputs), number)
            check_output(there, *read, among=None if data is None else Path(data))
    if wait_states is not None and (on != "sim" or serial is not None):
        raise InputError("only the simulator takes other wait states", found=serial or on, expected="sim")
    if counts is not None and serial is None:
        raise InputError("--counts needs --serial", found=f"--counts {counts}", expected="--serial PORT")
    if (
        manifest.build_sha256 == UNIDENTIFIED
        and not (folder / "firmware.elf").is_file()
        and (serial or on != "host")
    ):
        raise InputError(
            "this export is a library: there is no firmware to run",
            where=str(folder),
            hint="export without --format, or bench --on host",
        )
    if manifest.state_bytes and repeat > 1:
        raise InputError(
            "a step of a network with states cannot be repeated by itself",
            where=manifest.model,
            found=f"{repeat} repetitions",
            hint="give the whole sequence several times: --tensors takes (M, N, *input shape)",
        )
    if jobs > 1 and (serial is not None or on not in PARALLEL):
        raise InputError(
            "only programs of this machine run several at once",
            found=f"--jobs {jobs} with {serial or on}",
            expected=" or ".join(PARALLEL),
        )
    names, truth = label_files(labels, tensors is not None)
    runner = SerialRunner(target, serial, baud) if serial is not None else runner_of(on, target, wait_states)
    clips = chosen_clips(manifest, data, split, tensors, limit, names, truth, long, columns)
    for notice in (*runner.notices, *clips.notices):
        tell(notice)
    check = answers.FirstAnswers(target, clips.kind, runner.name)
    with filling(folder):
        if jobs > 1:
            same = functools.partial(runner_of, on, wait_states=wait_states)
            result, check.compared = parallel.run(
                target, same, clips, jobs, repeat=repeat, warm_up=warm_up, progress=progress
            )
        else:
            result = bench_run.run(
                target, runner, clips, repeat=repeat, warm_up=warm_up, counts=counts, check=check, progress=progress,
                tell=tell,
            )  # fmt: skip
    if save_outputs is not None:
        _save_outputs(
            Path(save_outputs), [clip_sources.outputs(manifest, clip.outputs) for clip in result.clips]
        )
    summary = summarize(manifest, target.board, clips, result, folder)
    provenance = dataclasses.replace(summary.provenance, repetitions=repeat)
    summary = dataclasses.replace(summary, provenance=provenance, model=name or summary.model)
    told = check.told(clips.clips)
    if told and (check.compared or manifest.listening is not None):
        summary = dataclasses.replace(summary, runner_detail=f"{summary.runner_detail}; {told}")
    write_whole(folder / f"bench-{runner.label}.json", summary.to_json())
    _complete_plan(folder / "plan.txt", manifest, summary)
    return summary


def _complete_plan(path: Path, manifest: Manifest, b: Benchmark) -> None:
    """Put measured cycles beside the predicted ones."""
    if b.count_kind != "cycles" or not path.is_file():
        return
    pairs = zip(manifest.layers, b.layers, strict=True)
    measured = {layer.code_index: (x.count, x.off) for layer, x in pairs if x.count is not None}
    waits = "" if b.wait_states is None else f", {b.wait_states} wait states"
    clips = f"{b.clips} {b.run_title}{'s' if b.clips > 1 else ''}"
    where = f"{b.runner_detail or b.runner}{waits}, {clips}, {b.tool}"
    write_whole(path, plan_text.with_measured(path.read_text(encoding="utf-8"), measured, where))


def label_files(
    labels: Sequence[PathLike | npt.NDArray[Any]], tensors: bool
) -> tuple[Path | None, Path | npt.NDArray[Any] | None]:
    """The file of class names and the array of right answers among them.

    Raises:
        InputError: two of a kind, or an array without tensors.
    """
    given = [label if isinstance(label, np.ndarray) else Path(label) for label in labels]
    arrays = [label for label in given if isinstance(label, np.ndarray) or label.suffix == ".npy"]
    names = [label for label in given if isinstance(label, Path) and label.suffix != ".npy"]
    if len(arrays) > 1 or len(names) > 1:
        found = ", ".join("an array" if isinstance(label, np.ndarray) else str(label) for label in given)
        raise InputError("--labels names two files of one kind", found=found)
    if arrays and not tensors:
        raise InputError(
            "a .npy file for --labels needs --tensors",
            where="an array" if isinstance(arrays[0], np.ndarray) else str(arrays[0]),
            expected="--tensors IN.npy; or a text file with the network's classes",
        )
    return (names[0] if names else None), (arrays[0] if arrays else None)


def runner_of(name: str, target: Target, wait_states: int | None = None) -> Runner:
    """A runner by its name, the simulator with other wait states if they are given."""
    if wait_states is None:
        return runners.create(name, target)
    from ascmcu.runners.sim import SimRunner  # Unicorn and Numba load with it

    return SimRunner(target, wait_states)


def chosen_clips(
    manifest: Manifest,
    data: PathLike | None,
    split: str | None,
    tensors: PathLike | npt.NDArray[Any] | Sequence[npt.NDArray[Any]] | None,
    limit: int | None,
    names: Path | None = None,
    truth: Path | npt.NDArray[Any] | None = None,
    long: Long = "first",
    columns: Sequence[str] = (),
) -> clip_sources.Clips:
    """Recordings, tensors, or made inputs where neither is given; see ``bench``."""
    if data is not None:
        return clip_sources.from_data(manifest, Path(data), split, limit, names, long, columns)
    if tensors is not None:
        given = Path(tensors) if isinstance(tensors, str | os.PathLike) else tensors
        return clip_sources.from_tensors(manifest, given, limit, names, truth)
    return made.clips(manifest, limit)


def outputs_path(path: Path, number: int) -> Path:
    """Where ``--save-outputs PATH`` puts an output."""
    return path if number == 0 else path.with_suffix(f".{number}.npy")


def _save_outputs(path: Path, outputs: list[list[npt.NDArray[np.generic]]]) -> None:
    for number in range(len(outputs[0]) if outputs else 0):
        whole = io.BytesIO()
        np.save(whole, np.stack([per_clip[number] for per_clip in outputs]))
        write_whole(outputs_path(path, number), whole.getvalue())
