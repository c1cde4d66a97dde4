# SPDX-License-Identifier: Apache-2.0
"""Fixed-point arithmetic against exact fractions, at every boundary that rounding, sign and width have."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

from ascmcu.ops import _fixed

INT32 = (-(1 << 31), (1 << 31) - 1)
EDGES = sorted(
    {
        0,
        1,
        -1,
        2,
        -2,
        3,
        -3,
        1 << 30,
        (1 << 30) - 1,
        (1 << 30) + 1,
        -(1 << 30),
        -(1 << 30) - 1,
        *INT32,
        INT32[0] + 1,
    }
)
SCALES = np.random.default_rng(2).uniform(1e-6, 4.0, 200)
RANDOM = [int(v) for v in np.random.default_rng(5).integers(*INT32, 40)]


def _half_away(value: Fraction) -> int:
    return math.floor(abs(value) + Fraction(1, 2)) * (1 if value >= 0 else -1)


def test_what_leaves_32_bits_wraps() -> None:
    for value in (*EDGES, 1 << 31, (1 << 31) + 5, -(1 << 31) - 1, 1 << 40, (1 << 33) + 7):
        expected = (value + (1 << 31)) % (1 << 32) - (1 << 31)
        assert _fixed.wrap32(np.array([value], np.int64))[0] == expected


@pytest.mark.parametrize("value", [0.0, 0.4999, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5, -0.4999, 7.0])
def test_halves_go_away_from_zero(value: float) -> None:
    expected = _half_away(Fraction(value))
    assert _fixed.round_half_away(value) == expected
    assert _fixed.round_away(np.array([value], np.float32))[0] == expected
    assert _fixed.scale_once(np.array([2]), value / 2)[0] == expected
    assert _fixed.round_bounded(np.array([value], np.float32))[0] == expected


def test_float_rounding_keeps_to_single_precision() -> None:
    below = np.nextafter(np.float32(0.5), np.float32(0))
    assert list(_fixed.round_away(np.array([below, -below, 8388607.5, -8388607.5], np.float32))) == [
        0, 0, 8388608, -8388608,
    ]  # fmt: skip
    assert list(_fixed.round_bounded(np.array([1e30, -1e30, 131072.4, -1024.4], np.float32))) == [
        131072, -131072, 131072, -1024,
    ]  # fmt: skip


def test_a_double_that_int32_cannot_hold_is_the_lowest_integer() -> None:
    below = np.nextafter(0.5, 0)
    assert list(_fixed.scale_once(np.array([1, 1, -1]), np.array([below, 0.5, 0.5]))) == [0, 1, -1]
    x, scale = np.array([1, 1, 1, -1, -1]), np.array([2.0**31 - 1, 2.0**31, 1e300, 2.0**31, 2.0**31 + 1])
    assert list(_fixed.scale_once(x, scale)) == [INT32[1], *[INT32[0]] * 4]


@pytest.mark.parametrize(
    ("real", "expected"),
    [
        (0.0, (0, 0)), (1.0, (1 << 30, 1)), (0.5, (1 << 30, 0)), (0.75, (3 << 29, 0)), (2.0**-32, (1 << 30, -31)),
        (2.0**-33, (0, 0)), (1 - 2.0**-40, (1 << 30, 1)), (3.5, (7 << 28, 2)),
        (2.0**-32 * (1 - 2.0**-40), (1 << 30, -31)),
    ],
)  # fmt: skip
def test_multipliers_have_31_bits(real: float, expected: tuple[int, int]) -> None:
    assert _fixed.quantize_multiplier(real) == expected


def test_multipliers_are_the_nearest() -> None:
    for real in SCALES:
        mantissa, shift = _fixed.quantize_multiplier(float(real))
        assert 1 << 30 <= mantissa < 1 << 31
        assert mantissa == _half_away(Fraction(float(real)) * 2 ** (31 - shift))


def test_the_doubling_high_product_rounds_to_nearest_and_saturates_once() -> None:
    for a, b in itertools.product([*EDGES, *RANDOM[:12]], repeat=2):
        total = a * b + (1 << 30 if a * b >= 0 else 1 - (1 << 30))
        expected = min(int(Fraction(total, 1 << 31)) if total >= 0 else -(-total >> 31), INT32[1])
        assert _fixed.saturating_rounding_doubling_high_mul(np.array([a]), b)[0] == expected, (a, b)


@pytest.mark.parametrize("exponent", [0, 1, 2, 7, 30, 31])
def test_division_by_a_power_rounds_halves_away(exponent: int) -> None:
    halves = [n * (1 << exponent) // 2 + d for n in (-5, -3, -1, 1, 3, 5) for d in (-1, 0, 1)]
    for x in (*EDGES, *RANDOM, *halves):
        expected = _half_away(Fraction(x, 1 << exponent))
        assert _fixed.rounding_divide_by_pot(np.array([x]), exponent)[0] == expected, x


@pytest.mark.parametrize("shift", [-8, -1, 0, 1, 3])
def test_two_roundings_behind_each_other(shift: int) -> None:
    multiplier = 1_518_500_250
    for x in (0, 1, -1, 100, -100, 12_345, -12_345, 1 << 26, -(1 << 26)):
        first = _fixed.saturating_rounding_doubling_high_mul(np.array([x << max(shift, 0)]), multiplier)
        expected = _half_away(Fraction(int(first[0]), 1 << max(-shift, 0)))
        found = _fixed.multiply_by_quantized_multiplier(np.array([x]), multiplier, shift)
        assert found[0] == expected


@pytest.mark.parametrize(
    ("scaled", "zero_point", "expected"),
    [
        (5, 3, 8),
        (200, 0, 127),
        (-200, 0, -128),
        (124, 3, 127),
        (124, 4, 127),
        (INT32[1], 1, -128),
        (INT32[0], -1, 127),
    ],
)
def test_outputs_are_moved_and_clamped(scaled: int, zero_point: int, expected: int) -> None:
    """The zero point is added in 32 bits, which may wrap."""
    assert _fixed.to_output(np.array([scaled], np.int64), zero_point, -128, 127)[0] == expected


@pytest.mark.parametrize("integer_bits", [0, 1, 4, 5, 6])
def test_exponentials_are_near_the_true_ones(integer_bits: int) -> None:
    scale = 2.0 ** (31 - integer_bits)
    points = np.unique(np.concatenate([-np.geomspace(1, 2.0**31, 60).astype(np.int64), [-1, 0, INT32[0]]]))
    found = _fixed.exp_on_negative_values(points, integer_bits)
    true = np.exp(points / scale) * 2.0**31
    assert found[-1] == INT32[1] and np.all(np.diff(found) >= 0)
    assert np.abs(found - true).max() < 2.0**31 * 3e-7


def test_reciprocals_are_near_the_true_ones() -> None:
    points = np.linspace(0, INT32[1], 101).astype(np.int64)
    true = 2.0**31 / (1 + points / 2.0**31)
    assert np.abs(_fixed.one_over_one_plus_x(points) - true).max() < 40
