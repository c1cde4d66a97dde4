# SPDX-License-Identifier: Apache-2.0
"""What a device counts of one clip: one record from the wire to the page."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Counts:
    """Counts of one clip, summed over its rows; in what unit, the runner knows.

    ``worst_hop``: the most work from one feature row to the next. ``latency``: all work from the samples that
    complete the last row to the result.
    """

    network: int
    frontend: int
    worst_hop: int
    latency: int


def of_repetitions(runs: Sequence[Counts]) -> Counts:
    """The same clip several times: the medians (of an even number the higher one), and the worst hop of all."""
    return Counts(
        network=statistics.median_high(run.network for run in runs),
        frontend=statistics.median_high(run.frontend for run in runs),
        worst_hop=max(run.worst_hop for run in runs),
        latency=statistics.median_high(run.latency for run in runs),
    )


def over_clips(clips: Sequence[Counts]) -> Counts:
    """Several clips: the means, rounded, and the worst of what a deadline holds for."""
    return Counts(
        network=round(statistics.fmean(clip.network for clip in clips)),
        frontend=round(statistics.fmean(clip.frontend for clip in clips)),
        worst_hop=max(clip.worst_hop for clip in clips),
        latency=max(clip.latency for clip in clips),
    )
