# SPDX-License-Identifier: Apache-2.0
"""The result of a long recording: events, rates, curve, operating point; and its page with a timeline."""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from ascmcu.listening.judging import Judged, Point, Report, Truth
from ascmcu.listening.sed import SedScores
from ascmcu.results.page import standalone

# Pixels of the page's drawings, and seconds of a line of the timeline.
_WIDTH, _LINE_S, _LINE, _CURVE = 960, 300.0, 46, 320


@dataclass(frozen=True)
class RuleResult:
    """One rule.

    Attributes:
        label: its class.
        as_exported: at the threshold of the export, over the whole recording.
        curve: thresholds over the part that is for choosing.
        chosen: the operating point.
        judged: at that threshold, over the part that is not for choosing.
        reports: at that threshold, over the whole recording.
    """

    label: str
    as_exported: Judged
    curve: tuple[Point, ...]
    chosen: Point
    judged: Judged
    reports: tuple[Report, ...]


@dataclass(frozen=True)
class StreamResult:
    """A long recording through a firmware.

    Attributes:
        model, board, runner: what ran where.
        recording: its file.
        seconds: of the recording, in whole hops.
        hops: how many.
        chosen_on_s: where the part that is for choosing ends.
        most_per_hour: false accepts that were allowed when the thresholds were chosen.
        tolerance_s: behind the end of a true event.
        lost_samples: that the firmware did not take.
        counts: what ``worst_count`` and ``mean_count`` are: cycles, instructions, or none.
        worst_count, mean_count: of a hop.
        truths: the true events.
        rules: one for each rule of the export.
        checked: how many windows were found equal to the integer interpreter's, in words; empty where none can be.
        notices: what of the table is not judged, and what a figure does not stand on.
        sed: figures of the field over all classes, at the chosen thresholds and over the part that is judged; None
            where its packages are missing or nothing is to be found there.
    """

    model: str
    board: str
    runner: str
    recording: str
    seconds: float
    hops: int
    chosen_on_s: float
    most_per_hour: float
    tolerance_s: float
    lost_samples: int
    counts: str
    worst_count: int
    mean_count: float
    truths: tuple[Truth, ...]
    rules: tuple[RuleResult, ...]
    checked: str = ""
    notices: tuple[str, ...] = ()
    sed: SedScores | None = None

    def to_json(self) -> str:
        """As text, with the rates that follow; null where there is nothing to find."""
        fields = dataclasses.asdict(self)
        for rule, own in zip(fields["rules"], self.rules, strict=True):
            for name in ("as_exported", "judged"):
                judged: Judged = getattr(own, name)
                rule[name] |= {
                    "false_accepts_per_hour": judged.false_accepts_per_hour,
                    "miss_rate": judged.miss_rate if judged.truths else None,
                    "f1": judged.f1 if judged.truths else None,
                }
        return json.dumps(fields, indent=2) + "\n"


@dataclass(frozen=True)
class Mark:
    """Something on the timeline: pixels from the left of its line, and its width."""

    left: float
    width: float
    title: str


@dataclass(frozen=True)
class Line:
    """Five minutes of the recording."""

    begins: str
    truths: tuple[Mark, ...]
    right: tuple[Mark, ...]
    wrong: tuple[Mark, ...]


@dataclass(frozen=True)
class Curve:
    """The error trade-off as points of a polyline, and where the operating point lies."""

    points: str
    x: float
    y: float
    most: str


def page(result: StreamResult) -> str:
    """One self-contained file."""
    rules = [(rule, _lines(result, rule), _curve(rule), _delays(rule.judged)) for rule in result.rules]
    return standalone(
        "stream.html.j2", r=result, rules=rules, width=_WIDTH, height=_LINE, size=_CURVE, clock=_clock,
        missed=_missed, f1=_f1, chosen_missed=_chosen_missed, truth_y=4, report_y=26,
    )  # fmt: skip


def summary(result: StreamResult) -> list[str]:
    """Sentences for the terminal."""
    lines = [
        f"{result.recording}: {_clock(result.seconds)}, {result.hops:,} hops on {result.runner}; "
        f"{result.lost_samples} samples lost"
    ]
    for rule in result.rules:
        j = rule.judged
        lines.append(
            f"{rule.label}: threshold {rule.chosen.threshold:.3f} (chosen on the first {_clock(result.chosen_on_s)}); "
            f"on the rest {j.false_accepts_per_hour:.1f} false accepts an hour, {_missed(j)} of {j.truths} missed, "
            f"delay {_delays(j)}, F1 {_f1(j)}"
        )
    checked = [result.checked] if result.checked else []
    if result.sed is not None:
        lines.append(f"on the rest: {_sed(result.sed)}")
    return [*lines, *checked, *(f"note: {notice}" for notice in result.notices)]


def _sed(sed: SedScores) -> str:
    return (
        f"event F1 {sed.event_f1:.3f}, onset F1 {sed.onset_f1:.3f}, segment F1 {sed.segment_f1:.3f}, "
        f"PSDS1 {sed.psds1:.3f}, PSDS2 {sed.psds2:.3f}"
    )


def _missed(judged: Judged) -> str:
    return str(judged.misses) if judged.truths else "–"


def _chosen_missed(rule: RuleResult) -> str:
    """Of the part that is for choosing."""
    known = rule.as_exported.truths > rule.judged.truths
    return f"{100 * rule.chosen.miss_rate:.0f} %" if known else "–"


def _f1(judged: Judged) -> str:
    return f"{judged.f1:.3f}" if judged.truths else "–"


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def _delays(judged: Judged) -> str:
    if not judged.delays_s:
        return "–"
    return f"{statistics.median(judged.delays_s):.2f} s (at most {max(judged.delays_s):.2f} s)"


def _lines(result: StreamResult, rule: RuleResult) -> list[Line]:
    truths = [t for t in result.truths if t.label == rule.label]
    right: list[Report] = []
    wrong: list[Report] = []
    for report in rule.reports:
        is_right = any(t.onset_s <= report.time_s <= t.offset_s + result.tolerance_s for t in truths)
        (right if is_right else wrong).append(report)
    count = -(-round(result.seconds) // round(_LINE_S))
    lines = []
    for n in range(max(count, 1)):
        there = [t for t in truths if _is_on(t.onset_s, n)]
        marks = (_mark(t.onset_s, t.offset_s, n, f"{t.label}, {t.onset_s:.1f} s") for t in there)
        lines.append(Line(_clock(n * _LINE_S), tuple(marks), _points(right, n), _points(wrong, n)))
    return lines


def _points(found: Sequence[Report], number: int) -> tuple[Mark, ...]:
    return tuple(
        _mark(r.time_s, r.time_s, number, f"{r.time_s:.1f} s, score {r.score:.2f}")
        for r in found
        if _is_on(r.time_s, number)
    )


def _is_on(seconds: float, number: int) -> bool:
    return number * _LINE_S <= seconds < (number + 1) * _LINE_S


def _mark(begin_s: float, end_s: float, number: int, title: str) -> Mark:
    scale = _WIDTH / _LINE_S
    left = (begin_s - number * _LINE_S) * scale
    return Mark(round(left, 1), round(max((end_s - begin_s) * scale, 2.0), 1), title)


def _curve(rule: RuleResult) -> Curve:
    """False accepts an hour to the right, the share of misses upward; the axis ends at the 90th percentile."""
    rates = sorted(p.false_accepts_per_hour for p in rule.curve)
    most = max(rates[min(len(rates) - 1, 9 * len(rates) // 10)], rule.chosen.false_accepts_per_hour, 1.0)

    def place(point: Point) -> tuple[float, float]:
        x = min(point.false_accepts_per_hour, most) / most
        return round(_CURVE * x, 1), round(_CURVE * (1 - point.miss_rate), 1)

    points = [place(p) for p in sorted(rule.curve, key=lambda p: -p.threshold)]
    x, y = place(rule.chosen)
    return Curve(" ".join(f"{a},{b}" for a, b in points), x, y, f"{most:.1f}")
