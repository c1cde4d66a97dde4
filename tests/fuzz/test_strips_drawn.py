# SPDX-License-Identifier: Apache-2.0
"""A few random networks in random parts and strips; tools/fuzz_strips checks hundreds."""

from __future__ import annotations

from collections import Counter

from tests.support import fuzzing, strips


def test_strips_of_random_networks_give_the_same_bits() -> None:
    found: Counter[str] = Counter()
    for recipe in fuzzing.drawn(901, 10, strips.KINDS, ("int8",)):
        found += strips.check(recipe)
    assert found["networks"] >= 2
    assert found["in strips"] >= 2
