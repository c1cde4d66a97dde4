# SPDX-License-Identifier: Apache-2.0
"""Events against the truth, counted by hand; mixtures at the ratios that they state."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from ascmcu import tables
from ascmcu.listening import judging, mixing
from ascmcu.listening.decisions import Decisions, DecisionSpec, integers
from ascmcu.listening.judging import Heard, Judged, Point, Report, Truth, det, judge, operating_point, reports
from ascmcu.listening.mixing import Clip

TRUTHS = (Truth(10, 12, "yes"), Truth(30, 31, "yes"), Truth(70, 72, "yes"))


def _at(*times: float) -> list[Report]:
    return [Report(t, "yes", 0.9) for t in times]


ROWS = [
    ("all found at once", _at(10, 30, 70), (0, 100), 0, [0, 0, 0]),
    ("at the end of what is tolerated", _at(13, 32, 73), (0, 100), 0, [3, 2, 3]),
    ("just behind it", _at(13.1), (0, 100), 1, []),
    ("before the onset", _at(9.9, 10.5), (0, 100), 1, [0.5]),
    ("twice the same", _at(10.5, 11.5), (0, 100), 0, [0.5]),
    ("another part of the recording", _at(10.5, 50, 70.5, 90), (60, 100), 1, [0.5]),
    ("found behind the part in which it began", _at(72.5), (0, 71), 0, [2.5]),
]


@pytest.mark.parametrize(
    ("found", "span", "accepts", "delays"), [r[1:] for r in ROWS], ids=[r[0] for r in ROWS]
)
def test_reports_against_the_truth(
    found: list[Report], span: tuple[float, float], accepts: int, delays: list[float]
) -> None:
    judged = judge(found, TRUTHS, span, 1.0)
    assert judged.false_accepts == accepts
    assert judged.delays_s == pytest.approx(delays)
    assert judged.truths == sum(span[0] <= t.onset_s < span[1] for t in TRUTHS)


def test_rates() -> None:
    judged = Judged(1800, 4, 3, (0.5, 0.7, 0.9))
    assert (judged.misses, judged.miss_rate, judged.false_accepts_per_hour) == (1, 0.25, 6.0)
    assert judged.f1 == pytest.approx(2 * 3 / (4 + 3 + 3))
    assert Judged(60, 0, 0, ()).miss_rate == 0 and Judged(60, 0, 0, ()).f1 == 0


def test_the_operating_point() -> None:
    points = [Point(0.9, 0, 0.5), Point(0.8, 0.9, 0.2), Point(0.7, 1.0, 0.2), Point(0.6, 4, 0.1)]
    assert operating_point(points, 1.0).threshold == 0.8  # the middle of two is the higher one
    assert operating_point(points, 10).threshold == 0.6
    assert operating_point(points[3:], 1.0).threshold == 0.6
    assert operating_point([Point(t / 10, 0, 0.1) for t in range(2, 9)], 1.0).threshold == 0.5


def _decisions() -> Decisions:
    spec = tables.build(DecisionSpec, {"event": [{"label": "yes", "on": 0.5, "off": 0.3}]}, "")
    return integers(
        spec, labels=("no", "yes"), classes=2, dtype="uint8", scale=1 / 256, zero_point=0, hop_s=1.0, hop_values=1,
        warmup_hops=0,
    )  # fmt: skip


def _heard(scores: list[int]) -> Heard:
    outputs = np.array([[255 - s, s] for s in scores], np.uint8)
    return Heard(outputs, (1,) * len(scores), tuple(float(n + 1) for n in range(len(scores))))


def test_a_lower_threshold_finds_more_and_more_that_is_not_there() -> None:
    # True at 5 s to 6 s with a score of 150; something else scores 180 at 10 s, and 60 at 15 s.
    scores = [0] * 20
    scores[5], scores[10], scores[15] = 150, 180, 60
    heard = _heard(scores)
    truth = (Truth(5.0, 6.0, "yes"),)
    assert [r.time_s for r in reports(heard, _decisions(), 0)] == [6.0, 11.0]
    by_threshold = {round(p.threshold * 256): p for p in det(heard, _decisions(), 0, truth, (0, 20), 1.0)}
    assert by_threshold.pop(0).miss_rate == 1  # it begins with the first hop and never ends
    for threshold, point in by_threshold.items():
        assert point.miss_rate == (threshold > 150)
        assert point.false_accepts_per_hour == 180 * ((threshold <= 180) + (threshold <= 60))


def test_a_changed_threshold_keeps_its_hysteresis_in_proportion() -> None:
    changed = judging.with_threshold(_decisions(), 0, 50 * 256)
    rule, before = changed.rules[0], _decisions().rules[0]
    assert (rule.on, rule.off) == (50 * 256, 50 * 256 * before.off // before.on)
    assert dataclasses.replace(rule, on=before.on, off=before.off) == before


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 12.0])
def test_a_mixture_has_the_ratio_that_it_states(snr_db: float) -> None:
    rate, rng = 8000, np.random.default_rng(3)
    tone = np.concatenate([np.zeros(4000), 0.3 * np.sin(np.arange(16000)), np.zeros(4000)])
    under = mixing.background(60 * rate, rate, rng)
    pcm, truths = mixing.mix([Clip("tone", tone)], under, rate, [snr_db], rng)
    assert len(pcm) == len(under) and len(truths) > 4
    added = pcm / 32768 - under
    for truth in truths:
        assert truth.offset_s - truth.onset_s == pytest.approx(2.0, abs=0.05)
        part = slice(round(truth.onset_s * rate), round(truth.offset_s * rate))
        found = 10 * np.log10(np.mean(added[part] ** 2) / np.mean(under[part] ** 2))
        assert found == pytest.approx(snr_db, abs=0.2)
    outside = np.ones(len(pcm), bool)
    for truth in truths:
        outside[round(truth.onset_s * rate) - 1 : round(truth.offset_s * rate) + 1] = False
    assert np.abs(added[outside]).max() <= 1 / 32768


def test_a_mixture_is_the_same_for_the_same_seed() -> None:
    def made(seed: int) -> tuple[bytes, tuple[Truth, ...]]:
        rng = np.random.default_rng(seed)
        clips = [Clip(name, rng.normal(size=4000)) for name in "ab"]
        pcm, truths = mixing.mix(clips, mixing.background(160000, 8000, rng), 8000, [0, 6], rng)
        return pcm.tobytes(), truths

    assert made(1) == made(1) != made(2)
