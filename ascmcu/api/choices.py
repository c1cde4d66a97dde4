# SPDX-License-Identifier: Apache-2.0
"""The plans that a compiled graph can be built with: axes, schedules, recomputed rows."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ascmcu.api.compiling import Compiled
from ascmcu.ir.graph import Graph
from ascmcu.ir.op import SWAP
from ascmcu.ir.verify import verify
from ascmcu.kernels import DEFAULT_TARGET, DEFAULT_TUNING, Target, Tuning
from ascmcu.passes.recompute import recomputations, recompute
from ascmcu.passes.strips import Part, Sweeps
from ascmcu.passes.swap_axes import swap_axes, transpose_input
from ascmcu.schedule import LAYERS, ROWS, Plan, make_plan, peak_bytes

Schedule = Literal["rows", "layers", "auto"]
# Plans whose predicted cycles differ by less are taken to be equally fast: a prediction is no better.
_TELLS = 0.02
# RAM that an axis may take more than the other if rows along it take fewer cycles.
_AXIS_BYTES = 256
# Barriers behind which rows are made a second time, at most.
_MOST_RECOMPUTATIONS = 3


# What a variant's name says, in words.
_KINDS = {
    "swap-axes": "axes swapped",
    "transpose-input": "input transposed",
    "recompute": "rows computed twice",
}


@dataclass(frozen=True)
class Variant:
    """A compiled graph for one choice of the axes.

    Attributes:
        name: ``as-is``, or what was done to the axes.
        graph: the graph to schedule.
        permutation: axes by which the caller's input array is transposed before it is cut into rows.
        parts: what the network is cut into, where it runs part by part.
        sweeps: how the caller pushes the input several times, where it does.
    """

    name: str
    graph: Graph
    permutation: tuple[int, ...]
    parts: tuple[Part, ...] = ()
    sweeps: Sweeps | None = None


@dataclass(frozen=True)
class Candidate:
    """A plan, and the variant that it schedules."""

    variant: Variant
    plan: Plan

    @property
    def label(self) -> str:
        """The plan in words that tell it from others: ``rows, 3 parts in 4 strips (2+1+1), axes swapped``."""
        strips = [part.strips for part in self.variant.parts]
        words = [self.plan.mode]
        if strips == [1]:
            words.append("whole")
        elif strips:
            number = f"{len(strips)} part{'s' if len(strips) > 1 else ''}"
            words.append(f"{number} in {sum(strips)} strips ({'+'.join(map(str, strips))})")
            words += ["columns kept"] if any(part.kept for part in self.variant.parts) else []
            words += ["in place"] if any(part.in_place for part in self.variant.parts) else []
        words += [said for kind, said in _KINDS.items() if kind in self.variant.name]
        return ", ".join(words)


def variants(compiled: Compiled) -> tuple[Variant, ...]:
    """The graphs that may be scheduled, the natural one first.

    Rows are pushed along the features' time axis; without features along either. The network itself may stream
    along the other axis, behind a transpose of the whole input.
    """
    graph = compiled.graph
    x = graph.tensors[graph.inputs[0]]
    shape = compiled.source.tensors[compiled.source.inputs[0]].shape
    as_is = Variant("as-is", graph, tuple(range(len(shape))))
    # An input that is reshaped at once is pushed in its new shape, whose axes a caller's array does not have.
    if len(x.shape) != 4 or x.shape[0] != 1 or x.shape != shape or len(graph.data_inputs) > 1:
        return (as_is,)
    swapped = Variant("swap-axes", verify(swap_axes(graph), "swap-axes"), SWAP)
    if compiled.features is None:
        return as_is, swapped
    if compiled.features.layout == "mel_time":
        return swapped, Variant("transpose-input", verify(transpose_input(graph), "transpose-input"), SWAP)
    other = verify(transpose_input(swapped.graph), "transpose-input")
    return as_is, Variant("transpose-input", other, as_is.permutation)


def candidates(compiled: Compiled, schedule: Schedule, target: Target = DEFAULT_TARGET) -> list[Candidate]:
    """The plans that ``schedule`` allows, best first: whole layers, and rows along the better axis.

    Args:
        compiled: the model.
        schedule: ``layers``, ``rows``, or ``auto`` for both.
        target: what cycles are predicted for: the compiler's level and the flash's wait states.
    """
    choices, tuning = variants(compiled), dataclasses.replace(DEFAULT_TUNING, target=target)
    found = []
    if schedule in ("auto", LAYERS):
        found.append(Candidate(choices[0], make_plan(choices[0].graph, LAYERS, tuning)))
    if schedule in ("auto", ROWS):
        streamed = _streamable(choices, tuning) if len(choices) > 1 else choices
        plans = [Candidate(v, make_plan(v.graph, ROWS, tuning)) for v in streamed]
        found.append(min(plans, key=lambda candidate: candidate.plan.cycles))
    return better(found)


def _streamable(choices: Sequence[Variant], tuning: Tuning) -> list[Variant]:
    """The axes along which rows take about the least RAM."""
    peaks = [peak_bytes(v.graph, ROWS, tuning) for v in choices]
    return [v for v, peak in zip(choices, peaks, strict=True) if peak <= min(peaks) + _AXIS_BYTES]


def better(found: Sequence[Candidate]) -> list[Candidate]:
    """Plans, the best first: the fastest; of those that are about equally fast the one with less RAM; then the one
    with the lower latency."""
    return sorted(found, key=functools.cmp_to_key(_order))


def _order(a: Candidate, b: Candidate) -> int:
    """Below zero where ``a`` is better: faster by more than predictions tell apart, else in less RAM, else with the
    lower latency."""
    if abs(a.plan.cycles - b.plan.cycles) > _TELLS * max(a.plan.cycles, b.plan.cycles):
        return a.plan.cycles - b.plan.cycles
    return a.plan.arena_bytes - b.plan.arena_bytes or a.plan.latency_cycles - b.plan.latency_cycles


def recomputed(
    candidate: Candidate, progress: Callable[[int, int], None] = lambda done, total: None
) -> Iterator[Candidate]:
    """Row plans that make rows a second time instead of keeping a map whole: each in less RAM than the one before,
    for more multiply–accumulates.

    Args:
        candidate: a plan by rows.
        progress: called with the number of plans tried and the number known so far.
    """
    variant = candidate.variant
    least = peak = peak_bytes(variant.graph, ROWS)
    tried = known = 0
    for _ in range(_MOST_RECOMPUTATIONS):
        graph = variant.graph
        # What a small map would save is not worth the search.
        worth = (c for c in recomputations(graph) if 4 * graph.tensors[c.stored].size_bytes >= peak)
        graphs = [recompute(graph, choice) for choice in worth]
        known += len(graphs)
        peaks = {}
        for graph in graphs:
            progress(tried, known)
            peaks[graph] = peak_bytes(graph, ROWS)
            tried += 1
        for graph in sorted(graphs, key=lambda g: (g.macs, peaks[g])):
            if peaks[graph] < least:
                least = peaks[graph]
                name = f"{candidate.variant.name}-recompute"
                chosen = Variant(name, verify(graph, "recompute"), variant.permutation)
                tuning = dataclasses.replace(DEFAULT_TUNING, target=candidate.plan.target)
                yield Candidate(chosen, make_plan(graph, ROWS, tuning))
        if least == peak:
            return
        variant, peak = chosen, least
