# SPDX-License-Identifier: Apache-2.0
"""Where buffers go: at the lowest offset that is free, to the byte; and what ``plan.txt`` says of it."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

from ascmcu import passes
from ascmcu.frontends import tflite
from ascmcu.schedule import LAYERS, ROWS, make_plan
from ascmcu.schedule.describe import describe
from ascmcu.schedule.place import _first_fit, place
from ascmcu.schedule.plan import Buffer
from tests.support import recipes_flat
from tests.support.recipes import Recipe, Step


@pytest.mark.parametrize(
    ("order", "sizes", "conflicts", "offsets", "top"),
    [
        ("012", (10, 10, 10), ("01", "12"), (0, 10, 0), 20),
        ("0123", (8, 16, 8, 16), ("01", "12", "13", "02"), (0, 8, 24, 24), 40),
        ("0123", (4, 6, 5, 6), ("01", "12", "23", "13"), (0, 4, 10, 15), 21),
        ("2013", (4, 6, 5, 6), ("02", "12", "23", "13"), (5, 5, 0, 11), 17),
        ("0123", (10, 4, 10, 4), ("01", "12", "23", "03"), (0, 10, 0, 10), 14),
        ("012", (10, 20, 11), ("01", "12"), (0, 10, 30), 41),
        ("01", (3, 3), (), (0, 0), 3),
    ],
)
def test_each_lies_at_the_lowest_free_offset(
    order: str, sizes: tuple[int, ...], conflicts: tuple[str, ...], offsets: tuple[int, ...], top: int
) -> None:
    """Of gaps those that fit to the byte are taken, smaller ones are not."""
    neighbours: list[list[int]] = [[] for _ in sizes]
    for a, b in conflicts:
        neighbours[int(a)].append(int(b))
        neighbours[int(b)].append(int(a))
    assert _first_fit([int(i) for i in order], list(sizes), neighbours, {}) == (list(offsets), top)


def _greedy(buffers: list[Buffer]) -> int:
    """The arena if each buffer, the largest first, lies as low as no other is at the same time: by trying."""
    placed: list[tuple[int, Buffer]] = []
    for buffer in sorted(buffers, key=lambda b: -b.size_bytes):
        others = [
            (at, other) for at, other in placed
            if any(a <= d and c <= b for a, b in buffer.live for c, d in other.live)
        ]  # fmt: skip
        free = (
            at for at in range(0, 10**6, 4)
            if all(at + buffer.size_bytes <= o or o + b.size_bytes <= at for o, b in others)
        )  # fmt: skip
        placed.append((next(free), buffer))
    return max(at + buffer.size_bytes for at, buffer in placed)


@pytest.mark.parametrize("seed", range(40))
def test_no_two_overlap_and_no_order_is_better_than_what_is_taken(seed: int) -> None:
    """The arena is never larger than by the first order that is tried, and never below its bound."""
    rng = np.random.default_rng(seed)
    buffers = []
    for number in range(12):
        begin = int(rng.integers(0, 20))
        live = [(begin, begin + int(rng.integers(0, 9)))]
        if rng.random() < 0.3:
            live.append((live[0][1] + 2, live[0][1] + 4))
        buffers.append(Buffer(str(number), 1, 4 * int(rng.integers(1, 30)), tuple(live)))
    placed, size, bound = place(buffers, 40)
    live_bytes = [sum(b.size_bytes for b in placed if any(a <= t <= z for a, z in b.live)) for t in range(40)]
    assert bound == max(live_bytes) <= size == max(b.offset + b.size_bytes for b in placed)
    for one in placed:
        for other in placed:
            together = any(a <= d and c <= b for a, b in one.live for c, d in other.live)
            apart = (
                one.offset + one.size_bytes <= other.offset or other.offset + other.size_bytes <= one.offset
            )
            assert one is other or apart or not together
    assert size <= _greedy(buffers)


def _tiling(seed: int, count: int) -> list[Buffer]:
    """A rectangle of 24 events by 1,024 bytes, cut at random into so many buffers: they fit into it to the byte."""
    rng = np.random.default_rng(seed)
    parts = [(0, 24, 0, 256)]  # in words
    while len(parts) < count:
        first, last, low, high = parts.pop(
            max(range(len(parts)), key=lambda i: np.prod(np.diff(parts[i])[[0, 2]]) * rng.random())
        )
        across = rng.random() < 0.5
        if across and last - first > 1:
            middle = int(rng.integers(first + 1, last))
            parts += [(first, middle, low, high), (middle, last, low, high)]
        elif not across and high - low > 2:
            middle = int(rng.integers(low + 1, high))
            parts += [(first, last, low, middle), (first, last, middle, high)]
        else:
            parts.append((first, last, low, high))
    return [Buffer(str(n), 1, 4 * (d - c), ((a, b - 1),)) for n, (a, b, c, d) in enumerate(parts)]


@pytest.mark.parametrize(("count", "exact", "most_percent"), [(10, 40, 0.0), (14, 40, 0.0), (20, 35, 16.0)])
def test_buffers_that_fit_to_the_byte_nearly_always_do(count: int, exact: int, most_percent: float) -> None:
    """Orders that are tried after the greedy ones find them. Of twenty buffers a few stay above."""
    above = []
    for seed in range(40):
        _, size, bound = place(_tiling(seed, count), 24)
        assert bound == 1024
        above.append(100 * (size / bound - 1))
    assert above.count(0.0) >= exact and max(above) <= most_percent


def test_the_plan_says_how_far_the_arena_is_above_its_bound() -> None:
    window = {"kernel": [3, 3], "stride": [1, 1], "same": True, "act": "relu", "dilation": [1, 1], "dead": 0}
    step = Step("conv", (0,), {**window, "channels": 4, "groups": 1})
    graph = passes.optimize(tflite.parse(recipes_flat.make(Recipe((1, 8, 6, 2), "int8", 3, (step,))), "net"))
    plan, other = make_plan(graph, ROWS), make_plan(graph, LAYERS)
    for bound, text in ((120, "25.0 %"), (150, "0.0 %"), (149, "0.7 %"), (0, "0.0 %")):
        made = dataclasses.replace(plan, arena_bytes=150, lower_bound_bytes=bound)
        first, second, *_ = describe(made, [made, other]).splitlines()
        assert first.startswith(
            f"schedule rows: 150 bytes of activations, {text} above the peak of live bytes"
        )
        assert second.startswith("schedule layers: ") and second.endswith(" (not chosen)")


@pytest.mark.parametrize("first_bytes", [4, 12, 40])
@pytest.mark.parametrize("second_bytes", [4, 12, 40])
def test_of_two_the_second_lies_as_far_into_the_first_as_it_may(first_bytes: int, second_bytes: int) -> None:
    """Its begin is so far behind the first's, or it lies beside it: to the byte, and so is the bound."""
    pair = (Buffer("a", 1, first_bytes, ((0, 5),)), Buffer("b", 1, second_bytes, ((2, 9),)))
    for behind in range(0, first_bytes + 5, 4):
        for buffers in (pair, pair[::-1]):
            placed, size, bound = place(buffers, 10, {("a", "b"): behind})
            at = {b.name: b.offset for b in placed}
            least = min(first_bytes + second_bytes, max(first_bytes, behind + second_bytes))
            assert size == bound == least
            beside = at["b"] + second_bytes <= at["a"] or at["a"] + first_bytes <= at["b"]
            assert beside or at["b"] - at["a"] >= behind
        apart = (pair[0], dataclasses.replace(pair[1], live=((6, 9),)))
        _, size, bound = place(apart, 10, {("a", "b"): behind})
        assert size == bound == max(first_bytes, second_bytes), "they are never there together"


@pytest.mark.parametrize("seed", range(25))
def test_what_rolls_keeps_its_distance_and_costs_no_more_than_the_best_order(seed: int) -> None:
    """Six buffers, some of which may lie in others: against every order, each buffer put as low as trying says."""
    rng = np.random.default_rng(seed)
    buffers = []
    for n in range(6):
        begin = int(rng.integers(0, 8))
        live = ((begin, begin + int(rng.integers(1, 7))),)
        buffers.append(Buffer(str(n), 1, 4 * int(rng.integers(1, 9)), live))
    rolling = {
        (a.name, b.name): 4 * int(rng.integers(0, a.size_bytes // 4))
        for a, b in itertools.permutations(buffers, 2)
        if a.live[0][0] < b.live[0][0] <= a.live[0][1] and rng.random() < 0.5
    }

    def may(a: Buffer, at: int, b: Buffer, other: int) -> bool:
        if a.live[0][1] < b.live[0][0] or b.live[0][1] < a.live[0][0]:
            return True
        if at + a.size_bytes <= other or other + b.size_bytes <= at:
            return True
        forth, back = rolling.get((a.name, b.name)), rolling.get((b.name, a.name))
        return (forth is not None and other - at >= forth) or (back is not None and at - other >= back)

    placed, size, bound = place(buffers, 16, rolling)
    for a, b in itertools.combinations(placed, 2):
        assert may(a, a.offset, b, b.offset), (a, b, rolling)
    assert bound <= size == max(b.end for b in placed)
    best = sum(b.size_bytes for b in buffers)
    for order in itertools.permutations(buffers):
        done: list[tuple[Buffer, int]] = []
        for buffer in order:
            done.append(
                (buffer, next(at for at in range(0, 400, 4) if all(may(buffer, at, b, o) for b, o in done)))
            )
        best = min(best, max(at + b.size_bytes for b, at in done))
    assert size <= 1.1 * best
