# SPDX-License-Identifier: Apache-2.0
"""What ``auto`` and ``balanced`` decide, from predictions that stand here."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ascmcu.api.choices import Candidate, better
from ascmcu.api.levels import network_level
from ascmcu.kernels import Target
from ascmcu.results import plan_text

# (cycles, RAM, latency) of whole layers and of rows, and which is taken.
CHOICES = [
    ((1_000_000, 50_000, 1_000_000), (1_100_000, 10_000, 100_000), "layers"),  # 10 % tell
    ((1_000_000, 50_000, 1_000_000), (1_019_000, 10_000, 100_000), "rows"),
    ((1_100_000, 10_000, 1_100_000), (1_000_000, 50_000, 100_000), "rows"),
    ((1_000_000, 10_000, 1_000_000), (1_000_000, 10_000, 999_999), "rows"),
    ((1_000_000, 9_999, 1_000_000), (990_000, 10_000, 100_000), "layers"),
]  # fmt: skip


def _candidate(mode: str, figures: tuple[int, int, int]) -> Candidate:
    cycles, ram, latency = figures
    plan: Any = SimpleNamespace(mode=mode, cycles=cycles, arena_bytes=ram, latency_cycles=latency)
    return Candidate(SimpleNamespace(), plan)  # type: ignore[arg-type]


@pytest.mark.parametrize(("layers", "rows", "taken"), CHOICES)
def test_auto(layers: tuple[int, int, int], rows: tuple[int, int, int], taken: str) -> None:
    found = [_candidate("layers", layers), _candidate("rows", rows)]
    for order in (found, found[::-1]):
        assert better(order)[0].plan.mode == taken


# Cycles and bytes at -O3, -O2 and -Os, and which is taken: a kilobyte is worth a hundredth.
LEVELS = [
    ((100_000, 101_000, 140_000), (12_000, 10_000, 9_000), "balanced"),
    ((100_000, 141_000, 160_000), (12_000, 9_100, 8_000), "cycles"),
    ((100_000, 100_500, 101_000), (12_000, 11_900, 9_000), "flash"),
]


@pytest.mark.parametrize(("cycles", "code", "taken"), LEVELS)
def test_balanced(cycles: tuple[int, ...], code: tuple[int, ...], taken: str) -> None:
    names = ("cycles", "balanced", "flash")
    of = dict(zip(names, cycles, strict=True))
    plan: Any = SimpleNamespace(target=Target(wait_states=5), cycles_at=lambda target: of[target.optimize])
    bytes_of = dict(zip(names, code, strict=True))
    assert network_level(plan, "balanced", lambda level: bytes_of[level]) == taken
    for asked in ("cycles", "flash"):
        assert network_level(plan, asked, lambda level: bytes_of[level]) == asked  # type: ignore[arg-type]


PLAN = """schedule rows: 1 bytes

layer  op       kernel  predicted cycles
0      conv2d   packed  1000
12     softmax  c       50

offset  bytes
"""


def test_measured_cycles_stand_in_the_plan_and_are_replaced() -> None:
    once = plan_text.with_measured(PLAN, {0: (1100, -0.0909), 12: (50, None)})
    rows = [line.split() for line in once.splitlines()]
    assert rows[3][-4:] == ["1000", "1100", "-9.1", "%"]
    assert rows[4][-2:] == ["50", "50"]
    again = plan_text.with_measured(once, {0: (1000, 0.0)})
    assert [line.split() for line in again.splitlines()][3][-4:] == ["1000", "1000", "+0.0", "%"]
    assert [line.split() for line in again.splitlines()][4][-1] == "50"
    assert once.splitlines()[-1] == again.splitlines()[-1] == "offset  bytes"
    assert plan_text.with_measured("no table\n", {}) == "no table\n"
