# SPDX-License-Identifier: Apache-2.0
"""What ``auto`` and ``balanced`` decide, from predictions that stand here."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ascmcu.api.choices import Candidate, better
from ascmcu.api.levels import network_level
from ascmcu.kernels import Target

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
