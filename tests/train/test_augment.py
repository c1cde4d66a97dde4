# SPDX-License-Identifier: Apache-2.0
"""Augmentation: what each step keeps, and what it may change."""

from __future__ import annotations

import numpy as np
import pytest

from ascmcu.train import augment
from ascmcu.train.recipe import Augment

RNG = np.random.default_rng(0)
X = RNG.standard_normal((6, 20, 8, 2)).astype(np.float32)
Y = np.eye(6, dtype=np.float32)
ALL = Augment(
    mixup_alpha=0.4, time_roll=True, time_mask_rows=5, freq_mask_bands=3, gain_std=0.5, tilt_std=0.5
)


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_rolling_keeps_the_rows_in_their_circle() -> None:
    for rolled, clip in zip(augment.time_rolled(X, rng()), X, strict=True):
        start = next(n for n in range(20) if np.array_equal(clip[n], rolled[0]))
        assert np.array_equal(np.roll(clip, -start, axis=0), rolled)


@pytest.mark.parametrize(("axis", "widest"), [(1, 7), (2, 3)])
def test_masks_are_stripes_of_at_most_their_width(axis: int, widest: int) -> None:
    widths = set()
    for seed in range(20):
        hidden = augment.masked(X, widest, axis, rng(seed)) != X
        across = hidden.any(axis=tuple(a for a in (1, 2, 3) if a != axis))
        assert np.array_equal(hidden.all(axis=tuple(a for a in (1, 2, 3) if a != axis)), across)
        for stripe in across:
            at = np.flatnonzero(stripe)
            assert len(at) == 0 or at[-1] - at[0] + 1 == len(at)
            widths.add(len(at))
    assert widths == set(range(widest + 1))


def test_masks_may_differ_by_channel() -> None:
    hidden = augment.masked(X, 10, 1, rng(), per_channel=True) != X
    assert not np.array_equal(hidden[..., 0], hidden[..., 1])


def test_swapping_exchanges_pairs_of_channels() -> None:
    x = RNG.standard_normal((40, 3, 2, 6)).astype(np.float32)
    exchanged = [not np.array_equal(a, b) for a, b in zip(augment.swapped(x, rng()), x, strict=True)]
    assert 8 < sum(exchanged) < 32
    for after, before, changed in zip(augment.swapped(x, rng()), x, exchanged, strict=True):
        assert np.array_equal(after, before[..., [1, 0, 3, 2, 5, 4]] if changed else before)


def test_recolouring_adds_a_line_over_the_bands() -> None:
    added = augment.recoloured(X, 0.5, 0.5, rng()) - X
    assert np.allclose(np.diff(added, n=2, axis=2), 0, atol=1e-5)
    assert np.allclose(added, added[:, :1, :, :1], atol=1e-5)
    assert np.abs(added).max() > 0.1


@pytest.mark.parametrize("per_batch", [False, True])
def test_mixup_mixes_labels_as_it_mixes_clips(per_batch: bool) -> None:
    x, y = augment.mixed(X, Y, 0.4, per_batch, rng())
    assert np.allclose(y.sum(axis=1), 1)
    assert np.allclose(np.einsum("ij,jabc->iabc", y, X), x, atol=1e-5)
    own = np.unique(np.round(np.diag(y)[np.diag(y) < 1], 6))
    assert (len(own) == 1) == per_batch


def test_all_together_is_seeded_and_leaves_its_input() -> None:
    before = X.copy()
    first = augment.augmented(X, Y, ALL, rng())
    assert all(np.array_equal(a, b) for a, b in zip(first, augment.augmented(X, Y, ALL, rng()), strict=True))
    assert not np.array_equal(first[0], augment.augmented(X, Y, ALL, rng(2))[0])
    assert np.array_equal(X, before)
    assert first[0].dtype == first[1].dtype == np.float32


def test_nothing_asked_changes_nothing() -> None:
    x, y = augment.augmented(X, Y, Augment(), rng())
    assert np.array_equal(x, X)
    assert np.array_equal(y, Y)


def test_bands_in_front_are_treated_alike() -> None:
    x, y = augment.augmented(X, Y, ALL, rng())
    swapped, y2 = augment.augmented(np.swapaxes(X, 1, 2), Y, ALL, rng(), time_axis=2)
    assert np.array_equal(np.swapaxes(swapped, 1, 2), x)
    assert np.array_equal(y, y2)


def test_crops_are_windows_of_their_clip() -> None:
    for part, clip in zip(augment.cropped(X, 12, rng()), X, strict=True):
        assert any(np.array_equal(part, clip[start : start + 12]) for start in range(9))


def test_another_microphone_is_a_smooth_curve_of_the_asked_size() -> None:
    x = np.zeros((400, 3, 64, 2), np.float32)
    curve = augment.other_microphone(x, 0.5, rng())
    assert np.array_equal(curve, np.broadcast_to(curve[:, :1, :, :1], curve.shape))
    assert abs(float(curve.std()) - 0.5) < 0.05
    assert np.abs(np.diff(curve, axis=2)).max() < 0.4


def test_restyling_takes_the_statistics_of_another_clip() -> None:
    x = X * np.arange(1, 7, dtype=np.float32)[:, None, None, None] + np.arange(6)[:, None, None, None]
    x = x.astype(np.float32)
    told = augment.restyled(x, 0.4, rng())
    mean, spread = x.mean(axis=(1, 3)), x.std(axis=(1, 3))
    assert not np.allclose(told.mean(axis=(1, 3)), mean)
    for clip, other in zip(told, x, strict=True):
        shape = (clip - clip.mean(axis=(0, 2), keepdims=True)) / clip.std(axis=(0, 2), keepdims=True)
        own = (other - other.mean(axis=(0, 2), keepdims=True)) / other.std(axis=(0, 2), keepdims=True)
        assert np.allclose(shape, own, atol=1e-3), "what is left is the clip's own"
    assert told.mean(axis=(1, 3)).min() > mean.min() - 1e-4
    assert told.std(axis=(1, 3)).max() < spread.max() + 1e-3


def test_half_a_batch_may_be_left_as_it_is() -> None:
    x, y = augment.mixed(X, Y, 0.4, True, rng(), half=True)
    assert np.array_equal(x[3:], X[3:])
    assert np.array_equal(y[3:], Y[3:])
    assert not np.array_equal(x[:3], X[:3])


def test_sounds_are_mixed_by_their_energies() -> None:
    levels = augment.Levels(np.full((8, 2), 2.0, np.float32), np.full((8, 2), -3.0, np.float32))
    x, y = augment.mixed_as_sounds(X, Y, 0.5, levels, rng())
    assert np.allclose(y.sum(axis=1), 1)
    energy = np.exp(X.astype(np.float64) * 2 - 3)
    for mixed, target in zip(np.exp(x.astype(np.float64) * 2 - 3), y, strict=True):
        pair = np.flatnonzero(target)
        solution, rest, *_ = np.linalg.lstsq(
            np.stack([energy[n].ravel() for n in pair], axis=1), mixed.ravel(), rcond=None
        )
        assert (
            np.abs(mixed.ravel() - np.stack([energy[n].ravel() for n in pair], axis=1) @ solution).max()
            < 1e-3
        )
        if len(pair) == 2:
            amplitude = np.sqrt(solution)
            assert np.isclose((amplitude**2).sum(), 1, atol=1e-3), "the power is kept"
            assert rest.size == 1


def test_equally_loud_sounds_are_mixed_by_their_shares() -> None:
    levels = augment.Levels(np.ones((8, 2), np.float32), np.zeros((8, 2), np.float32))
    twins = np.zeros((2, 20, 8, 2), np.float32)
    twins[0, :10], twins[1, 10:] = -40.0, -40.0
    for seed in range(40):
        x, y = augment.mixed_as_sounds(twins, np.eye(2, dtype=np.float32), 1.0, levels, rng(seed))
        if y[0, 0] < 1:
            share = y[0, 0]
            power = share**2 + (1 - share) ** 2
            assert np.isclose(np.exp(x[0, 15, 0, 0]), share**2 / power, rtol=1e-3)
            return
    raise AssertionError("never a mixture")
