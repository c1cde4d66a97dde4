# SPDX-License-Identifier: Apache-2.0
"""The bounds and figures of comparisons of features, by hand."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

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


def test_figures_of_parity_by_hand() -> None:
    """Of four values one is below the floor; of five inputs one is two steps off."""
    error, above = np.array([0.3, -0.0, 0.4, 9.0]), np.array([True, True, True, False])
    step = np.array([0.0, 0.0, 2.0, 0.0, 1.0])
    found = parity._figures(2, error, above, step)
    assert dataclasses.replace(found, error_db_rms=0.0) == Parity(2, 4, 3, 0.4, 0.0, 9.0, 5, 60.0, 2)
    assert found.error_db_rms == pytest.approx(0.5 / 3**0.5)
    silent = parity._figures(1, error, np.zeros(4, bool), step)
    assert (silent.values_above, silent.error_db_max, silent.error_db_rms) == (0, 0.0, 0.0)


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


@pytest.mark.parametrize("trusted", [0, 1])
def test_what_is_not_trusted_is_in_no_mean(trusted: int) -> None:
    """One value of each row and bin, or none at all: no mean of nothing, and none of twice as many."""
    kept = np.zeros((1, *SPEC.shape), bool)
    for n in range(trusted * min(SPEC.shape[:2])):
        kept[0, n, n] = True
    search = SimpleNamespace(trusted=lambda n, spec: kept[n])
    made = np.zeros(kept.shape, np.float32)
    wanted = made + np.float32(2.0)
    spec = SPEC.replace(log="db", log_offset=0.0, log_floor=1e-10)
    found, by_row, by_bin, _ = reference._distance(spec, search, made, wanted, made == wanted)  # type: ignore[arg-type]
    each = 2.0 * trusted
    assert (found.worst, found.mean) == pytest.approx((each, each)) and found.plain_mean == 2.0
    rows, bins = kept.any(axis=(0, 2, 3)), kept.any(axis=(0, 1, 3))
    assert by_row == pytest.approx(each * rows) and by_bin == pytest.approx(each * bins)


def test_the_first_clip_says_how_a_square_lies() -> None:
    """Rows and bins are as many: both orders have the right shape, and other clips are not asked."""
    spec = SPEC.replace(n_mels=SPEC.shape[0], log="ln", log_offset=1e-6)
    noise = np.random.default_rng(4).uniform(-0.5, 0.5, (2, spec.clip_samples))
    recordings = [Recording(str(n), x, 16000) for n, x in enumerate(noise)]
    search = Search(recordings, np.zeros((2, *spec.shape), np.float32), lambda x: x)
    upright = np.stack([search.features(n, spec) for n in range(2)])
    lying = upright.transpose(0, 2, 1, 3)
    first_upright = np.stack([upright[0], lying[1] + 100])
    first_lying = np.stack([lying[0], upright[1] - 100])
    for floats, expected in (([first_upright, first_lying], 0), ([first_lying, first_upright], 1)):
        assert reference._nearest_order(spec, recordings, floats, lambda x: x) == expected
    # One that is near in the first clip alone is taken, however many clips there are.
    assert reference._nearest_order(spec, recordings[:1], [upright, lying], lambda x: x) == 0
    far = [upright + np.array([0.1, 9.0], np.float32)[:, None, None, None], upright + np.float32(0.2)]
    assert reference._nearest_order(spec, recordings, far, lambda x: x) == 0
    assert reference._nearest_order(spec, recordings, [lying], lambda x: x) == 0


@pytest.mark.parametrize(("together", "taken"), [(0.7, True), (0.79, True), (0.81, False), (1.5, False)])
@pytest.mark.parametrize("singles", [(), (1.0,), (1.0, 3.0)])
def test_options_together_must_be_clearly_nearer_than_the_nearest_one(
    singles: tuple[float, ...], together: float, taken: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At most 0.8 times as far as the nearest single option, or as the spec itself where none is nearer."""
    start = 10.0 if singles else 1.0

    def step(mean: float) -> SimpleNamespace:
        return SimpleNamespace(
            distance=Distance(worst=mean, mean=mean, unit="dB", equal_percent=0.0, plain_mean=mean)
        )

    search = SimpleNamespace(
        fitted=lambda spec: spec, distance=lambda spec: step(start).distance,
        neighbours=lambda spec, progress: [step(mean) for mean in (*singles, 2 * start)],
        nearest=lambda spec, near: step(together),
    )  # fmt: skip
    monkeypatch.setattr(reference, "Search", lambda *_: search)
    monkeypatch.setattr(reference, "is_near", lambda distance, quantized: False)
    recordings = [Recording("a", np.zeros(SPEC.clip_samples), 16000)]
    values = np.zeros((1, *SPEC.shape), np.float32)
    ref = SimpleNamespace(is_quantized=False)
    found, several = reference._search(SPEC, recordings, values, lambda x: x, ref, lambda *_: None)  # type: ignore[arg-type, return-value]
    assert [one.distance.plain_mean for one in found] == [*singles] and (several is not None) == taken


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
