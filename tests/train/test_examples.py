# SPDX-License-Identifier: Apache-2.0
"""Inputs read and normalized when indexed; devices' responses; recordings varied."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from ascmcu.data import cache, datasets, variation
from ascmcu.data.datasets import Dataset
from ascmcu.data.variation import Variation
from ascmcu.errors import DataError, InputError
from ascmcu.features import extract
from ascmcu.features.spec import FeatureSpec
from ascmcu.train import examples, run
from ascmcu.train.examples import Inputs
from ascmcu.train.recipe import Parts, Recipe
from tests.data import made
from tests.train import tau

SPEC = FeatureSpec.from_dict(
    {
        "sample_rate_hz": 8000,
        "duration_s": 1.0,
        "n_fft": 256,
        "hop_length": 256,
        "n_mels": 16,
        "log_offset": 1e-6,
    }
)


@pytest.fixture(scope="module")
def mobile(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return datasets.load(tau.mobile(tmp_path_factory.mktemp("mobile"), seconds_in_name=True))


@pytest.mark.parametrize("normalization", ["none", "mean_std", "clip_zscore", "clip_minmax"])
@pytest.mark.parametrize("layout", ["time_mel", "mel_time"])
def test_inputs_are_what_the_device_would_compute(
    normalization: str, layout: str, scenes: Dataset, tiny: Recipe
) -> None:
    spec = tiny.features.replace(normalization=normalization, layout=layout, deltas=1)
    fitted, parts = run.prepare(dataclasses.replace(tiny, features=spec), scenes)
    inputs = parts["test"].examples.x
    assert inputs.shape == (12, *fitted.input_shape[1:])
    wanted = extract.to_input(cache.one(str(parts["test"].dataset.recordings[3].path), fitted), fitted)
    assert np.allclose(inputs[3], wanted, atol=2e-4)
    assert np.array_equal(inputs[2:6][1], inputs[3])
    assert np.array_equal(inputs[np.array([3, 7])][0], inputs[3])
    assert np.array_equal(inputs[:, 1:][3], inputs[3, 1:])
    assert np.array_equal(np.asarray(inputs)[3], inputs[3])


def test_a_share_of_the_training_part_validates_place_by_place(mobile: Dataset, tiny: Recipe) -> None:
    twice = dataclasses.replace(mobile, recordings=mobile.recordings)
    data = Parts(train=("train", "test"), validate_share=0.5)
    _, parts = run.prepare(dataclasses.replace(tiny, data=data, features=SPEC), twice)
    train, validate = (
        {recording.place for recording in parts[name].dataset.recordings} for name in ("train", "validate")
    )
    assert train and validate
    assert not train & validate
    assert train | validate == {recording.place for recording in mobile.recordings}


def test_responses_turn_the_reference_into_the_other_device(mobile: Dataset) -> None:
    train = mobile.only(["train"])
    inputs = Inputs(cache.features(train, SPEC), np.arange(len(train.recordings)), SPEC)
    responses, reference = examples.device_responses(train, inputs, "a")
    assert responses.shape == (20, 16, 1), "ten moments, two other devices each"
    assert reference.sum() == 10
    moment = {r.device: n for n, r in enumerate(train.recordings) if "-airport-" in f"-{r.path.name}"}
    energies = {device: np.exp(inputs[number]).mean(axis=0) for device, number in moment.items()}
    wanted = np.log(energies["b"]) - np.log(energies["a"])
    assert min(np.abs(response - wanted).max() for response in responses) < 1e-3
    with pytest.raises(DataError, match="no two devices"):
        examples.device_responses(train, inputs, "z")


def test_only_the_reference_is_shifted_and_by_a_measured_response(mobile: Dataset, tiny: Recipe) -> None:
    recipe = dataclasses.replace(
        tiny,
        data=Parts(train=("train",)),
        features=SPEC,
        augment=dataclasses.replace(tiny.augment, device_shift=1.0),
    )
    _, parts = run.prepare(recipe, mobile)
    train = parts["train"].examples
    rows = np.arange(len(train.y))
    added = train.take(rows, np.random.default_rng(1), 1.0) - train.x[:]
    shifted = np.abs(added).reshape(len(rows), -1).max(axis=1) > 1e-6
    assert np.array_equal(shifted, train.is_reference)
    assert np.allclose(added, added[:, :1], atol=1e-5), "a response is the same at all times"
    assert np.array_equal(train.take(rows, np.random.default_rng(1)), train.x[:])


def test_versions_are_drawn(scenes: Dataset, tiny: Recipe) -> None:
    recipe = dataclasses.replace(tiny, variation=Variation(versions=2, speed=1.3, noise_db=10.0))
    _, parts = run.prepare(recipe, scenes)
    train = parts["train"].examples
    rows = np.arange(len(train.y))
    batch = train.take(rows, np.random.default_rng(3))
    ways = np.stack([train.x[:], *(version[:] for version in train.versions)])
    which = [(np.abs(ways[:, row] - batch[row]).reshape(3, -1).max(axis=1) < 1e-6) for row in rows]
    assert all(w.sum() == 1 for w in which)
    assert set(np.argmax(which, axis=1)) == {0, 1, 2}


CLIP = (8000 * np.sin(np.arange(8000) * 2 * np.pi * 1000 / 8000)).astype(np.int16)[:, None]


def _peak_hz(pcm: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(pcm[:, 0] * np.hanning(len(pcm))))
    return float(np.argmax(spectrum) * 8000 / len(pcm))


@pytest.mark.parametrize(
    ("changes", "widest"),
    [({"speed": 1.25}, 1.25), ({"pitch_semitones": 4.0}, 2 ** (4 / 12)), ({"stretch": 1.25}, 1.01)],
)
def test_pitch_moves_as_far_as_allowed(changes: dict[str, float], widest: float) -> None:
    heard = []
    for version in range(1, 7):
        told = variation.varied(CLIP, SPEC, Variation(versions=6, **changes), version, "a/b.wav")  # type: ignore[arg-type]
        assert (told.shape, told.dtype) == ((8000, 1), np.int16)
        heard.append(_peak_hz(told) / 1000)
    assert max(heard) <= widest * 1.01
    assert min(heard) >= 0.99 / widest
    if widest > 1.1:
        assert max(heard) > 1.05 and min(heard) < 0.95


def test_noise_lies_below_the_clip_by_the_ratio_or_more() -> None:
    noisy = 0
    for version in range(1, 21):
        told = variation.varied(CLIP, SPEC, Variation(versions=20, noise_db=6.0), version, "c.wav")
        noise = told.astype(float) - CLIP
        if noise.any():
            noisy += 1
            ratio_db = 10 * np.log10(np.mean(CLIP.astype(float) ** 2) / np.mean(noise**2))
            assert 5.9 < ratio_db < 36.5
    assert 4 <= noisy <= 16


def test_a_version_depends_on_its_number_its_seed_and_its_name_alone() -> None:
    how = Variation(versions=2, speed=1.2)
    first = variation.varied(CLIP, SPEC, how, 1, "x/one.wav")
    assert np.array_equal(first, variation.varied(CLIP, SPEC, how, 1, "elsewhere/one.wav"))
    for other, version, name in (
        (how, 2, "one.wav"),
        (how, 1, "two.wav"),
        (dataclasses.replace(how, seed=2), 1, "one.wav"),
    ):
        assert not np.array_equal(first, variation.varied(CLIP, SPEC, other, version, name))


def test_varied_features_are_cached_apart(
    scenes: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASCMCU_CACHE", str(tmp_path))
    few = dataclasses.replace(scenes, recordings=scenes.recordings[:4])
    how = Variation(versions=1, speed=1.3)
    straight = cache.features(few, SPEC)
    varied = cache.features(few, SPEC, variation=how, version=1, rows=[1, 2])
    assert not varied[0].any() and not varied[3].any()
    wanted = cache.one_varied(str(few.recordings[2].path), SPEC, how, 1)
    assert np.array_equal(varied[2], wanted)
    assert not np.array_equal(varied[2], straight[2])
    whole = cache.features(few, SPEC, variation=how, version=1)
    assert np.array_equal(whole[1:3], varied[1:3])
    assert whole.reshape(4, -1).any(axis=1).all()


def test_a_devices_response_is_a_filter(tmp_path: Path) -> None:
    """Of one response, an echo at half the level: the version is the clip and its echo, at the clip's power."""
    impulse = np.zeros(200)
    impulse[[0, 120]] = (0.5, 0.25)
    made.put(tmp_path / "responses" / "echo.wav", made.sound(impulse, rate_hz=SPEC.sample_rate_hz))
    clip = (3000 * np.random.default_rng(5).standard_normal((8000, 1))).astype(np.int16)
    how = Variation(versions=1, responses=str(tmp_path / "responses"))
    told = variation.varied(clip, SPEC, how, 1, "a.wav")[:, 0].astype(float)
    whole = clip[:, 0].astype(float)
    expected = whole + 0.5 * np.concatenate([np.zeros(120), whole[:-120]])
    expected *= np.sqrt(np.mean(whole**2) / np.mean(expected**2))
    assert np.abs(told - expected).max() <= 1.0
    with pytest.raises(InputError, match="no impulse responses"):
        variation.response_files(tmp_path / "elsewhere")


def test_other_responses_are_other_versions(tmp_path: Path, mobile: Dataset) -> None:
    """The cache knows what lies in the folder."""
    few = dataclasses.replace(mobile, recordings=mobile.recordings[:2])
    how = Variation(versions=1, responses=str(tmp_path))
    impulse = np.zeros(200)
    impulse[[0, 3]] = (0.5, 0.0)
    made.put(tmp_path / "clean.wav", made.sound(impulse))
    told = cache.features(few, SPEC, variation=how, version=1)
    (tmp_path / "clean.wav").unlink()
    impulse[3] = 0.5
    made.put(tmp_path / "echo.wav", made.sound(impulse))
    assert not np.array_equal(told, cache.features(few, SPEC, variation=how, version=1))
