# SPDX-License-Identifier: Apache-2.0
"""Several processes give the result of one: the same clips, outputs, counts, in the same order."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path

import numpy as np
import pytest

from ascmcu import api
from ascmcu.benchmark import parallel
from ascmcu.benchmark.clips import Clip, Clips
from ascmcu.benchmark.wire import Kind
from ascmcu.errors import InputError
from tests.support import outside

MODEL = outside.model("tflm_micro_speech_int8.tflite")


def _clips(*groups: tuple[str, int, bool]) -> Clips:
    """Recordings of so many windows, or clips of so many steps."""
    made = [
        Clip(
            f"{name}{n}",
            None,
            functools.partial(bytes, 1),
            recording=name if not steps else "",
            follows=steps and n > 0,
        )
        for name, count, steps in groups
        for n in range(count)
    ]
    return Clips(Kind.TENSOR, "here", (), tuple(made))


@pytest.mark.parametrize("jobs", [1, 2, 3, 4, 9])
def test_windows_of_a_recording_and_steps_of_a_clip_stay_together(jobs: int) -> None:
    clips = _clips(("a", 3, False), ("b", 1, False), ("c", 4, True), ("d", 2, False))
    shares = parallel.dealt(clips, jobs)
    assert len(shares) == min(jobs, 4)
    assert [clip.name for share in shares for clip in share.clips] == [clip.name for clip in clips.clips]
    for share in shares:
        assert share.clips and not share.clips[0].follows
    homes = [{clip.name[0] for clip in share.clips} for share in shares]
    assert sum(map(len, homes)) == len(set().union(*homes)), "no recording is in two shares"


@outside.needs(MODEL)
@pytest.mark.parametrize("on", ["host", "sim"])
def test_the_result_is_that_of_one_process(on: str, tmp_path: Path) -> None:
    folder = api.export(MODEL, "nucleo-f446", tmp_path / "build").folder
    shape = api.export(MODEL, "nucleo-f446", tmp_path / "build").manifest.inputs[0].shape
    x = np.random.default_rng(1).integers(-128, 128, (5, *shape), dtype=np.int8)
    seen: list[tuple[int, int]] = []
    one = api.bench(folder, on=on, tensors=x, save_outputs=tmp_path / "one.npy")
    two = api.bench(
        folder,
        on=on,
        tensors=x,
        jobs=2,
        save_outputs=tmp_path / "two.npy",
        progress=lambda *at: seen.append(at),
    )
    assert np.array_equal(np.load(tmp_path / "one.npy"), np.load(tmp_path / "two.npy"))
    assert two.clip_results == one.clip_results and two.counts == one.counts and two.layers == one.layers
    assert dataclasses.replace(two.provenance, measured_at="") == dataclasses.replace(
        one.provenance, measured_at=""
    )
    assert seen[-1] == (5, 5) and "5 of 5 clips held against the integer interpreter" in two.runner_detail
    assert not list(folder.glob("*.jsonl")) or all(
        "finished" in path.read_text() for path in folder.glob("*.jsonl")
    )


@outside.needs(MODEL)
def test_only_programs_of_this_machine(tmp_path: Path) -> None:
    folder = api.export(MODEL, "nucleo-f446", tmp_path / "build").folder
    for options in ({"on": "qemu"}, {"serial": "socket://127.0.0.1:1"}):
        with pytest.raises(InputError, match="several at once"):
            api.bench(folder, jobs=2, limit=2, **options)
