# SPDX-License-Identifier: Apache-2.0
"""The front of a model's plans, RAM against cycles: whole layers, rows, and rows part by part, strip by strip."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.api.choices import Candidate, Variant, candidates, recomputed, variants
from ascmcu.api.compiling import Compiled
from ascmcu.errors import VerifyError
from ascmcu.ir import naming
from ascmcu.ir.verify import verify
from ascmcu.kernels import DEFAULT_TARGET, DEFAULT_TUNING, Target
from ascmcu.passes.channel_groups import channel_groups, wide
from ascmcu.passes.drop_identities import drop_identities
from ascmcu.passes.strips import in_parts
from ascmcu.schedule import LAYERS, ROWS, Plan, layers_of, make_plan
from ascmcu.schedule.front import Point, points
from ascmcu.schedule.place import liveness

# Scratch with which parts are compared: a plan gives its layers more where there is room.
_SCRATCH_BYTES = 1024
# Ways to cut a network that are planned at most, and by how much each takes less RAM than the one before.
_MOST_PLANS = 12
_STEP = 0.03
# How much more RAM than it needs a way to cut may take for layouts.
_MORE_ROOM = 1.3
# What an estimate may be above what its plan takes.
_DOUBT = 1.25
# Plans within a limit that are compared.
_ENOUGH = 4
# RAM that the fastest of them may take for layouts.
_LAYOUT_BYTES = 5120
# Of the channels of a wide convolution.
_GROUPS = 8
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Front:
    """What RAM costs in cycles.

    Attributes:
        plans: those to which no other is better in both, the fastest first.
    """

    plans: tuple[Candidate, ...]

    @property
    def least(self) -> Candidate:
        """The plan with the least RAM."""
        return self.plans[-1]

    @property
    def decides(self) -> str:
        """What no plan can do without, in words."""
        return decides(self.least.plan)


def front(
    compiled: Compiled,
    target: Target = DEFAULT_TARGET,
    progress: Progress = lambda done, total: None,
) -> Front:
    """The front of a model.

    Args:
        compiled: the model. With a front end its rows come once, in time: strips begin behind held tensors alone.
        target: what cycles are predicted for.
        progress: called with the number of plans made and to be made.
    """
    found = candidates(compiled, "auto", target)
    streamed = [c for c in found if c.plan.mode != LAYERS]
    found += recomputed(streamed[-1])
    found += [_in_room(c, 0) for c in found if c.plan.mode != LAYERS]
    chosen = _thinned(_points(compiled, target))
    for number, (variant, point) in enumerate(chosen):
        progress(number, len(chosen))
        # As small as it can be; with layouts that take what lies between it and the next faster one; and with more:
        # layouts may spare more cycles than fewer columns that are computed twice.
        before = chosen[number - 1][1].ram_bytes if number else point.ram_bytes + _LAYOUT_BYTES
        rooms = sorted({0, before - 1, round(_MORE_ROOM * point.ram_bytes)})
        found += _planned(variant, point, target, *rooms)
    return Front(tuple(_pareto(found)))


def within(compiled: Compiled, limit_bytes: int, target: Target = DEFAULT_TARGET) -> list[Candidate]:
    """Plans by rows, in one part or in several, whose activations take no more than a limit, the fastest first; where
    there is none, the one that takes the least.

    Args:
        compiled: the model.
        limit_bytes: of activations.
        target: what cycles are predicted for.
    """
    known = _points(compiled, target)
    (streamed,) = candidates(compiled, "rows", target)
    landed = [_in_room(c, limit_bytes) for c in (streamed, *recomputed(streamed))]
    fitting: list[Candidate] = []
    for variant, point in known:
        if point.ram_bytes <= _DOUBT * limit_bytes and len(fitting) < _ENOUGH:
            made = _planned(variant, point, target, limit_bytes)
            fitting += [c for c in made if c.plan.arena_bytes <= limit_bytes]
    fitting += [c for c in landed if c.plan.arena_bytes <= limit_bytes]
    if fitting:
        return sorted(fitting, key=lambda c: c.plan.cycles)
    smallest = (_planned(*pair, target, 0) for pair in sorted(known, key=lambda pair: pair[1].ram_bytes))
    least = next((c for c in smallest if c), [])
    return [min((*least, *landed), key=lambda c: c.plan.arena_bytes)]


def decides(plan: Plan) -> str:
    """What lies in RAM when most does: the largest buffers, in words."""
    live = liveness(plan.buffers, plan.events)
    # A buffer that rolls over another has bytes of it: they count once.
    used, reach = np.zeros((2, live.shape[1]), np.int64)
    for number in np.argsort([b.offset for b in plan.buffers], kind="stable"):
        b = plan.buffers[number]
        used += live[number] * np.maximum(b.end - np.maximum(reach, b.offset), 0)
        reach = np.maximum(reach, live[number] * b.end)
    at = int(used.argmax())
    there = [b for b, lives in zip(plan.buffers, live[:, at], strict=True) if lives]
    there.sort(key=lambda b: -b.size_bytes)
    return " and ".join(f"{_named(b.name)} ({b.size_bytes:,} bytes)" for b in there[:2])


def _named(buffer: str) -> str:
    """A buffer that is not a tensor says what it is for: ``scratch of 'conv'``."""
    name, _, purpose = buffer.partition("#")
    return f"{purpose} of '{naming.short(name)}'" if purpose else f"'{naming.short(name)}'"


def _points(compiled: Compiled, target: Target) -> list[tuple[Variant, Point]]:
    """The estimated front over all choices of the axes."""
    tuning = dataclasses.replace(DEFAULT_TUNING, target=target, scratch_bytes=_SCRATCH_BYTES)
    found = [
        (variant, point)
        for variant in map(_in_groups, variants(compiled))
        for point in points(variant.graph, layers_of(variant.graph, tuning), sweeps=compiled.features is None)
    ]
    kept: list[tuple[Variant, Point]] = []
    for variant, point in sorted(found, key=lambda pair: (pair[1].cycles, pair[1].ram_bytes)):
        if not kept or point.ram_bytes < kept[-1][1].ram_bytes:
            kept.append((variant, point))
    return kept


def _in_groups(variant: Variant) -> Variant:
    """The variant with wide convolutions in groups: they cost next to nothing."""
    names = wide(variant.graph)
    if not names:
        return variant
    graph = verify(channel_groups(variant.graph, names, _GROUPS), "channel-groups")
    return dataclasses.replace(variant, graph=graph)


def _thinned(found: Sequence[tuple[Variant, Point]]) -> list[tuple[Variant, Point]]:
    """Those that are worth a plan: each with some less RAM than the one before, and the last."""
    kept: list[tuple[Variant, Point]] = []
    for pair in found:
        if not kept or pair[1].ram_bytes <= (1 - _STEP) * kept[-1][1].ram_bytes or pair is found[-1]:
            kept.append(pair)
    step = max(1, -(-len(kept) // _MOST_PLANS))
    return [*kept[:-1:step], *kept[-1:]]


def _in_room(candidate: Candidate, room_bytes: int) -> Candidate:
    """A plan by rows whose rows land, as far as it takes more than a room."""
    tuning = dataclasses.replace(DEFAULT_TUNING, target=candidate.plan.target)
    return Candidate(candidate.variant, make_plan(candidate.variant.graph, ROWS, tuning, room_bytes))


def _planned(variant: Variant, point: Point, target: Target, *rooms_bytes: int) -> list[Candidate]:
    """A plan for each room; none where a strip at a side has no form, which the estimate by those between does not
    tell."""
    tuning = dataclasses.replace(DEFAULT_TUNING, target=target)
    try:
        graph, sweeps = in_parts(variant.graph, point.parts)
        graph = verify(drop_identities(graph), "strips")
        plans = [make_plan(graph, ROWS, tuning, room) for room in rooms_bytes]
    except VerifyError:
        return []
    changed = Variant(f"{variant.name}-parts", graph, variant.permutation, point.parts, sweeps)
    return [Candidate(changed, plan) for plan in plans]


def _pareto(found: Iterable[Candidate]) -> Iterator[Candidate]:
    least: int | None = None
    for candidate in sorted(found, key=lambda c: (c.plan.cycles, c.plan.arena_bytes)):
        if least is None or candidate.plan.arena_bytes < least:
            least = candidate.plan.arena_bytes
            yield candidate
