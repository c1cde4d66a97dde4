# SPDX-License-Identifier: Apache-2.0
"""An interrupted run is taken up for the same clips of the same bytes, on the same firmware and device; never else."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ascmcu.benchmark import run as bench
from ascmcu.benchmark.clips import Clip, Clips, from_tensors
from ascmcu.benchmark.wire import Kind
from ascmcu.errors import LinkError
from ascmcu.runners.base import Target
from ascmcu.runners.host import HostRunner
from tests.support.mixer import ROW_BYTES, ROWS, mixed, mixer_target

CLIPS, DONE = 5, 3


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Target:
    return mixer_target(tmp_path_factory.mktemp("resume"))


@pytest.fixture
def target(built: Target) -> Target:
    for path in built.folder.glob("bench-*"):
        path.unlink()
    return built


def _array(folder: Path, name: str, seed: int) -> Path:
    array = np.random.default_rng(seed).integers(-128, 128, (CLIPS, 1, ROWS, ROW_BYTES), dtype=np.int8)
    np.save(folder / name, array)
    return folder / name


def _folder(folder: Path, name: str, seed: int) -> Clips:
    """A data set whose recordings have the names of all others' (what is read of them is a tensor)."""
    rng = np.random.default_rng(seed)
    (folder / name).mkdir(exist_ok=True)

    def clip(number: int) -> Clip:
        path = folder / name / f"{number}.raw"
        path.write_bytes(rng.bytes(ROWS * ROW_BYTES))
        return Clip(path.name, number % 10, path.read_bytes)

    made = tuple(clip(number) for number in range(CLIPS))
    return Clips(Kind.TENSOR, str(folder / name), tuple(f"class{i}" for i in range(10)), made)


def _cut_off(target: Target, clips: Clips, **options: int) -> Path:
    """Run until the cable is pulled; the journal."""
    count = 0

    def progress(done: int, total: int) -> None:
        nonlocal count
        count = done
        if done == DONE:
            raise LinkError("unplugged")

    before = set(target.folder.glob("bench-*.jsonl"))
    with pytest.raises(LinkError, match="unplugged"):
        bench.run(target, HostRunner(target), clips, progress=progress, **options)
    assert count == DONE
    (journal,) = set(target.folder.glob("bench-*.jsonl")) - before
    assert len(journal.read_text().splitlines()) == 1 + DONE
    return journal


def _check(target: Target, clips: Clips, resumed: int, *notices: str) -> None:
    """Run to the end: so many results are taken up, this is said, and every answer is that of its own clip."""
    told: list[str] = []
    done = bench.run(target, HostRunner(target), clips, tell=told.append)
    assert [c.outputs for c in done.clips] == [mixed(c.load()) for c in clips.clips]
    assert [c.label for c in done.clips] == [c.label for c in clips.clips]
    assert done.resumed == resumed
    assert len(told) == len(notices), told
    assert all(part in text for part, text in zip(notices, told, strict=True)), told
    assert done.notices == tuple(told)


TAKEN_UP = f"{DONE} of {CLIPS} clips have their result"


def test_the_same_clips_are_taken_up_and_it_is_said(target: Target, tmp_path: Path) -> None:
    clips = from_tensors(target.manifest, _array(tmp_path, "a.npy", 1), None)
    _cut_off(target, clips)
    _check(target, clips, DONE, TAKEN_UP)
    _check(target, clips, 0)


def test_other_tensors_are_not_mixed_in(target: Target, tmp_path: Path) -> None:
    a = from_tensors(target.manifest, _array(tmp_path, "a.npy", 1), None)
    b = from_tensors(target.manifest, _array(tmp_path, "b.npy", 2), None)
    _cut_off(target, a)
    _check(target, b, 0, "a.npy (3 clips)")
    _check(target, a, DONE, TAKEN_UP)


def test_two_data_sets_of_the_same_names_are_not_mixed(target: Target, tmp_path: Path) -> None:
    a, b = _folder(tmp_path, "a", 1), _folder(tmp_path, "b", 2)
    assert a.names == b.names and a.identity != b.identity
    _cut_off(target, a)
    _check(target, b, 0, "clips of the same names are another run's")
    _check(target, a, DONE, TAKEN_UP)


def test_a_data_set_that_was_swapped_in_place_is_begun_anew(target: Target, tmp_path: Path) -> None:
    _cut_off(target, _folder(tmp_path, "a", 1))
    _check(target, _folder(tmp_path, "a", 2), 0, "3 results of an interrupted run are dropped")


def test_one_file_that_changed_in_place_is_run_again(target: Target, tmp_path: Path) -> None:
    clips = _folder(tmp_path, "a", 1)
    _cut_off(target, clips)
    changed = tmp_path / "a" / "1.raw"
    stamp = changed.stat().st_mtime_ns
    changed.write_bytes(bytes(ROWS * ROW_BYTES))
    os.utime(changed, ns=(stamp, stamp))  # neither size nor time tells
    _check(target, clips, DONE - 1, f"{DONE - 1} of {CLIPS}", "1 results of an interrupted run are dropped")


def test_an_array_that_changed_in_place_is_begun_anew(target: Target, tmp_path: Path) -> None:
    _cut_off(target, from_tensors(target.manifest, _array(tmp_path, "a.npy", 1), None))
    again = from_tensors(target.manifest, _array(tmp_path, "a.npy", 2), None)
    _check(target, again, 0, "3 results of an interrupted run are dropped")


def test_right_answers_that_changed_count_at_once(target: Target, tmp_path: Path) -> None:
    clips = _folder(tmp_path, "a", 1)
    _cut_off(target, clips)
    other = dataclasses.replace(
        clips, clips=tuple(dataclasses.replace(c, label=9 - (c.label or 0)) for c in clips.clips)
    )
    _check(target, other, DONE, TAKEN_UP)


def _edited(change: Callable[[list[str]], list[str]]) -> Callable[[Path], object]:
    def edit(journal: Path) -> None:
        journal.write_text("".join(f"{line}\n" for line in change(journal.read_text().splitlines())))

    return edit


def _with(key: str, value: object) -> Callable[[list[str]], list[str]]:
    return lambda lines: [json.dumps({**json.loads(lines[0]), key: value}), *lines[1:]]


DAMAGED = {
    "half a line at the end": (lambda j: j.write_text(j.read_text()[:-30]), DONE - 1, ("2 of 5",)),
    "a flipped digit in a count": (
        _edited(lambda lines: [lines[0], lines[1].replace('"latency": 0', '"latency": 7'), *lines[2:]]),
        DONE - 1, ("1 results of an interrupted run are damaged", "2 of 5"),
    ),
    "a flipped digit in an answer": (
        _edited(lambda lines: [lines[0], lines[1].replace('"predicted": ', '"predicted": 1'), *lines[2:]]),
        DONE - 1, ("1 results of an interrupted run are damaged", "2 of 5"),
    ),
    "garbage between": (
        _edited(lambda lines: [*lines[:2], "\x00\x01{", "[]", *lines[2:]]), DONE,
        ("2 results of an interrupted run are damaged", "3 of 5"),
    ),
    "garbage in front": (_edited(lambda lines: ["oops", *lines]), 0, ("it cannot be read",)),
    "no bytes that are text": (lambda j: j.write_bytes(b"\xff\xfe\xff\n" * 9), 0, ("it cannot be read",)),
    "another firmware": (_edited(_with("build_sha256", "f" * 64)), 0, ("another build",)),
    "another model": (_edited(_with("model_sha256", "f" * 64)), 0, ("another model",)),
    "another clock": (_edited(_with("timing", [1, 2, 16_000_000, 0])), 0, ("another timing",)),
    "another kind of counts": (_edited(_with("counts", "cycles")), 0, ("another counts",)),
    "an older format": (_edited(_with("format", 1)), 0, ("another format",)),
}  # fmt: skip


@pytest.mark.parametrize("what", DAMAGED)
def test_a_journal_that_is_not_whole_gives_no_wrong_result(what: str, target: Target, tmp_path: Path) -> None:
    clips = from_tensors(target.manifest, _array(tmp_path, "a.npy", 1), None)
    journal = _cut_off(target, clips)
    damage, resumed, notices = DAMAGED[what]
    before = journal.read_bytes()
    damage(journal)
    assert journal.read_bytes() != before
    _check(target, clips, resumed, *notices)


def test_other_repetitions_are_another_run(target: Target, tmp_path: Path) -> None:
    clips = from_tensors(target.manifest, _array(tmp_path, "a.npy", 1), None)
    _cut_off(target, clips, repeat=2)
    _check(target, clips, 0, "another repeat")
