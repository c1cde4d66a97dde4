# SPDX-License-Identifier: Apache-2.0
"""The search for options, and the precision that it allows for: every figure by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ascmcu.features import extract, neighbours, precision
from ascmcu.features.neighbours import Recording, Search
from ascmcu.features.spec import FeatureSpec
from tests.features.signals import variant
from tests.support.snapshots import Snapshot

SPEC = FeatureSpec(
    sample_rate_hz=16000, clip_samples=4000, n_fft=512, win_length=512, hop_length=256, n_mels=24
)
DECIBELS = {"log": "db", "log_offset": 0.0, "log_floor": 1e-10}
RATE_HZ = 16000


def _recordings(count: int = 2, samples: int = 4000) -> list[Recording]:
    rng = np.random.default_rng(3)
    level = np.linspace(0.05, 0.5, samples)
    return [Recording(f"{n}.wav", level * rng.uniform(-1, 1, samples), RATE_HZ) for n in range(count)]


def _search(spec: FeatureSpec, change: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]) -> Search:
    """A reference that is the spec's own features, changed; integers are the features in tenths."""
    heard = _recordings()
    plain = Search(heard, np.zeros((2, *spec.shape), np.float32), lambda x: np.rint(10 * x))
    reference = np.stack([plain.features(n, spec) for n in range(2)])
    return Search(heard, change(reference).astype(np.float32), lambda x: np.rint(10 * x))


# One spec of each kind that decides what neighbours there are.
KINDS = {
    "plain": SPEC,
    "decibels": SPEC.replace(**DECIBELS, top_db=80.0, db_reference="clip_max", crop_frames=2),
    "magnitudes": SPEC.replace(power=1, center=False, log_offset=1e-3, sample_rate_hz=8000, fmax_hz=4000.0),
    "deltas": SPEC.replace(
        deltas=1, delta_width=3, normalization="mean_std", mean=((1.0,) * 24,) * 2, std=((2.0,) * 24,) * 2
    ),
    "coefficients": SPEC.replace(n_mfcc=13, log="log10", log_offset=1e-6),
    "coefficients of many bands": SPEC.replace(n_mfcc=20, n_mels=48),
}


@pytest.mark.parametrize("name", KINDS)
def test_the_neighbours_of_a_spec(name: str, snapshot: Snapshot) -> None:
    """All that ``features check`` tries and names, by what differs and the shape that comes of it."""
    spec = KINDS[name]
    lines = [
        f"{' × '.join(map(str, other.shape))}: {neighbours.difference(spec, other)}"
        for other in neighbours.options(spec)
    ]
    assert len(lines) > 40
    snapshot(f"neighbours-{name}", "\n".join(lines) + "\n")


def test_a_constant_between_features_is_the_distance() -> None:
    """Natural logarithms of power: one unit is 10 / ln 10 = 4.34 dB."""
    found = _search(SPEC, lambda x: x + 0.25).distance(SPEC)
    assert found.unit == "dB" and found.equal_percent < 1
    assert (found.worst, found.mean) == pytest.approx((1.0857, 1.0857), abs=1e-3)
    assert found.plain_mean == pytest.approx(0.25, abs=1e-6)
    same = _search(SPEC, lambda x: x).distance(SPEC)
    assert (same.worst, same.mean, same.equal_percent, same.plain_mean) == (0.0, 0.0, 100.0, 0.0)


def test_features_of_mixed_bands_have_no_decibels() -> None:
    spec = SPEC.replace(n_mfcc=13)
    found = _search(spec, lambda x: x + 0.25).distance(spec)
    assert found.unit == "units" and found.worst == pytest.approx(0.25, abs=1e-5)


def test_one_clip_that_differs_is_half_of_the_mean() -> None:
    def second(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        x = x.copy()
        x[1] += 1.0
        return x

    found = _search(SPEC, second).distance(SPEC)
    assert found.equal_percent == pytest.approx(50.0, abs=0.5)
    assert found.plain_mean == pytest.approx(0.5, abs=1e-6)
    assert found.worst == pytest.approx(4.3429, abs=1e-3) and found.mean == pytest.approx(2.1715, abs=0.02)


def test_what_no_option_makes_is_left_alone() -> None:
    """Noise on the features: no option takes a fifth of the error away, so the spec stays as it is."""
    rng = np.random.default_rng(7)
    search = _search(SPEC, lambda x: x + rng.normal(0, 0.05, x.shape))
    assert search._walk(SPEC, search.fitted, lambda distance: False) == SPEC
    near = search.nearest(SPEC, lambda distance: distance.plain_mean < 1.0)
    assert near.spec == SPEC and near.change == ""


def test_a_walk_ends_where_it_is_near() -> None:
    search = _search(SPEC.replace(mel_scale="htk", window="hamming"), lambda x: x)
    end = search._walk(SPEC, search.fitted, lambda distance: distance.worst < 0.01)
    assert end == SPEC.replace(mel_scale="htk", window="hamming")


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        ({}, True), ({"normalization": "range", "range_low": -10.0}, True), ({"n_mfcc": 13}, False),
        ({"normalization": "clip_zscore"}, False), ({"n_mfcc": 13, "normalization": "range"}, False),
    ],
)  # fmt: skip
def test_a_line_is_fitted_where_features_are_figures_of_a_band(changes: dict[str, Any], lines: bool) -> None:
    spec = SPEC.replace(**changes)
    search = _search(spec, lambda x: 2 * x + 3)
    assert (search._behind_line(spec) is not None, search._behind_lines(spec) is not None) == (lines, lines)
    if lines:
        for fitted in (search._behind_line(spec), search._behind_lines(spec)):
            assert fitted is not None and search.distance(fitted).plain_mean < 1e-3


def test_a_line_that_falls_is_none() -> None:
    search = _search(SPEC, lambda x: -x)
    assert search._behind_line(SPEC) is None
    banded = search._behind_lines(SPEC)
    assert banded is not None and set(banded.mean[0]) == {0.0} and set(banded.std[0]) == {1.0}


def test_the_line_through_points() -> None:
    x = np.array([1.0, 2.0, 4.0])
    assert neighbours._line(x, 3 * x - 5) == pytest.approx((3.0, -5.0))
    assert neighbours._line(np.full(3, 7.0), np.array([1.0, 2.0, 6.0])) == (0.0, 3.0)
    assert neighbours._line(x * 1e-7, x) == (0.0, pytest.approx(7 / 3)), "as good as constant"


@pytest.mark.parametrize("name", ["delta-deltas, valid, cropped", "mid and side, cropped", "deltas, nearest"])
def test_a_delta_is_trusted_where_all_of_its_frames_are(name: str) -> None:
    spec = variant(name)
    mel = np.ones((spec.frames, spec.n_mels, spec.audio_channels))
    told = np.random.default_rng(5).uniform(size=mel.shape) < 0.9
    found = precision.trusted(mel, told, spec)
    assert found.shape == spec.shape
    kept = told[spec.crop_frames : spec.frames - spec.crop_frames]
    half, channels = spec.delta_width // 2, spec.audio_channels
    lost = (len(kept) - spec.rows) // 2
    assert 2 * lost + spec.rows == len(kept)
    for order in range(spec.deltas + 1):
        for row in range(spec.rows):
            at = row + lost
            around = kept[max(0, at - order * half) : at + order * half + 1]
            part = found[row, :, order * channels : (order + 1) * channels]
            np.testing.assert_array_equal(part, around.all(axis=0), err_msg=f"order {order}, row {row}")
    quiet = precision.trusted(mel * 0, ~np.ones_like(told), spec)
    assert quiet.all(), "below the spec's own floor all are equal"


def test_coefficients_are_trusted_as_they_are() -> None:
    spec = variant("MFCC")
    mel = np.ones((spec.frames, spec.n_mels, spec.audio_channels))
    assert precision.trusted(mel, np.zeros(mel.shape, bool), spec).all()


@pytest.mark.parametrize(
    ("changes", "factor"),
    [
        ({}, 4.342945), ({"power": 1}, 8.685890), ({"log": "log10"}, 10.0), ({"log": "log10", "power": 1}, 20.0),
        (DECIBELS, 1.0), ({**DECIBELS, "power": 1}, 1.0),
    ],
)  # fmt: skip
def test_decibels_of_a_logarithm(changes: dict[str, Any], factor: float) -> None:
    spec = SPEC.replace(**changes)
    assert precision.decibels(spec) == pytest.approx(factor)
    scale = precision.in_decibels(spec)
    assert scale is not None and scale.shape == (24, 1) and (scale == precision.decibels(spec)).all()


def test_decibels_behind_a_normalization() -> None:
    ranged = precision.in_decibels(SPEC.replace(log="log10", normalization="range", range_low=-2.0))
    assert ranged is not None and (ranged == 30.0).all()
    std = tuple(float(1 + n) for n in range(24))
    before = SPEC.replace(
        log="log10", deltas=1, normalization="mean_std", normalization_stage="before_deltas",
        mean=((0.0,) * 24,), std=(std,),
    )  # fmt: skip
    scale = precision.in_decibels(before)
    assert scale is not None and scale.shape == (24, 2)
    np.testing.assert_array_equal(scale, 10.0 * np.repeat(np.array(std)[:, None], 2, axis=1))
    for name in ("clip_zscore", "clip_minmax"):
        assert precision.in_decibels(SPEC.replace(normalization=name)) is None
    assert precision.in_decibels(SPEC.replace(n_mfcc=13)) is None


def test_what_single_precision_cannot_tell_is_not_trusted() -> None:
    """A pure tone: bands 100 dB below their frame's energy drown in the rounding of a float32 FFT."""
    t = np.arange(SPEC.clip_samples)
    tone = np.rint(16000 * np.sin(2 * np.pi * 1000 / RATE_HZ * t)).astype(np.int16)[:, None]
    mel = extract.mel_energies(tone, SPEC)
    heard = precision.precise(mel, tone, SPEC)
    assert heard.shape == mel.shape == (SPEC.frames, 24, 1)
    per_band = heard.mean(axis=(0, 2))
    loudest = int(mel.sum(axis=(0, 2)).argmax())
    assert per_band[loudest] == 1.0
    noise = np.random.default_rng(1).integers(-9000, 9000, (SPEC.clip_samples, 1)).astype(np.int16)
    assert precision.precise(extract.mel_energies(noise, SPEC), noise, SPEC).all()
    np.testing.assert_array_equal(
        precision.above_floor(tone, SPEC), heard & (mel >= max(SPEC.log_offset, SPEC.log_floor))
    )
