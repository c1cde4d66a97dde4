# SPDX-License-Identifier: Apache-2.0
"""``--limit``: of every class and device its share."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from ascmcu.benchmark.clips import sampled

STRATA = st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("xyz")), min_size=1, max_size=120)


@given(strata=STRATA, limit=st.integers(1, 140))
def test_classes_have_their_shares(strata: list[tuple[str, str]], limit: int) -> None:
    chosen = sampled(strata, limit)
    assert chosen == sorted(set(chosen)) and len(chosen) == min(limit, len(strata))
    sizes = Counter(label for label, _ in strata)
    taken = Counter(strata[number][0] for number in chosen)
    for label, size in sizes.items():
        share = len(chosen) * size / len(strata)
        assert taken[label] <= max(1, share + 1)
        if len(chosen) >= len(sizes):
            assert taken[label] >= 1


def test_a_rare_class_and_both_devices_are_in_a_small_sample() -> None:
    strata = [("rain", "a")] * 60 + [("rain", "b")] * 20 + [("bird", "a")] * 2
    taken = Counter(strata[number] for number in sampled(strata, 10))
    assert taken == {("rain", "a"): 7, ("rain", "b"): 2, ("bird", "a"): 1}
    assert sampled(strata, None) == list(range(82))
