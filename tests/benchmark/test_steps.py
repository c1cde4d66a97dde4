# SPDX-License-Identifier: Apache-2.0
"""A network with states through the whole bench: a sequence of steps, clip after clip, also where steps are lost."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from ascmcu import api, boards
from ascmcu.benchmark import run as bench_run
from ascmcu.benchmark.clips import Clip, Clips, from_tensors
from ascmcu.benchmark.session import StepLost
from ascmcu.benchmark.wire import Kind
from ascmcu.errors import DataError, InputError, LinkError
from ascmcu.frontends import tflite
from ascmcu.ir import interp
from ascmcu.ir.types import Array
from ascmcu.runners.base import Target
from ascmcu.runners.host import HostRunner
from ascmcu.toolchain.manifest import Manifest
from tests.support.faulty import FaultyRunner, Tally
from tests.support.tflite_builder import OperatorSpec, TensorSpec, VariableSpec, build

SHAPE = (1, 6, 4)
CLIPS, STEPS = 2, 12
Q = {"scales": (0.05,), "zero_point": 3}


def _model() -> bytes:
    """The maximum of all that came, less what comes: any step that is left out or taken twice shows."""
    tensors = [TensorSpec(name, SHAPE, **Q) for name in ("x", "old", "new", "y")]
    operators = [OperatorSpec("MAXIMUM", [1, 0], [2]), OperatorSpec("SUB", [2, 0], [3])]
    initial = np.full(SHAPE, -128, np.int8)
    return build(tensors, operators, [0], [3], [VariableSpec("most", 1, 2, initial)])


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("steps")
    (folder / "net.tflite").write_bytes(_model())
    api.export(folder / "net.tflite", "nucleo-f446", folder / "build")
    return folder / "build"


@pytest.fixture(scope="module")
def sequences(export: Path) -> Path:
    rng = np.random.default_rng(1)
    # Rising, so that the maximum goes on changing.
    levels = np.arange(CLIPS * STEPS).reshape(CLIPS, STEPS, 1, 1, 1) % STEPS * 9
    array = np.clip(rng.integers(-128, 0, (CLIPS, STEPS, *SHAPE)) + levels, -128, 127).astype(np.int8)
    np.save(export.parent / "in.npy", array)
    return export.parent / "in.npy"


def _expected(sequences: Path) -> list[Array]:
    steps, found = interp.Steps(tflite.parse(_model(), "net")), []
    for clip in np.load(sequences):
        steps.reset()
        found += [steps([x])[0] for x in clip]
    return found


def _target(export: Path) -> Target:
    return Target(export, boards.load("nucleo-f446"), Manifest.load(export), False)


@pytest.mark.parametrize("runner", ["host", "sim", "qemu"])
def test_clips_of_steps(runner: str, export: Path, sequences: Path) -> None:
    out = export.parent / "out.npy"
    found = api.bench(export, on=runner, tensors=sequences, save_outputs=out)
    assert np.array_equal(np.load(out), np.stack(_expected(sequences)))
    assert (found.clips, found.state_bytes, found.run_title) == (CLIPS * STEPS, 24, "step")
    assert [c.name for c in found.clip_results][STEPS - 1 : STEPS + 1] == ["0.11", "1.0"]
    assert "held against the integer interpreter" in found.runner_detail


def test_each_of_the_first_sequences_begins_anew_in_the_interpreter_too(
    export: Path, sequences: Path, tmp_path: Path
) -> None:
    np.save(tmp_path / "in.npy", np.load(sequences)[:2, :3])
    found = api.bench(export, on="host", tensors=tmp_path / "in.npy")
    assert "6 of 6 clips held against the integer interpreter" in found.runner_detail


def test_one_sequence_is_one_clip(export: Path, sequences: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "in.npy", np.load(sequences)[0])
    api.bench(export, on="host", tensors=tmp_path / "in.npy", save_outputs=tmp_path / "out.npy")
    assert np.array_equal(np.load(tmp_path / "out.npy"), np.stack(_expected(sequences)[:STEPS]))


@pytest.mark.parametrize("kind", ["lost", "doubled", "delayed", "reset"])
def test_lost_steps_are_taken_again_with_those_before_them(kind: str, export: Path, sequences: Path) -> None:
    target, tally = _target(export), Tally()
    clips = from_tensors(target.manifest, sequences, None)
    runner = FaultyRunner(target, random.Random(3), {kind: 0.03}, tally)
    done = bench_run.run(target, runner, clips)
    assert tally.faults[kind] > 0
    assert [c.outputs for c in done.clips] == [x.tobytes() for x in _expected(sequences)]


def test_interrupted_clip_is_begun_again(export: Path, sequences: Path) -> None:
    target = _target(export)
    clips = from_tensors(target.manifest, sequences, None)

    def unplugged(done: int, total: int) -> None:
        if done == STEPS + 3:
            raise LinkError("unplugged")

    with pytest.raises(LinkError, match="unplugged"):
        bench_run.run(target, HostRunner(target), clips, progress=unplugged)
    told: list[str] = []
    done = bench_run.run(target, HostRunner(target), clips, tell=told.append)
    assert done.resumed == STEPS
    assert [c.outputs for c in done.clips] == [x.tobytes() for x in _expected(sequences)]
    assert "3 steps of an unfinished clip are run again: its states are gone" in told


@pytest.mark.parametrize("losses", range(6))
def test_a_step_is_given_up_when_it_is_lost_three_times_more(losses: int) -> None:
    """Clip b has two steps before the lost one; each attempt takes both again, from b's first."""
    names = ("a0", "a1", "b0", "b1", "b2")
    steps = tuple(Clip(name, None, name.encode, follows=not name.endswith("0")) for name in names)
    clips = Clips(Kind.TENSOR, "", (), steps)
    taken: list[tuple[bytes, bool]] = []

    def answer(data: bytes, kind: Kind, continues: bool) -> SimpleNamespace:
        taken.append((data, continues))
        return SimpleNamespace(outputs=data)

    def last(clip: Clip) -> str:
        taken.append((clip.load(), clip.follows))
        if sum(data == b"b2" for data, _ in taken) <= losses:
            raise StepLost(f"lost {len(taken)}")
        return clip.name

    session, done = (
        SimpleNamespace(run=answer),
        {n: SimpleNamespace(outputs=n.encode()) for n in ("b0", "b1")},
    )
    arguments = StepLost("first"), session, clips, 4, done, last
    attempts = min(losses + 1, 3)
    if losses < 3:
        assert bench_run._again(*arguments) == "b2"  # type: ignore[arg-type]
    else:
        with pytest.raises(StepLost, match="lost 9"):
            bench_run._again(*arguments)  # type: ignore[arg-type]
    assert taken == [(b"b0", False), (b"b1", True), (b"b2", True)] * attempts


def test_steps_cannot_be_repeated_alone(export: Path, sequences: Path) -> None:
    with pytest.raises(InputError, match="cannot be repeated by itself"):
        api.bench(export, on="host", tensors=sequences, repeat=3)


def test_array_of_another_shape(export: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "in.npy", np.zeros((2, 2, 2, *SHAPE), np.int8))
    with pytest.raises(DataError, match="does not hold inputs of this network"):
        api.bench(export, on="host", tensors=tmp_path / "in.npy")


def test_steps_are_taken_again_up_to_the_lost_one_and_from_its_own_clip() -> None:
    """For every step of three clips: nothing of the clip before, and nothing behind."""
    names = ("a0", "a1", "b0", "c0", "c1", "c2")
    steps = tuple(Clip(name, None, name.encode, follows=not name.endswith("0")) for name in names)
    done = {name: SimpleNamespace(outputs=name.encode()) for name in names}
    assert len(names) == 6
    for number, lost in enumerate(names):
        taken: list[str] = []

        def answer(data: bytes, kind: Kind, continues: bool, taken: list[str] = taken) -> SimpleNamespace:
            taken.append(data.decode())
            assert continues == (not data.endswith(b"0"))
            return SimpleNamespace(outputs=data)

        session, clips = SimpleNamespace(run=answer), Clips(Kind.TENSOR, "", (), steps)
        found = bench_run._again(StepLost(""), session, clips, number, done, lambda clip: clip.name)  # type: ignore[arg-type, return-value]
        assert found == lost and taken == [n for n in names[:number] if n[0] == lost[0]]


def test_repetitions_that_differ_are_an_error(export: Path) -> None:
    clip = Clip("a", None, lambda: b"\0" * 24)
    for outputs in ("xx", "xy", "xxy", "yxx"):
        answers = iter(outputs)

        def answer(
            data: bytes, kind: Kind, continues: bool, answers: Iterator[str] = answers
        ) -> SimpleNamespace:
            return SimpleNamespace(outputs=next(answers).encode() * 24)

        def checked(*_: object) -> None:
            raise InputError("checked")

        arguments = SimpleNamespace(run=answer), clip, Kind.TENSOR, _target(export), len(outputs), checked
        error = InputError if len(set(outputs)) == 1 else LinkError
        with pytest.raises(
            error, match="checked" if error is InputError else "the same clip gave different outputs"
        ):
            bench_run._one(*arguments)  # type: ignore[arg-type]
