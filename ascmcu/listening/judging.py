# SPDX-License-Identifier: Apache-2.0
"""Events that a device reports, held against those that are there: false accepts, misses, delay, thresholds.

An event is right if it is reported between the onset of one of its class and ``tolerance_s`` behind that one's end.
Each true event takes the first report, and further ones within it count for nothing. Every other report is a false
accept, a true event without a report a miss.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ascmcu.listening.decisions import Decider, Decisions, Event, IntegerRule, score_of

_THRESHOLDS = 32


@dataclass(frozen=True)
class Truth:
    """An event that is in the recording, in seconds from its start."""

    onset_s: float
    offset_s: float
    label: str


@dataclass(frozen=True)
class Report:
    """An event that a device reported, at the end of the hop that made it one."""

    time_s: float
    label: str
    score: float


@dataclass(frozen=True)
class Judged:
    """Reports of one class in a part of a recording.

    ``delays_s``: from the onset to the report, of every true event that was found.
    """

    seconds: float
    truths: int
    false_accepts: int
    delays_s: tuple[float, ...]

    @property
    def misses(self) -> int:
        """True events without a report."""
        return self.truths - len(self.delays_s)

    @property
    def false_accepts_per_hour(self) -> float:
        """Of the whole part."""
        return 3600 * self.false_accepts / self.seconds

    @property
    def miss_rate(self) -> float:
        """Of the true events; 0 where there are none."""
        return self.misses / self.truths if self.truths else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall over events; 0 where nothing is found."""
        found = len(self.delays_s)
        return 2 * found / max(self.truths + found + self.false_accepts, 1)


@dataclass(frozen=True)
class Point:
    """What a threshold comes to."""

    threshold: float
    false_accepts_per_hour: float
    miss_rate: float


@dataclass(frozen=True)
class Heard:
    """What a device made of a recording, hop by hop.

    Attributes:
        outputs: (hops, classes), output 0.
        energies: of each hop, the sum of its squared samples.
        ends_s: where each hop ends, in seconds.
    """

    outputs: npt.NDArray[np.generic]
    energies: tuple[int, ...]
    ends_s: tuple[float, ...]


def decided(heard: Heard, decisions: Decisions) -> list[tuple[int, Event]]:
    """The events with the hops in which they begin, as a device with these decisions reports them."""
    decider = Decider(decisions)
    return [
        (hop, event)
        for hop, (outputs, energy) in enumerate(zip(heard.outputs, heard.energies, strict=True))
        for event in decider(outputs, energy)
    ]


def reports(heard: Heard, decisions: Decisions, rule: int) -> list[Report]:
    """The reports of one rule."""
    label = decisions.rules[rule].label
    return [
        Report(heard.ends_s[hop], label, decisions.real(event.score))
        for hop, event in decided(heard, decisions)
        if event.rule == rule
    ]


def spans(heard: Heard, decisions: Decisions, rule: int) -> list[Truth]:
    """The events of one rule with their ends: from the start of the first hop whose score was high enough to the end of
    the last one before the score fell below ``off``."""
    label = decisions.rules[rule].label
    decider = Decider(decisions)
    starts = (0.0, *heard.ends_s)
    found: list[Truth] = []
    onset_s: float | None = None
    for hop, (outputs, energy) in enumerate(zip(heard.outputs, heard.energies, strict=True)):
        begun = [event.start_hop for event in decider(outputs, energy) if event.rule == rule]
        if begun:
            onset_s = starts[begun[0]]
        elif onset_s is not None and not decider.is_active(rule):
            found.append(Truth(onset_s, starts[hop], label))
            onset_s = None
    return found if onset_s is None else [*found, Truth(onset_s, heard.ends_s[-1], label)]


def smoothed(heard: Heard, decisions: Decisions) -> npt.NDArray[np.float64]:
    """(hops, rules): the scores that are held against the thresholds."""
    decider = Decider(decisions)
    rows = []
    for outputs, energy in zip(heard.outputs, heard.energies, strict=True):
        decider(outputs, energy)
        rows.append([decisions.real(score) for score in decider.scores])
    return np.array(rows, np.float64).reshape(len(rows), len(decisions.rules))


def judge(
    found: Sequence[Report], truths: Sequence[Truth], span_s: tuple[float, float], tolerance_s: float
) -> Judged:
    """Reports of a class against the true events of that class, in a part of the recording: those that begin in it."""
    begin, end = span_s
    mine = [t for t in truths if begin <= t.onset_s < end]
    delays: dict[Truth, float] = {}
    false_accepts = 0
    for report in found:
        owner = next((t for t in truths if t.onset_s <= report.time_s <= t.offset_s + tolerance_s), None)
        if owner is None:
            false_accepts += begin <= report.time_s < end
        elif owner in mine:
            delays.setdefault(owner, report.time_s - owner.onset_s)
    return Judged(end - begin, len(mine), false_accepts, tuple(delays.values()))


def with_threshold(decisions: Decisions, rule: int, on: int) -> Decisions:
    """The decisions with another threshold of one rule; where its event ends stays the same part of it."""
    before = decisions.rules[rule]
    off = on * before.off // before.on if before.on > 0 and on > 0 else on + before.off - before.on
    after: IntegerRule = dataclasses.replace(before, on=on, off=off)
    rules = (*decisions.rules[:rule], after, *decisions.rules[rule + 1 :])
    return dataclasses.replace(decisions, rules=rules)


def thresholds(heard: Heard, decisions: Decisions, rule: int) -> list[int]:
    """Thresholds worth a look, from the middle of all scores of the class to their largest."""
    index = decisions.rules[rule].index
    scores = [score_of(row.reshape(-1)[index], decisions) for row in heard.outputs[decisions.warmup_hops :]]
    if not scores:
        return [decisions.rules[rule].on]
    low, high = int(np.median(scores)), max(scores)
    return sorted({round(x) for x in np.linspace(low, high, _THRESHOLDS)} | {decisions.rules[rule].on})


def det(
    heard: Heard,
    decisions: Decisions,
    rule: int,
    truths: Sequence[Truth],
    span_s: tuple[float, float],
    tolerance_s: float,
) -> tuple[Point, ...]:
    """Detection error trade-off of one rule over its thresholds."""
    alone = dataclasses.replace(decisions, rules=(decisions.rules[rule],))
    points = []
    for on in thresholds(heard, decisions, rule):
        changed = with_threshold(alone, 0, on)
        judged = judge(reports(heard, changed, 0), truths, span_s, tolerance_s)
        points.append(Point(decisions.real(on), judged.false_accepts_per_hour, judged.miss_rate))
    return tuple(points)


def operating_point(points: Sequence[Point], most_per_hour: float) -> Point:
    """The threshold with the fewest misses among those with few enough false accepts; where none has, the one with
    the fewest of them. Of equal ones the middle one, which is farthest from where it gets worse."""
    allowed = [p for p in points if p.false_accepts_per_hour <= most_per_hour]
    if not allowed:
        least = min(p.false_accepts_per_hour for p in points)
        allowed = [p for p in points if p.false_accepts_per_hour == least]
    best = min(p.miss_rate for p in allowed)
    equal = sorted((p for p in allowed if p.miss_rate == best), key=lambda p: p.threshold)
    return equal[len(equal) // 2]
