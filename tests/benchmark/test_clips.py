# SPDX-License-Identifier: Apache-2.0
"""What is sent to a firmware, from folders and arrays: which clips, by what name, of what class, as what bytes."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ascmcu.benchmark import clips as sources
from ascmcu.benchmark import made
from ascmcu.benchmark.clips import Clip, Clips, from_data, from_tensors
from ascmcu.benchmark.wire import Kind
from ascmcu.errors import DataError, InputError
from ascmcu.features.spec import FeatureSpec
from ascmcu.toolchain.manifest import Manifest, TensorSpec
from tests.data.made import noise, pcm16, wav

SPEC = FeatureSpec(
    sample_rate_hz=16000, clip_samples=8000, n_fft=512, win_length=512, hop_length=256, n_mels=20
)
# Rows of 4 bytes go in as columns first, as a graph with swapped axes takes them.
INPUT = TensorSpec("x", (1, 3, 2), "int8", 0.5, 3, 2, 3, (0, 2, 1))
OUTPUT = TensorSpec("y", (1, 3), "int8", 1.0, 0, 1, 3, (0, 1))
TENSORS = Manifest(
    1, "0.1.0", "net", "ab" * 32, "nucleo-f446", "layers", (INPUT,), (OUTPUT,), (), ("low", "mid", "high"), None,
    0, 0, {"total": 1}, {"total": 1},
)  # fmt: skip
AUDIO = dataclasses.replace(TENSORS, features=SPEC.to_dict())
ARRAY = np.arange(5 * 6, dtype=np.int8).reshape(5, 1, 3, 2)


def _saved(folder: Path, array: Any, name: str = "in.npy") -> Path:
    np.save(folder / name, array)
    return folder / name


# ---- arrays


def test_rows_of_an_array_are_clips(tmp_path: Path) -> None:
    found = from_tensors(TENSORS, _saved(tmp_path, ARRAY), None)
    assert (found.kind, found.labels, found.notices) == (Kind.TENSOR, ("low", "mid", "high"), ())
    assert [c.name for c in found.clips] == ["0", "1", "2", "3", "4"]
    assert [c.label for c in found.clips] == [None] * 5 and not any(c.follows for c in found.clips)
    assert found.clips[1].load() == bytes([6, 8, 10, 7, 9, 11]), "as the firmware's rows are pushed"


@pytest.mark.parametrize(("limit", "count"), [(None, 5), (0, 0), (2, 2), (5, 5), (9, 5)])
def test_a_limit_takes_the_front_of_an_array(limit: int | None, count: int, tmp_path: Path) -> None:
    found = from_tensors(TENSORS, _saved(tmp_path, ARRAY), limit)
    assert [c.name for c in found.clips] == [str(n) for n in range(count)]


def test_a_batch_axis_may_be_left_out(tmp_path: Path) -> None:
    whole = from_tensors(TENSORS, _saved(tmp_path, ARRAY), None)
    flat = from_tensors(TENSORS, _saved(tmp_path, ARRAY[:, 0], "flat.npy"), None)
    assert [c.load() for c in flat.clips] == [c.load() for c in whole.clips]


@pytest.mark.parametrize("shape", [(1, 3, 2), (2, 3), (1,), (3,), (1, 1), (2, 2, 2), (1, 4, 1, 2)])
@pytest.mark.parametrize("clips", [False, True])
def test_which_arrays_hold_inputs_of_a_shape(shape: tuple[int, ...], clips: bool) -> None:
    """(N, *shape), where the shape begins with 1 also without it; and clips of steps in front of either."""
    spec = dataclasses.replace(INPUT, shape=shape)
    without = [(shape, 0), *([(shape[1:], 0)] if shape[0] == 1 else [])]
    expected: dict[tuple[int, ...], tuple[int, ...]] = {}
    if clips:  # (M, N, *shape); the batch axis must be there, or it could be (N, *shape) with a longer one
        expected |= {(m, n, *shape): (m * n, *shape) for m in (1, 2, 3) for n in (1, 2, 3)}
    expected |= {(n, *given): (n, *shape) for n in (1, 2, 3) for given, _ in without}
    for ndim in range(1, len(shape) + 4):
        for given in itertools.product((1, 2, 3), repeat=ndim):
            array = np.arange(int(np.prod(given)), dtype=np.int8).reshape(given)
            if given not in expected:
                with pytest.raises(DataError, match="does not hold inputs"):
                    sources._of_input(array, spec, "in", clips=clips)
                continue
            steps, found = sources._of_input(array, spec, "in", clips=clips)
            assert found.shape == expected[given] and found.reshape(-1).tolist() == array.reshape(-1).tolist()
            several = clips and len(given) == len(shape) + 2
            assert steps == (given[1] if several else given[0])


@pytest.mark.parametrize(
    "array",
    [np.int8(1), ARRAY[:0], ARRAY[..., :1], ARRAY.astype(np.uint8), ARRAY[None], ARRAY.astype(np.float32)],
    ids=["scalar", "empty", "another shape", "another type", "steps of a network without state", "floats"],
)
def test_an_array_of_something_else_is_refused(array: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not hold inputs of this network") as caught:
        from_tensors(TENSORS, _saved(tmp_path, array), None)
    assert caught.value.expected == "int8 (N, 1, 3, 2)"


def test_what_is_no_array_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.npy").write_text("notes")
    for name in ("text.npy", "missing.npy"):
        with pytest.raises(DataError, match=r"not a readable \.npy file"):
            from_tensors(TENSORS, tmp_path / name, None)


def test_steps_follow_each_other_within_their_clip(tmp_path: Path) -> None:
    stateful = dataclasses.replace(TENSORS, state_bytes=8)
    one = from_tensors(stateful, _saved(tmp_path, ARRAY), None)
    assert [(c.name, c.follows) for c in one.clips] == [(str(n), n > 0) for n in range(5)]
    two = np.stack([ARRAY[:3], ARRAY[1:4]])
    several = from_tensors(stateful, _saved(tmp_path, two, "two.npy"), None)
    assert [(c.name, c.follows) for c in several.clips] == [
        ("0.0", False), ("0.1", True), ("0.2", True), ("1.0", False), ("1.1", True), ("1.2", True),
    ]  # fmt: skip
    assert several.clips[4].load() == one.clips[2].load()


@pytest.mark.parametrize(
    ("truth", "labels", "taken"),
    [
        (np.array([0, 2, 1, 1, 0]), [0, 2, 1, 1, 0], [0, 1, 2, 4]),
        (np.array([[0], [2], [1], [1], [0]], np.uint8), [0, 2, 1, 1, 0], [0, 1, 2, 4]),
        (np.array(["high", "low", "low", "mid", "high"]), [2, 0, 0, 1, 2], [0, 1, 3, 4]),
    ],
    ids=["numbers", "a column", "names"],
)
def test_right_classes_of_an_array(truth: Any, labels: list[int], taken: list[int], tmp_path: Path) -> None:
    """With a limit each class keeps its share, the first ones what is left over."""
    array, right = _saved(tmp_path, ARRAY), _saved(tmp_path, truth, "truth.npy")
    whole = from_tensors(TENSORS, array, None, truth=right)
    assert [c.label for c in whole.clips] == labels and whole.labels == ("low", "mid", "high")
    some = from_tensors(TENSORS, array, 4, truth=right)
    assert [(c.name, c.label) for c in some.clips] == [(str(n), labels[n]) for n in taken]


@pytest.mark.parametrize(
    ("truth", "match"),
    [
        (np.zeros(4, int), "do not fit the tensors"), (np.zeros((5, 2), int), "do not fit the tensors"),
        (np.zeros(5), "do not fit the tensors"), (np.array([0, 1, 2, 3, 0]), "a class that the network does not have"),
        (np.array([0, -1, 2, 1, 0]), "a class that the network does not have"),
    ],
    ids=["too few", "two columns", "floats", "one too high", "below zero"],
)  # fmt: skip
def test_right_classes_that_cannot_be_are_refused(truth: Any, match: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=match):
        from_tensors(TENSORS, _saved(tmp_path, ARRAY), None, truth=_saved(tmp_path, truth, "truth.npy"))


def test_classes_without_names_are_numbers_where_the_right_ones_are_known(tmp_path: Path) -> None:
    unnamed = dataclasses.replace(TENSORS, labels=())
    array, truth = _saved(tmp_path, ARRAY), _saved(tmp_path, np.array([2, 0, 1, 1, 2]), "truth.npy")
    assert from_tensors(unnamed, array, None).labels == ()
    found = from_tensors(unnamed, array, None, truth=truth)
    assert (found.labels, found.labels_source) == (("0", "1", "2"), "the numbers of the outputs")
    names = tmp_path / "names.txt"
    names.write_text("c\nb\na\n")
    for given in (None, truth):
        assert from_tensors(unnamed, array, None, names, given).labels == ("c", "b", "a")


# ---- outputs


def test_outputs_are_cut_in_their_order() -> None:
    second = TensorSpec("z", (1, 2), "int16", 1.0, 0, 1, 4, (0, 1))
    both = dataclasses.replace(TENSORS, outputs=(OUTPUT, second))
    a, b = sources.outputs(both, bytes([1, 2, 0xFF, 0x01, 0x02, 0xFE, 0xFF]))
    assert (a.tolist(), b.tolist()) == ([[1, 2, -1]], [[0x0201, -2]])
    for wrong in (6, 8):
        with pytest.raises(InputError, match="outputs are not the export's"):
            sources.outputs(both, bytes(wrong))


# ---- recordings


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four recordings a class in two parts; one of them is as long as two clips and a half."""
    folder = tmp_path_factory.mktemp("data")
    for number, (part, label) in enumerate(itertools.product(("test", "train"), ("high", "low", "mid"))):
        place = folder / part / label
        place.mkdir(parents=True)
        for n in range(2):
            seconds = 1.25 if (part, label, n) == ("test", "high", 0) else 0.5
            (place / f"{n}.wav").write_bytes(wav(pcm16(noise(seconds, seed=10 * number + n))))
    return folder


def _names(clips: Clips) -> list[str]:
    return [clip.name for clip in clips.clips]


def test_recordings_of_a_part(data: Path) -> None:
    found = from_data(AUDIO, data, "test", None)
    assert _names(found) == [f"test/{label}/{n}.wav" for label in ("high", "low", "mid") for n in range(2)]
    assert [c.label for c in found.clips] == [2, 2, 0, 0, 1, 1], "in the order of the network's outputs"
    assert (found.kind, found.labels, found.notices) == (Kind.AUDIO, ("low", "mid", "high"), ())
    assert {c.recording for c in found.clips} == {""}
    (raw,) = {clip.load() for clip in found.clips if clip.name == "test/low/1.wav"}
    assert raw == pcm16(noise(0.5, seed=11))


def test_without_a_part_all_are_scored_and_it_is_said(data: Path) -> None:
    found = from_data(AUDIO, data, None, None)
    assert len(found.clips) == 12
    assert found.notices == (
        "all parts are scored together (test, train); --split takes one, such as the one not trained on",
    )


@pytest.mark.parametrize(
    ("limit", "taken"), [(0, []), (1, [0]), (2, [0, 2]), (4, [0, 1, 2, 4]), (6, range(6)), (7, range(6))]
)
def test_a_limit_is_spread_over_all_recordings(limit: int, taken: list[int], data: Path) -> None:
    whole = _names(from_data(AUDIO, data, "test", None))
    assert _names(from_data(AUDIO, data, "test", limit)) == [whole[n] for n in taken]


@pytest.mark.parametrize(
    ("sizes", "count", "shares"),
    [
        ([10, 10], 4, [2, 2]), ([30, 10], 4, [3, 1]), ([99, 1], 4, [3, 1]), ([5, 5, 5], 2, [1, 1, 0]),
        ([5, 5, 5], 4, [2, 1, 1]), ([7, 2, 1], 10, [7, 2, 1]), ([3], 2, [2]), ([4, 4], 0, [0, 0]),
    ],
)  # fmt: skip
def test_shares_are_proportional_and_none_is_empty(sizes: list[int], count: int, shares: list[int]) -> None:
    assert sources._shares(sizes, count) == shares


def test_within_a_class_devices_have_their_shares() -> None:
    strata = [(label, device) for label in "ab" for device in ("x", "x", "x", "y")]
    assert sources.sampled(strata, 4) == [0, 3, 4, 7]
    assert sources.sampled(strata, 2) == [0, 4] and sources.sampled(strata, None) == list(range(8))
    assert sources.sampled([("a",)] * 6, 3) == [0, 2, 4], "evenly spread where nothing tells them apart"
    assert sources.sampled([], 3) == []


def test_windows_of_a_long_recording_are_clips_of_one(data: Path) -> None:
    found = from_data(AUDIO, data, "test", 1, long="windows")
    assert _names(found) == [f"test/high/0.wav[{n}/3]" for n in (1, 2, 3)]
    assert {c.recording for c in found.clips} == {"test/high/0.wav"} and {c.label for c in found.clips} == {2}
    samples = np.frombuffer(pcm16(noise(1.25, seed=0)), "<i2")
    heard = [np.frombuffer(c.load(), "<i2") for c in found.clips]
    np.testing.assert_array_equal(heard[0], samples[:8000])
    assert all(len(x) == 8000 for x in heard)
    assert {tuple(x[:9]) for x in heard} <= {tuple(samples[at : at + 9]) for at in range(0, 12001)}
    with pytest.raises(DataError):
        from_data(AUDIO, data, "test", 1, long="error")


def test_a_recording_of_one_window_is_no_part_of_a_longer_one(tmp_path: Path) -> None:
    for number, (label, seconds) in enumerate((("high", 0.5), ("low", 0.75), ("mid", 1.25))):
        (tmp_path / label).mkdir()
        (tmp_path / label / "a.wav").write_bytes(wav(pcm16(noise(seconds, seed=number))))
    found = from_data(AUDIO, tmp_path, None, None, long="windows")
    of = {"high": "", "low": "low/a.wav", "mid": "mid/a.wav"}
    count = {label: sum(clip.name.startswith(label) for clip in found.clips) for label in of}
    assert count == {"high": 1, "low": 2, "mid": 3}
    assert {(clip.name.partition("/")[0], clip.recording) for clip in found.clips} == set(of.items())


def test_tensors_take_no_recordings(data: Path) -> None:
    with pytest.raises(InputError, match="takes tensors, not audio"):
        from_data(TENSORS, data, None, None)


@pytest.mark.parametrize(
    ("split", "parts", "part"),
    [
        ("5", ("4", "5"), "5"), ("fold5", ("4", "5"), "5"), ("fold=5", ("4", "5"), "5"),
        ("fold5", ("fold4", "fold5"), "fold5"), ("fold6", ("4", "5"), "fold6"), ("test", ("test",), "test"),
    ],
)  # fmt: skip
def test_parts_by_name_or_by_fold(split: str, parts: tuple[str, ...], part: str) -> None:
    assert sources.part_name(split, parts) == part


def test_a_list_of_clips_is_known_by_names_and_place() -> None:
    def listed(kind: Kind = Kind.TENSOR, source: str = "/a", names: tuple[str, ...] = ("0", "1")) -> Clips:
        return Clips(kind, source, (), tuple(Clip(name, None, bytes) for name in names))

    assert listed().names == listed(source="/b").names and listed().identity != listed(source="/b").identity
    assert len({listed().names, listed(Kind.AUDIO).names, listed(names=("0", "2")).names}) == 3
    assert listed(source="/a/../a").identity == listed().identity


# ---- made inputs


def test_made_tensors_begin_with_the_extremes() -> None:
    found = made.clips(TENSORS)
    assert _names(found)[:5] == ["smallest", "largest", "zero", "alternating", "noise 1"]
    assert len(found.clips) == made.COUNT == 12 and found.kind is Kind.TENSOR
    loaded = [np.frombuffer(c.load(), np.int8) for c in found.clips]
    assert [x.tolist() for x in loaded[:3]] == [[-128] * 6, [127] * 6, [3] * 6]
    assert loaded[3].reshape(2, 3).T.reshape(-1).tolist() == [-128, 127] * 3
    assert len({x.tobytes() for x in loaded}) == 12
    assert [c.load() for c in made.clips(TENSORS, 6).clips] == [c.load() for c in found.clips[:6]]
    assert "say nothing of the accuracy" in found.notices[0] and "seed 1" in found.source


def test_made_floats_are_of_unit_size() -> None:
    floats = dataclasses.replace(INPUT, dtype="float32", scale=1.0, zero_point=0, row_bytes=12)
    found = made.clips(dataclasses.replace(TENSORS, inputs=(floats,)), 200)
    loaded = [np.frombuffer(c.load(), "<f4") for c in found.clips]
    assert [set(x.tolist()) for x in loaded[:4]] == [{-1.0}, {1.0}, {0.0}, {-1.0, 1.0}]
    assert np.concatenate(loaded[4:]).std() == pytest.approx(1.0, abs=0.1)


def test_made_audio_is_as_loud_as_its_type_allows() -> None:
    found = made.clips(AUDIO, 9)
    assert _names(found) == [
        "silence", "impulse", "one step", "square wave", "tone", "noise 1", "noise 2", "noise 3", "noise 4",
    ]  # fmt: skip
    heard = [np.frombuffer(c.load(), "<i2") for c in found.clips]
    assert {len(x) for x in heard} == {8000} and found.kind is Kind.AUDIO
    silence, impulse, step, square, tone = heard[:5]
    assert not silence.any() and set(step) == {1}
    assert np.flatnonzero(impulse).tolist() == [4000] and impulse[4000] == 32767
    assert set(square) == {-32768, 32767} and np.flatnonzero(np.diff(square))[:2].tolist() == [15, 31]
    assert int(np.abs(np.fft.rfft(tone)).argmax()) == 500 and tone.max() == 32767, "1 kHz in half a second"
    levels_db = [20 * np.log10(x.astype(float).std() / 32767) for x in heard[6:]]
    assert levels_db == pytest.approx([-20, -40, -60], abs=0.2)
    stereo = made.clips(dataclasses.replace(AUDIO, features=SPEC.replace(channels="stereo").to_dict()), 6)
    assert {len(c.load()) for c in stereo.clips} == {8000 * 2 * 2}
