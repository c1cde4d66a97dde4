# SPDX-License-Identifier: Apache-2.0
"""Random placements of weights and code on random boards, a bounded number; ``tools/fuzz_placement`` goes on."""

from __future__ import annotations

import shutil

import pytest

from tests.support import placements

pytestmark = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="no arm-none-eabi-gcc")

SEEDS = (1001, 1007, 1012, 1013, 1021)


@pytest.mark.parametrize("seed", SEEDS)
def test_same_bits_wherever_weights_and_code_lie(seed: int) -> None:
    case = placements.drawn(seed)
    assert placements.check(case) in ("equal", "refused"), case


def test_the_draws_differ() -> None:
    cases = [placements.drawn(seed) for seed in SEEDS]
    assert len({case.board for case in cases}) > 3 and len({case.weights for case in cases}) == 3
