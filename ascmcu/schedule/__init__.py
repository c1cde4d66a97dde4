# SPDX-License-Identifier: Apache-2.0
"""Graph → Plan: row schedule, buffers, offsets."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np

from ascmcu import kernels
from ascmcu.ir.graph import Graph, node_macs
from ascmcu.kernels import DEFAULT_TUNING, Tuning
from ascmcu.kernels.conv2d_time import common_pitches
from ascmcu.ops.hold import Hold
from ascmcu.passes.input_readers_first import input_readers_first
from ascmcu.schedule.landing import landings, needed
from ascmcu.schedule.layouts import layouts
from ascmcu.schedule.place import liveness, place
from ascmcu.schedule.plan import LAYERS, ROWS, Buffer, Landing, Layer, Plan
from ascmcu.schedule.simulate import simulate
from ascmcu.schedule.spare import ENOUGH_BYTES, spare_scratch
from ascmcu.schedule.storage import buffers, rolls, share, widened_in_place

__all__ = ["LAYERS", "ROWS", "Buffer", "Layer", "Plan", "layers_of", "make_plan", "peak_bytes", "plan_as_is"]

# RAM that rows may take for layouts that spare cycles and not bytes.
_LAYOUT_BYTES = 5120
# How often a peak is lowered further where the gaps of a placement keep it from a limit.
_GAP_ROUNDS = 3
# Shifts that layers may agree on.
_SHIFTS = (13, 12, 14)
# Dense layers with more of the network's work than this may have code of their own.
_DENSE_SHARE = 0.05
# A layer with less of the network's work than this has shorter loops: their code would cost more than it spares.
_SHORT_LOOPS = ((0.02, 4), (0.04, 8))
# A layer with more than this has its sums inside the code that requantizes, if it has no more pairs of taps: that
# spares 0.15 % of the network's cycles, and takes some 300 bytes.
_SUMS_INSIDE = ((0.15, 40), (0.07, 16), (0.04, 8))


def make_plan(
    graph: Graph, mode: str, tuning: Tuning = DEFAULT_TUNING, room_bytes: int | None = None
) -> Plan:
    """Lay out, schedule and place a graph.

    Args:
        graph: after the pipeline of passes, for one choice of the axes.
        mode: ``layers`` runs one layer after the other on whole tensors; ``rows`` streams rows through all.
        tuning: what kernels may spend.
        room_bytes: RAM that activations may take: layouts and scratch that spare cycles have what is left of it, and
            none where nothing is left; there, rows land. By default, none does, layouts may take some more than the
            least, and scratch what it does on the smallest board.
    """
    *choices, least = layouts(graph, mode, _tunings(graph, tuning))
    enough, lands = ENOUGH_BYTES if room_bytes is None else room_bytes, room_bytes is not None
    lean = _plan_within(least.graph, mode, tuning, enough, lands=lands)
    most = lean.arena_bytes + _LAYOUT_BYTES if room_bytes is None else max(lean.arena_bytes, room_bytes)
    chosen, plan = least, lean
    cycles = {choice: _cycles(choice.graph, tuning) for choice in (*choices, least)}
    for choice in sorted((c for c in choices if cycles[c] < cycles[least]), key=lambda c: cycles[c]):
        # A placement takes longer than this bound, which scratch that gives way may still lower.
        if peak_bytes(choice.graph, mode, tuning, lands=lands) <= most + tuning.scratch_bytes:
            found = _plan_within(choice.graph, mode, tuning, enough, lands=lands)
            if found.arena_bytes <= most:
                chosen, plan = choice, found
                break
    return dataclasses.replace(plan, stages=chosen.stages)


def _plan_within(graph: Graph, mode: str, tuning: Tuning, enough_bytes: int, *, lands: bool) -> Plan:
    """A plan whose peak is low enough for its placement to fit, too, which may have gaps."""
    aimed = enough_bytes
    plan = plan_as_is(graph, mode, tuning, aimed, lands=lands)
    if not lands or plan.arena_bytes <= enough_bytes or plan.lower_bound_bytes > enough_bytes:
        return plan
    for _ in range(_GAP_ROUNDS):
        aimed -= plan.arena_bytes - enough_bytes
        lower = plan_as_is(graph, mode, tuning, aimed, lands=lands)
        plan = min(plan, lower, key=lambda p: p.arena_bytes)
        if lower.arena_bytes <= enough_bytes or lower.lower_bound_bytes > aimed:
            break
    return plan


@functools.lru_cache(maxsize=16)
def peak_bytes(graph: Graph, mode: str, tuning: Tuning = DEFAULT_TUNING, *, lands: bool = False) -> int:
    """The largest sum of live bytes, without a placement: enough to compare graphs before one is planned."""
    if mode == ROWS:
        graph = input_readers_first(graph)
    layers = _layers(graph, tuning)
    trace = simulate(graph, layers, mode)
    storage = share(graph, layers, trace)
    landed = landings(graph, layers, storage, trace) if lands and mode == ROWS else {}
    return _peak(buffers(graph, layers, storage, trace, landed), trace.events)


def _peak(found: Sequence[Buffer], events: int) -> int:
    return int((np.array([b.size_bytes for b in found]) @ liveness(found, events)).max(initial=0))


def plan_as_is(
    graph: Graph,
    mode: str,
    tuning: Tuning = DEFAULT_TUNING,
    enough_bytes: int = ENOUGH_BYTES,
    *,
    lands: bool = False,
) -> Plan:
    """Schedule and place a graph in the layouts and the order that it has; arguments are those of ``make_plan``.

    ``enough_bytes``: scratch shrinks where the peak is above; so do rings, if rows may land (``lands``).
    """
    layers, tuning = _one_shift(graph, tuning)
    trace = simulate(graph, layers, mode)
    storage = share(graph, layers, trace)
    landed: dict[str, Landing] = {}
    if mode == ROWS:
        lower = functools.partial(_relowered, graph, tuning)
        possible = landings(graph, layers, storage, trace) if lands else {}
        layers = spare_scratch(graph, layers, storage, trace, lower, enough_bytes, possible)
        landed = needed(graph, layers, storage, trace, possible, enough_bytes) if possible else {}
    shared = {**storage, **widened_in_place(graph, layers, storage, trace)}
    apart, together = (buffers(graph, layers, s, trace, landed) for s in (storage, shared))
    if _peak(together, trace.events) < _peak(apart, trace.events):
        storage, apart = shared, together
    parts = any(isinstance(node.op, Hold) for node in graph.nodes)
    rolling = rolls(graph, storage, apart, trace) if mode == ROWS and (lands or parts) else {}
    placed, size, bound = place(apart, trace.events, rolling)
    return Plan(
        graph,
        mode,
        layers,
        placed,
        storage,
        size,
        bound,
        trace.events,
        trace.order,
        target=tuning.target,
        landings=tuple(landed.values()),
    )


def layers_of(graph: Graph, tuning: Tuning = DEFAULT_TUNING) -> tuple[Layer, ...]:
    """Every node of a graph with its kernel."""
    return _layers(graph, tuning)


@functools.lru_cache(maxsize=16)
def _cycles(graph: Graph, tuning: Tuning) -> float:
    """Cycles that a graph's layers are unlikely to pass."""
    return sum(layer.lowered.at_most_cycles for layer in _layers(graph, tuning))


def _layers(graph: Graph, tuning: Tuning) -> tuple[Layer, ...]:
    """Every node with its kernel."""
    tunings = _tunings(graph, tuning)
    return tuple(_layer(graph, index, tunings[index]) for index in range(len(graph.nodes)))


def _one_shift(graph: Graph, tuning: Tuning) -> tuple[tuple[Layer, ...], Tuning]:
    """The layers at the shift with which they need the fewest kernels."""
    chosen = dataclasses.replace(tuning, shift=_SHIFTS[0])
    layers = _layers(graph, chosen)
    for shift in _SHIFTS[1:]:
        taken = _shifted_kernels(layers)
        if len(taken) == len({kernel for kernel, _ in taken}):
            break  # each kernel is there once: no shift needs fewer
        other = dataclasses.replace(tuning, shift=shift)
        tried = _layers(graph, other)
        if len(_shifted_kernels(tried)) < len(taken):
            layers, chosen = tried, other
    return layers, chosen


def _shifted_kernels(layers: tuple[Layer, ...]) -> set[tuple[type, int]]:
    """The kernels whose code depends on a shift, with the shifts at which layers take them."""
    kinds = ((type(layer.lowered.params), layer.lowered.shift) for layer in layers)
    return {(kernel, shift) for kernel, shift in kinds if shift is not None}


def _relowered(graph: Graph, tuning: Tuning, index: int, scratch_bytes: int) -> Layer:
    tuning = _tunings(graph, dataclasses.replace(tuning, scratch_bytes=scratch_bytes))[index]
    return _layer(graph, index, tuning)


def _tunings(graph: Graph, tuning: Tuning) -> tuple[Tuning, ...]:
    """What each node may spend, by its part of the network's work."""
    macs = [node_macs(graph, node) for node in graph.nodes]
    total, pitches = sum(macs), common_pitches(graph)
    dense = sum(m for m, node in zip(macs, graph.nodes, strict=True) if node.op.FAMILY == "dense")
    found = []
    for node, own in zip(graph.nodes, macs, strict=True):
        part = own / max(total, 1)
        unroll = next((unroll for most, unroll in _SHORT_LOOPS if part < most), tuning.unroll)
        found.append(
            dataclasses.replace(
                tuning,
                unroll=min(unroll, tuning.unroll),
                inside=next((pairs for least, pairs in _SUMS_INSIDE if part > least), 0),
                dense=dense > _DENSE_SHARE * total,
                pitch=pitches.get(node.output, 0),
            )
        )
    return tuple(found)


def _layer(graph: Graph, index: int, tuning: Tuning) -> Layer:
    node = graph.nodes[index]
    lowered = kernels.select(graph, node, tuning)
    rule = lowered.rule or node.op.row_rule(graph.input_tensors(node), graph.output_tensor(node))
    return Layer(index, node, rule, lowered)
