# SPDX-License-Identifier: Apache-2.0
"""The record of counts: how repetitions and clips are summed up, and that a journal gives back what it was given."""

from __future__ import annotations

import io

from ascmcu.benchmark import journal
from ascmcu.benchmark.counts import Counts, of_repetitions, over_clips

RUNS = [
    Counts(network=100, frontend=9, worst_hop=30, latency=7),
    Counts(network=300, frontend=5, worst_hop=10, latency=2),
    Counts(network=110, frontend=6, worst_hop=20, latency=4),
    Counts(network=120, frontend=8, worst_hop=15, latency=3),
]


def test_repetitions_give_medians_and_the_worst_hop() -> None:
    assert of_repetitions(RUNS[:3]) == Counts(network=110, frontend=6, worst_hop=30, latency=4)
    assert of_repetitions(RUNS) == Counts(network=120, frontend=8, worst_hop=30, latency=4)
    assert of_repetitions(RUNS[:1]) == RUNS[0]


def test_clips_give_means_and_the_worst_of_what_a_deadline_holds_for() -> None:
    assert over_clips(RUNS) == Counts(network=158, frontend=7, worst_hop=30, latency=7)
    assert over_clips(RUNS[1:3]) == Counts(network=205, frontend=6, worst_hop=20, latency=4)


def test_a_journal_gives_back_what_it_was_given() -> None:
    result = journal.ClipResult("a.wav", 1, 0, b"\x01\xff", RUNS[0], 2, (60, 40), (100, 101), "ab" * 32)
    file, head = io.StringIO(), {"format": journal.FORMAT}
    journal.keep(file, head, [result])
    journal.append(file, result)
    assert journal.resume(file, head).results == {"a.wav": result}
