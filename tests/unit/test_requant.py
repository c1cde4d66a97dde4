# SPDX-License-Identifier: Apache-2.0
"""Cheaper requantizations, tried on every accumulator that they claim to be exact for."""

from __future__ import annotations

import bisect
import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

from ascmcu.ir.types import DType, Quantization, Tensor
from ascmcu.kernels import _requant
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


def _multipliers(
    requant: Requantization, channel: int, acc: int, gain: int, shift: int, offset: int
) -> range:
    """All M that give the reference's result for one accumulator: they are neighbours, since results rise with M or
    fall with it."""
    every, sign = range(1, 1 << 31), -1 if acc < 0 else 1

    def result(m: int) -> int:
        scaled = (((gain * acc * m) >> 32) + offset) >> shift
        return sign * min(max(scaled + requant.zero_point, requant.low), requant.high)

    column = np.zeros((1, len(requant.scales)), np.int64)
    column[0, channel] = acc
    wanted = sign * int(requant.apply(column)[0, channel])
    return every[
        bisect.bisect_left(every, wanted, key=result) : bisect.bisect_right(every, wanted, key=result)
    ]


@pytest.mark.parametrize("shared", [False, True], ids=["each its own", "one for all"])
@pytest.mark.parametrize("once", [False, True], ids=["rounds twice", "rounds once"])
def test_a_multiplier_is_found_where_there_is_one(once: bool, shared: bool) -> None:
    """Found by trying every accumulator, not only those beside the steps: so nothing is refused in vain either."""
    rng = np.random.default_rng(14)
    found_some = found_none = 0
    for number in range(60):
        scales = [float(s) for s in rng.choice([0.02, 0.11, 0.3, 0.4], 2) * rng.uniform(0.9, 1.1, 2)]
        scales = [scales[0], scales[0] * (1 + 1e-4)] if shared else scales
        fixed = [quantize_multiplier(s) for s in scales]
        requant = Requantization(tuple(scales), tuple(m for m, _ in fixed), tuple(s for _, s in fixed),
                                 int(rng.integers(-9, 9)), -8, int(rng.choice([7, 40])), once)  # fmt: skip
        low, high = np.sort(rng.integers(-60, 61, size=(2, 2)), axis=0)
        shift = rng.integers(1, 3 if number % 2 else 8, size=2)
        offset = np.int64(1) << (shift - 1)
        below = offset - rng.integers(0, 2, size=2)
        gain = int(rng.choice([1, 256]))
        found = exact_multipliers(
            requant, (low, high), gain=gain, shift=shift, offset=offset, offset_below=below, shared=shared
        )
        ranges = []
        for channel in range(2):
            right = range(1, 1 << 31)
            for acc in range(int(low[channel]), int(high[channel]) + 1):
                o = int((offset if acc >= 0 else below)[channel])
                each = _multipliers(requant, channel, acc, gain, int(shift[channel]), o)
                right = range(max(right.start, each.start), min(right.stop, each.stop))
            ranges.append(right)
        if shared:
            ranges = [range(max(r.start for r in ranges), min(r.stop for r in ranges))] * 2
        for m, right in zip(
            found.tolist(), ranges, strict=True
        ):  # an int: NumPy's would be sought one by one
            found_some, found_none = found_some + (m > 0), found_none + (m == 0)
            assert (m > 0) == (len(right) > 0) and (m == 0 or m in right)
    assert found_some > 20 and found_none > 5


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({}, True), ({"shift": 0}, False), ({"scale": 0.0}, False), ({"scale": -0.25}, False),
        ({"high": (1 << 31) - 1}, True), ({"high": 1 << 31}, False), ({"low": -(1 << 31)}, True),
        ({"low": -(1 << 31) - 1}, False),
    ],
)  # fmt: skip
def test_what_is_beyond_the_proof_is_refused(change: dict[str, float], found: bool) -> None:
    scale, shift = float(change.get("scale", 2.0**-9)), int(change.get("shift", 4))
    multiplier, exponent = quantize_multiplier(abs(scale)) if scale else (0, 0)
    requant = Requantization((scale,), (multiplier,), (exponent,), 0, -128, 127, True)
    bounds = tuple(np.array([int(change.get(name, value))]) for name, value in (("low", -9), ("high", 9)))
    half = np.array([1 << max(shift - 1, 0)])
    m = exact_multipliers(requant, bounds, gain=1, shift=np.array([shift]), offset=half, offset_below=half)  # type: ignore[arg-type]
    assert (m[0] > 0) == found


def test_steps_are_found_from_any_guess() -> None:
    """The first accumulator of each result, as trying every accumulator finds it; near guesses in one call."""
    rng = np.random.default_rng(15)
    near = 0
    for _ in range(60):
        requant = _requantization(rng, once=bool(rng.random() < 0.5))
        low, high = (
            bound[:, np.newaxis] for bound in np.sort(rng.integers(-3000, 3001, size=(2, 3)), axis=0)
        )
        least, most = (_requant._scaled(requant, bound) for bound in (low, high))
        wanted = np.clip(np.arange(-30, 31), least, most)
        expected = np.empty(wanted.shape, np.int64)
        for channel in range(3):
            every = np.arange(low[channel, 0], high[channel, 0] + 1)
            results = _requant._scaled(requant, np.repeat(every[np.newaxis], 3, axis=0))[channel]
            expected[channel] = every[np.searchsorted(results, wanted[channel])]
        for off in (0, 1, 2, 3, 200, 5000):
            guess = np.clip(expected + rng.integers(-off, off + 1, size=expected.shape), low, high)
            assert np.array_equal(_requant._bisected(requant, wanted, guess, low, high), expected)
            found = _requant._near_steps(requant, wanted, guess, low, high)
            assert found is None or np.array_equal(found, expected)
            close = np.abs(guess - expected).max() <= (1 if off else 2)
            assert found is not None or not close
            near += found is not None
    assert 60 < near < 300


@pytest.mark.parametrize("dtype", [DType.INT8, DType.UINT8])
def test_bounds_of_accumulators_are_met(dtype: DType) -> None:
    """By some input: each tap has the lowest or the highest value, or lies outside and counts as zero."""
    rng = np.random.default_rng(16)
    for zero_point in (dtype.integer_range[0], 3, dtype.integer_range[1]):
        weights, bias = rng.integers(-128, 128, size=(4, 3)).astype(np.int8), rng.integers(-99, 99, size=4)
        weights[0], weights[1] = 0, np.abs(weights[1])
        x = Tensor("x", (1, 3), dtype, Quantization((0.1,), (zero_point,)))
        low, high = _requant.accumulator_bounds(weights, bias, x)
        values = [v - zero_point for v in dtype.integer_range] + [0]
        sums = np.array([weights.astype(int) @ taps + bias for taps in itertools.product(values, repeat=3)])
        assert np.array_equal(low, sums.min(axis=0)) and np.array_equal(high, sums.max(axis=0))


@pytest.mark.parametrize("once", [False, True], ids=["rounds twice", "rounds once"])
def test_a_wide_multiplier_is_taken_exactly_where_it_is_exact(once: bool) -> None:
    """The scale in 2^-64 of the product's unit, cut into words; then every accumulator decides, not only the steps."""
    rng = np.random.default_rng(17)
    taken = left = 0
    for number in range(130):
        # The low word shows where accumulators are large: a few, since each is tried.
        reach = REACH if number < 120 else 1 << 20
        scale = float(rng.uniform(0.3, 0.5) * 2.0 ** -int(rng.integers(0, 12) if number < 120 else 12))
        multiplier, exponent = quantize_multiplier(scale)
        zero_point = int(rng.integers(-9, 9))
        requant = Requantization((scale,), (multiplier,), (exponent,), zero_point, -128, 127, once)
        low, high = np.sort(rng.integers(-reach, reach + 1, size=2))
        shift, gain = int(rng.integers(6, 10)), int(rng.choice([1, 256])) if number < 120 else 256
        half = np.full(1, (1 << (shift - 1)) - int(rng.integers(0, 2)), np.int64)
        bounds = (np.array([low]), np.array([high]))
        found = exact_wide_multipliers(
            requant, bounds, gain=gain, shift=shift, offset=half, offset_below=half
        )
        exact = Fraction(scale) if once else Fraction(multiplier, 1 << 31) * Fraction(2) ** exponent
        whole = math.floor(exact * 2 ** (64 + shift) / gain + Fraction(1, 2))
        m = (whole + (1 << 31)) >> 32
        f = whole - (m << 32)
        acc = np.arange(low, high + 1)
        got = ((gain * acc * m + ((gain * acc * f) >> 32)) >> 32) + half[0] >> shift
        right = np.array_equal(
            np.clip(got + zero_point, -128, 127), requant.apply(acc[:, np.newaxis])[:, 0]
        ) and 0 < m < 1 << 31  # fmt: skip
        taken, left = taken + right, left + (not right)
        assert (found is not None) == right
        assert found is None or (found[0][0], found[1][0]) == (m, f)
    assert taken > 15 and left > 5
