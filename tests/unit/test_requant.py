# SPDX-License-Identifier: Apache-2.0
"""Cheaper requantizations, tried on every accumulator that they claim to be exact for."""

from __future__ import annotations

import numpy as np
import pytest

from ascmcu.kernels._requant import exact_multipliers, exact_wide_multipliers, lower_requantization
from ascmcu.ops._fixed import I64, quantize_multiplier
from ascmcu.ops._quant import Requantization

REACH = 12_000


def _requantization(rng: np.random.Generator, *, once: bool, channels: int = 3) -> Requantization:
    """Scales that take the accumulators to more than the clamp, to a part of it, or onto halves."""
    wanted = rng.choice([20.0, 127.5, 128.0, 600.0], size=channels)
    scales = [float(v) for v in wanted / REACH * rng.uniform(0.6, 1.4, size=channels)]
    if rng.random() < 0.5:
        scales[0] = 2.0 ** int(rng.integers(-12, -6))
    fixed = [quantize_multiplier(s) for s in scales]
    low = int(rng.choice([-128, -128, -20]))
    return Requantization(
        tuple(scales), tuple(m for m, _ in fixed), tuple(s for _, s in fixed),
        zero_point=int(rng.integers(-128, 128)), low=low, high=127, once=once,
    )  # fmt: skip


def _bounds(rng: np.random.Generator, requant: Requantization) -> tuple[I64, I64]:
    """Anywhere, or exactly where the result takes a step; sometimes with no step between them."""
    channels = len(requant.scales)
    ends = rng.integers(-REACH, REACH + 1, size=(2, channels))
    every = np.arange(-REACH, REACH + 1)
    results = requant.apply(np.repeat(every[:, np.newaxis], channels, axis=1))
    for channel in range(channels):
        steps = np.flatnonzero(np.diff(results[:, channel]))
        if len(steps) > 1 and rng.random() < 0.7:
            at = int(rng.integers(len(steps) - 1))
            ends[0, channel] = every[steps[at] + 1]
            ends[1, channel] = every[steps[at + 1]] if rng.random() < 0.5 else ends[1, channel]
    ends = np.sort(ends, axis=0)
    return ends[0], ends[1]


@pytest.mark.parametrize("once", [False, True], ids=["rounds twice", "rounds once"])
def test_a_high_word_is_exact_where_it_is_claimed(once: bool) -> None:
    rng = np.random.default_rng(11)
    claimed = 0
    for _ in range(120):
        requant = _requantization(rng, once=once)
        bounds, shift = _bounds(rng, requant), rng.integers(1, 12, size=3)
        offset, below = (
            (np.int64(1) << (shift - 1)),
            (np.int64(1) << (shift - 1)) - rng.integers(0, 2, size=3),
        )
        gain = int(rng.choice([1, 256]))
        found = exact_multipliers(requant, bounds, gain=gain, shift=shift, offset=offset, offset_below=below)
        for channel in np.flatnonzero(found):
            claimed += 1
            acc = np.arange(bounds[0][channel], bounds[1][channel] + 1)
            o = np.where(acc >= 0, offset[channel], below[channel])
            got = (((gain * acc * found[channel]) >> 32) + o) >> shift[channel]
            _same(requant, channel, acc, got)
    assert claimed > 20


@pytest.mark.parametrize("once", [False, True], ids=["rounds twice", "rounds once"])
def test_nothing_is_claimed_where_the_reference_leaves_32_bits(once: bool) -> None:
    """By the largest scaled accumulator: beyond half of the range, not even a result that the clamp makes constant."""
    shift, most = np.full(1, 4, np.int64), 1 << 20
    half = np.int64(1) << (shift - 1)
    for scale in (2.0**10 * 1.001, 2.0**12, 2.0**20):
        multiplier, exponent = quantize_multiplier(scale)
        requant = Requantization((scale,), (multiplier,), (exponent,), 0, -128, 127, once)
        for low, high in ((-most, 4), (-4, most), (-most, most)):
            bounds = (np.array([low]), np.array([high]))
            found = exact_multipliers(requant, bounds, gain=1, shift=shift, offset=half, offset_below=half)
            assert not found.any()


@pytest.mark.parametrize("once", [False, True], ids=["rounds twice", "rounds once"])
def test_a_wide_multiplier_is_exact_where_it_is_claimed(once: bool) -> None:
    rng = np.random.default_rng(12)
    claimed = 0
    for _ in range(120):
        requant = _requantization(rng, once=once, channels=1)
        bounds, shift = _bounds(rng, requant), int(rng.integers(6, 14))
        half = np.full(1, 1 << (shift - 1), np.int64)
        found = exact_wide_multipliers(requant, bounds, gain=256, shift=shift, offset=half, offset_below=half)
        if found is None:
            continue
        claimed += 1
        for channel in range(1):
            acc = np.arange(bounds[0][channel], bounds[1][channel] + 1)
            product = 256 * acc * found[0][channel] + ((256 * acc * found[1][channel]) >> 32)
            _same(requant, channel, acc, ((product >> 32) + half[channel]) >> shift)
    assert claimed > 10


@pytest.mark.parametrize("once", [False, True], ids=["rounds twice", "rounds once"])
def test_the_lowered_form_is_exact(once: bool) -> None:
    rng = np.random.default_rng(13)
    forms = set()
    for _ in range(120):
        requant = _requantization(rng, once=once)
        bounds = _bounds(rng, requant)
        params, arrays = lower_requantization(requant, bounds)
        forms.add(params.form)
        constants = dict(arrays)
        if params.form != "high":
            continue
        for channel in range(3):
            acc = np.arange(bounds[0][channel], bounds[1][channel] + 1)
            shift = int(constants["shift"][channel])
            product = (acc * int(constants["multiplier"][channel])) >> 32
            _same(requant, channel, acc, (product + (1 << (shift - 1))) >> shift)
    assert "high" in forms


def _same(requant: Requantization, channel: int, acc: I64, scaled: I64) -> None:
    columns = np.zeros((len(acc), len(requant.scales)), np.int64)
    columns[:, channel] = acc
    expected = requant.apply(columns)[:, channel]
    found = np.clip(scaled + requant.zero_point, requant.low, requant.high)
    wrong = np.flatnonzero(expected != found)
    assert not len(wrong), f"{len(wrong)} of {len(acc)}, first at accumulator {acc[wrong[0]]}: {requant}"
