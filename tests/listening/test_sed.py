# SPDX-License-Identifier: Apache-2.0
"""Figures of sound event detection: events with their ends, and what the field's packages make of them."""

from __future__ import annotations

import dataclasses
from types import ModuleType

import numpy as np
import pytest

from ascmcu import extras
from ascmcu.errors import ToolError
from ascmcu.listening import judging, sed
from ascmcu.listening.decisions import Decisions, DecisionSpec, Rule, integers
from ascmcu.listening.judging import Heard, Truth

HOP_S = 0.5
# Score above zero of one class, hop by hop: two events, one of a single hop, and one that the recording's end cuts off.
SCORES = [0, 0, 100, 120, 90, 60, 0, 0, 110, 0, 0, 0, 0, 127, 127]
FOUND = [Truth(1.0, 3.0, "yes"), Truth(4.0, 4.5, "yes"), Truth(6.5, 7.5, "yes")]


def _decisions(**rule: float) -> Decisions:
    spec = DecisionSpec((Rule("yes", 80 / 128, 50 / 128, **rule),))
    return integers(
        spec, labels=("yes",), classes=1, dtype="int8", scale=1 / 128, zero_point=0, hop_s=HOP_S, hop_values=8000,
        warmup_hops=1,
    )  # fmt: skip


def _heard(scores: list[int]) -> Heard:
    hops = len(scores)
    return Heard(
        np.array(scores, np.int8).reshape(-1, 1), (0,) * hops, tuple(HOP_S * (n + 1) for n in range(hops))
    )


def test_events_have_ends() -> None:
    assert judging.spans(_heard(SCORES), _decisions(), 0) == FOUND
    # Two hops must agree: the single one is none, and the others still begin with their first.
    assert judging.spans(_heard(SCORES), _decisions(minimum_s=1.0), 0) == [FOUND[0], FOUND[2]]
    reported = [r.time_s for r in judging.reports(_heard(SCORES), _decisions(), 0)]
    assert reported == [t.onset_s + HOP_S for t in FOUND]


def test_scores_are_those_that_decide() -> None:
    mean = dataclasses.replace(_decisions(), smoothing="mean", windows=2)
    found = judging.smoothed(_heard(SCORES), mean)
    assert found.shape == (len(SCORES), 1) and found[0, 0] == 0
    assert found[3, 0] == pytest.approx((100 + 120) / 2 / 128)


def test_missing_packages_are_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> ModuleType:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(extras.importlib, "import_module", missing)
    assert "sed_eval" in sed.unavailable() and extras.install("sed") in sed.unavailable()
    with pytest.raises(ToolError, match="event F1 and PSDS need"):
        sed.sed_scores([], FOUND, np.zeros((15, 1)), [HOP_S * n for n in range(16)], ["yes"])


needs_packages = pytest.mark.skipif(bool(sed.unavailable()), reason=f"{extras.install('sed')}")
TIMES = [HOP_S * n for n in range(len(SCORES) + 1)]


def _scores(values: list[float]) -> np.ndarray:
    return np.array(values, np.float64).reshape(-1, 1)


@needs_packages
def test_what_is_right_is_one_and_what_is_wrong_is_none() -> None:
    perfect = _scores([float(any(t.onset_s <= HOP_S * n < t.offset_s for t in FOUND)) for n in range(15)])
    right = sed.sed_scores(FOUND, FOUND, perfect, TIMES, ["yes"])
    assert dataclasses.astuple(right) == pytest.approx((1, 1, 1, 1, 1))
    nothing = sed.sed_scores([], FOUND, _scores([0.0] * 15), TIMES, ["yes"])
    assert dataclasses.astuple(nothing)[:3] == (0, 0, 0)


@needs_packages
def test_figures_counted_by_hand() -> None:
    """Of three events one is found, one a second late, one at its onset but four times too long; one is none."""
    found = [FOUND[0], Truth(5.0, 5.5, "yes"), Truth(6.5, 6.8, "yes"), Truth(0.0, 0.4, "yes")]
    told = sed.sed_scores(found, FOUND, _scores([0.0] * 15), TIMES, ["yes"])
    assert told.event_f1 == pytest.approx(2 * 1 / (3 + 4))
    assert told.onset_f1 == pytest.approx(2 * 2 / (3 + 4))


@needs_packages
def test_a_part_begins_at_its_own_zero() -> None:
    """The second half of a recording gives what the same events at its start give."""
    perfect = _scores([1.0, 1.0, 0.0, 0.0, 1.0, 0.0])
    events = [Truth(0.0, 1.0, "yes"), Truth(2.0, 2.5, "yes")]
    later = [Truth(t.onset_s + 10, t.offset_s + 10, t.label) for t in events]
    times = [HOP_S * n for n in range(7)]
    told = sed.sed_scores(later, [Truth(1.0, 2.0, "yes"), *later], perfect, [10 + t for t in times], ["yes"])
    assert told == sed.sed_scores(events, events, perfect, times, ["yes"])
    assert told.event_f1 == 1


@needs_packages
def test_two_classes_and_a_recording_of_several_parts() -> None:
    """Ten minutes: perfect scores give 1, and those of the other class give less in the scenario that minds."""
    hops = 1200
    times = [HOP_S * n for n in range(hops + 1)]
    truths = [Truth(30.0 * n, 30.0 * n + 2, ("yes", "no")[n % 2]) for n in range(20)]
    scores = np.zeros((hops, 2))
    for event in truths:
        scores[int(event.onset_s / HOP_S) : int(event.offset_s / HOP_S), int(event.label == "no")] = 1
    assert len(sed._cuts(truths, np.array(times))) > 5
    told = sed.sed_scores(truths, truths, scores, times, ["yes", "no"])
    assert dataclasses.astuple(told) == pytest.approx((1, 1, 1, 1, 1))
    confused = sed.sed_scores(truths, truths, scores[:, ::-1] + scores, times, ["yes", "no"])
    assert confused.psds2 < 0.9
