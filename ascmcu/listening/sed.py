# SPDX-License-Identifier: Apache-2.0
"""The figures of sound event detection, by the field's packages: event F1 (sed_eval) and PSDS (sed_scores_eval).

sed_eval: Mesaros, Heittola and Virtanen, "Metrics for polyphonic sound event detection", 2016. PSDS: Bilen et al., "A
framework for the robust evaluation of sound event detection", 2020, over all thresholds as by Ebbers et al., 2022. The
settings are those of DCASE Task 4.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ascmcu import extras
from ascmcu.errors import ToolError
from ascmcu.listening.judging import Truth

EXTRA = "sed"
_NEED = "event F1 and PSDS need sed_eval and sed_scores_eval"
# DCASE Task 4: an onset within 200 ms; an offset within 200 ms or a fifth of the event's length; segments of a second.
COLLAR_S, OFFSET_PART, SEGMENT_S = 0.2, 0.2, 1.0
# Of DCASE 2021 to 2023: the first scenario is strict about times, the second about classes that are confused.
_SCENARIOS: tuple[dict[str, float | None], ...] = (
    {"dtc_threshold": 0.7, "gtc_threshold": 0.7, "cttc_threshold": None, "alpha_ct": 0.0, "alpha_st": 1.0},
    {"dtc_threshold": 0.1, "gtc_threshold": 0.1, "cttc_threshold": 0.3, "alpha_ct": 0.5, "alpha_st": 1.0},
)
# Of one class, which is not confused with another.
_ALONE: dict[str, float | None] = {"cttc_threshold": None, "alpha_ct": 0.0}
_MOST_PER_HOUR = 100.0
_PART_S = 60.0
_FILE = "recording"


@dataclass(frozen=True)
class SedScores:
    """Figures of a part of a recording; F1 is micro-averaged over the classes.

    Attributes:
        event_f1: onset and offset must be right.
        onset_f1: the onset must be.
        segment_f1: of segments of a second.
        psds1, psds2: of the two scenarios.
    """

    event_f1: float
    onset_f1: float
    segment_f1: float
    psds1: float
    psds2: float


def unavailable() -> str:
    """Why the figures cannot be computed here, with the command that changes it; empty where they can."""
    try:
        _packages()
    except ToolError as error:
        return f"{error.what}: {error.hint}"
    return ""


def sed_scores(
    found: Sequence[Truth],
    truths: Sequence[Truth],
    scores: npt.NDArray[np.float64],
    times_s: Sequence[float],
    labels: Sequence[str],
) -> SedScores:
    """Figures of one recording, or a part of one.

    Args:
        found: what was detected, with its ends.
        truths: what is there; at least one.
        scores: (hops, classes), higher where the class is more likely.
        times_s: the start of the first hop, then the end of each.
        labels: the classes.

    Raises:
        ToolError: the packages are missing; the hint installs them.
    """
    sed_eval, sed_scores_eval = _packages()
    times = np.asarray(times_s)
    there = _within(truths, times[0], times[-1])
    given = _within(found, times[0], times[-1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of packages that are older than their dependencies
        f1 = _f1(sed_eval.sound_event, there, given, list(labels))
        psds = _psds(sed_scores_eval, there, scores, times - times[0], list(labels))
    return SedScores(*(0.0 if np.isnan(x) else x for x in (*f1, *psds)))


def _f1(events: Any, truths: Sequence[Truth], found: Sequence[Truth], labels: list[str]) -> list[float]:
    """Of events, of their onsets, of segments."""
    metrics = (
        events.EventBasedMetrics(labels, t_collar=COLLAR_S, percentage_of_length=OFFSET_PART),
        events.EventBasedMetrics(labels, t_collar=COLLAR_S, evaluate_offset=False),
        events.SegmentBasedMetrics(labels, time_resolution=SEGMENT_S),
    )
    for metric in metrics:
        metric.evaluate(_rows(truths), _rows(found))
    return [float(metric.results_overall_metrics()["f_measure"]["f_measure"]) for metric in metrics]


def _psds(
    package: Any,
    truths: Sequence[Truth],
    scores: npt.NDArray[np.float64],
    times: npt.NDArray[np.float64],
    labels: list[str],
) -> list[float]:
    """Of the scenarios. The package takes clips, and memory by the square of their length: so a recording is cut."""
    frames, known, seconds = {}, {}, {}
    for first, last in _cuts(truths, times):
        name, edges = str(first), times[first : last + 1]
        frames[name] = package.base_modules.scores.create_score_dataframe(
            scores[first:last], edges - edges[0], labels
        )
        known[name] = [(t.onset_s, t.offset_s, t.label) for t in _within(truths, edges[0], edges[-1])]
        seconds[name] = float(edges[-1] - edges[0])
    scenarios = [_SCENARIOS[n] if len(labels) > 1 else _SCENARIOS[n] | _ALONE for n in range(len(_SCENARIOS))]
    return [
        float(package.intersection_based.psds(frames, known, seconds, max_efpr=_MOST_PER_HOUR, **scenario)[0])
        for scenario in scenarios
    ]


def _cuts(truths: Sequence[Truth], times: npt.NDArray[np.float64]) -> list[tuple[int, int]]:
    """Parts of a minute or more as indices of times, cut where no true event is."""
    cuts = [0]
    for n in range(1, len(times) - 1):
        if times[n] - times[cuts[-1]] >= _PART_S and not any(
            t.onset_s < times[n] < t.offset_s for t in truths
        ):
            cuts.append(n)
    return list(zip(cuts, [*cuts[1:], len(times) - 1], strict=True))


def _packages() -> tuple[Any, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pkg_resources, which dcase_util imports, announces its end
        return extras.load("sed_eval", EXTRA, _NEED), extras.load("sed_scores_eval", EXTRA, _NEED)


def _within(events: Sequence[Truth], begin: float, end: float) -> list[Truth]:
    """Those that begin in a part, in seconds from its start; what lies behind its end is cut off."""
    return [
        Truth(t.onset_s - begin, min(t.offset_s, end) - begin, t.label)
        for t in events
        if begin <= t.onset_s < end
    ]


def _rows(events: Sequence[Truth]) -> list[dict[str, object]]:
    return [
        {"filename": _FILE, "event_label": t.label, "onset": t.onset_s, "offset": t.offset_s} for t in events
    ]
