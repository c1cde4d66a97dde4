# SPDX-License-Identifier: Apache-2.0
"""The bounds and figures of comparisons of features, by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from ascmcu.benchmark import parity, reference
from ascmcu.benchmark.parity import Equality, Heard, Parity
from ascmcu.benchmark.reference import Answer, Comparison
from ascmcu.errors import DataError
from ascmcu.features.microspec import MicroSpec
from ascmcu.features.neighbours import Distance, Recording, Search
from ascmcu.features.spec import FeatureSpec

PARITY = Parity(3, 100, 90, 0.01, 0.001, 5.0, 1000, 99.9, 1)
NEAR = Distance(worst=0.01, mean=0.001, unit="dB", equal_percent=99.9, plain_mean=0.002)
SPEC = FeatureSpec(clip_samples=4000, n_fft=512, win_length=512, hop_length=256, n_mels=24)


def test_parity_holds_at_its_bounds_and_not_beyond() -> None:
    assert PARITY.holds
    assert not dataclasses.replace(PARITY, error_db_max=0.0101).holds
    assert not dataclasses.replace(PARITY, equal_percent=99.89).holds
    assert Equality(1, 10, 10).holds and not Equality(1, 10, 9).holds


def test_near_is_both_or_equal_integers_alone() -> None:
    far = dataclasses.replace(NEAR, worst=0.0101)
    assert reference.is_near(NEAR, quantized=False) and not reference.is_near(far, quantized=False)
    assert reference.is_near(far, quantized=True)
    assert reference.is_near(dataclasses.replace(far, unit="units"), quantized=False)
    unequal = dataclasses.replace(NEAR, equal_percent=99.89)
    assert not any(reference.is_near(unequal, quantized=q) for q in (False, True))


def test_nearer_is_five_percent_and_in_decibels_too() -> None:
    start = dataclasses.replace(NEAR, mean=1.0, plain_mean=1.0)
    for mean, plain, unit, expected in (
        (0.9, 0.949, "dB", True), (0.9, 0.951, "dB", False), (1.0, 0.9, "dB", False), (1.1, 0.9, "dB", False),
        (1.1, 0.9, "units", True), (0.9, 0.96, "units", False),
    ):  # fmt: skip
        found = dataclasses.replace(start, mean=mean, plain_mean=plain, unit=unit)
        assert reference._is_nearer(found, start) is expected, (mean, plain, unit)


@pytest.mark.parametrize("shift", [-2, -1, 0, 1, 2])
def test_rows_that_are_late_or_early(shift: int) -> None:
    made = np.random.default_rng(2).normal(size=(2, 9, 4, 1)).astype(np.float32)
    assert reference._shift(made, np.roll(made, shift, axis=1)) == shift
    assert reference._shift(made, -made) == 0, "no shift explains that"
    assert reference._shift(made[:, :1], made[:, :1]) == 0


def test_a_shift_must_explain_most() -> None:
    rows = np.zeros((1, 8, 1, 1), np.float32)
    rows[0, :, 0, 0] = [0, 9, 0, 0, 9, 0, 0, 0]
    late = np.roll(rows, 1, axis=1)
    for error, expected in ((0.1, 1), (0.8, 1), (1.3, 0)):
        # Without a shift four of eight rows are 9 off: 4.5 in the mean, of which a fifth may be left.
        assert reference._shift(rows, late + np.float32(error)) == (expected if error < 0.9 else 0)


def test_where_and_by_how_much_features_differ() -> None:
    spec = SPEC.replace(log="db", log_offset=0.0, log_floor=1e-10)
    noise = np.random.default_rng(4).uniform(-0.5, 0.5, (2, 4000))
    search = Search([Recording(str(n), x, 16000) for n, x in enumerate(noise)], np.zeros((2, *spec.shape), np.float32),
                    lambda x: x)  # fmt: skip
    made = np.stack([search.features(n, spec) for n in range(2)])
    wanted = made.copy()
    wanted[1, 3, 5, 0] += 2.0
    wanted[0, 3, 6, 0] -= 1.0
    found, by_row, by_bin, worst_at = reference._distance(spec, search, made, wanted, made == wanted)
    rows, bins = spec.shape[:2]
    assert worst_at == (1, 3, 5, 0) and found.unit == "dB"
    assert found.worst == pytest.approx(2.0, abs=1e-4)
    assert found.mean == found.plain_mean == pytest.approx(3.0 / (2 * rows * bins), rel=1e-4)
    assert found.equal_percent == pytest.approx(100 * (1 - 2 / (2 * rows * bins)))
    assert by_row == pytest.approx([3 / (2 * bins) if n == 3 else 0 for n in range(rows)], abs=1e-5)
    assert by_bin == pytest.approx([{5: 1.0, 6: 0.5}.get(n, 0) / rows for n in range(bins)], abs=1e-5)


def test_the_range_of_an_input_holds_zero_and_all_values() -> None:
    for low, high in ((-3.0, 7.0), (2.0, 5.0), (-5.0, -2.0)):
        q = parity.quantization_for([np.array([low, 0.5 * (low + high)]), np.array([high], np.float32)])
        whole_low, whole_high = min(low, 0.0), max(high, 0.0)
        assert q.scale == pytest.approx((whole_high - whole_low) / 255) and q.dtype == "int8"
        assert q.scale * (-128 - q.zero_point) == pytest.approx(whole_low, abs=q.scale)
        assert q.scale * (127 - q.zero_point) == pytest.approx(whole_high, abs=q.scale)
    assert parity.quantization_for([np.zeros(3, np.float32)]).scale == pytest.approx(1e-6 / 255)
    with pytest.raises(DataError, match="no clips"):
        parity.quantization_for([])


def test_without_clips_nothing_is_compared() -> None:
    with pytest.raises(DataError, match="no clips to compare on"):
        parity.check(SPEC, [], parity.Quantization(0.1, 0))
    with pytest.raises(DataError, match="no clips to compare on"):
        parity.check_integers(MicroSpec(), [])


def test_the_margin_of_an_answer() -> None:
    heard = Heard(np.array([0.1, 0.7, 0.2]), np.array([0.6, 0.3, 0.1]))
    assert not heard.agree and heard.margin_percent == pytest.approx(50.0)
    assert Heard(heard.librosa, np.array([0.0, 1.0, 0.0])).agree
    assert Heard(np.array([-3.0, 1.0]), np.zeros(2)).margin_percent == pytest.approx(100.0)
    assert Heard(np.zeros(2), np.zeros(2)).margin_percent == 0.0


def test_a_comparison_names_the_clips_that_get_another_class() -> None:
    answers = (Answer("a", 1, 1, 5.0), Answer("b", 0, 2, 1.0))
    made = Comparison(("a", "b"), NEAR, (), (), (0, 0, 0, 0), "", False, False, 0, (), None, answers)
    assert made.holds and [a.name for a in made.differing] == ["b"]
    loose = dataclasses.replace(made, distance=dataclasses.replace(NEAR, worst=1.0))
    assert not loose.holds and dataclasses.replace(loose, quantized=True).holds
