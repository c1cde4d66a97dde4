"""Graph → Plan: row schedule, buffers, offsets."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.graph import Graph, Node, node_macs
from ascmcu.ir.op import DEFAULT_TUNING, Lowered, Op, Tuning
from ascmcu.ir.types import Tensor
from ascmcu.passes.fold_time import fold_time
from ascmcu.passes.pair_rows import pair_rows
from ascmcu.passes.planar_maps import planar_maps
from ascmcu.passes.widen_maps import widen_maps
from ascmcu.schedule.place import liveness, place
from ascmcu.schedule.plan import LAYERS, ROWS, Buffer, Layer, Plan
from ascmcu.schedule.simulate import simulate
from ascmcu.schedule.spare import spare_scratch
from ascmcu.schedule.storage import buffers, share, widened_in_place

__all__ = ["LAYERS", "ROWS", "Buffer", "Layer", "Plan", "make_plan", "peak_bytes"]


# RAM that rows may take for layouts that spare cycles and not bytes.
_LAYOUT_BYTES = 5120
# Shifts that layers may agree on.
_SHIFTS = (13, 12, 14)
# Dense layers with more of the network's work than this may have code of their own.
_DENSE_SHARE = 0.05
# A layer with less of the network's work than this has shorter loops: their code would cost more than it spares.
_SHORT_LOOPS = ((0.02, 4), (0.04, 8))


def make_plan(graph: Graph, mode: str, tuning: Tuning = DEFAULT_TUNING) -> Plan:
    """Schedule and place a graph.

    Args:
        graph: after all passes: every op has a kernel.
        mode: ``layers`` runs one layer after the other on whole tensors; ``rows`` streams rows through all.
        tuning: what kernels may spend.
    """
    forms = _forms(graph, mode) if tuning.planes else (graph,)
    lean = _planned(forms[-1], mode, tuning)
    most = lean.arena_bytes + _LAYOUT_BYTES
    for form in forms[:-1]:
        # A placement takes longer than this bound, which scratch that gives way may still lower.
        if peak_bytes(form, mode, tuning) <= most + tuning.scratch_bytes:
            plan = _planned(form, mode, tuning)
            if plan.arena_bytes <= most:
                return plan
    return lean


def _forms(graph: Graph, mode: str) -> tuple[Graph, ...]:
    """The graph in layouts that spare cycles, the fastest first; the last one is what the others are measured by."""
    wide = fold_time(planar_maps(graph))
    paired = pair_rows(wide)
    if mode == LAYERS:
        return tuple(dict.fromkeys((widen_maps(paired), paired)))
    plain = pair_rows(graph)
    return tuple(dict.fromkeys((widen_maps(paired), paired, widen_maps(wide), wide, plain, graph)))


def peak_bytes(graph: Graph, mode: str, tuning: Tuning = DEFAULT_TUNING) -> int:
    """The largest sum of live bytes, without a placement: enough to compare graphs before one is planned."""
    if mode == ROWS:
        graph = _input_readers_first(graph)
    layers = _layers(graph, tuning)
    trace = simulate(graph, layers, mode)
    return _peak(buffers(graph, layers, share(graph, layers, trace), trace), trace.events)


def _peak(found: Sequence[Buffer], events: int) -> int:
    return int((np.array([b.size_bytes for b in found]) @ liveness(found, events)).max(initial=0))


def _planned(graph: Graph, mode: str, tuning: Tuning) -> Plan:
    if mode == ROWS:
        graph = _input_readers_first(graph)
    tuning = _one_shift(graph, tuning)
    layers = _layers(graph, tuning)
    trace = simulate(graph, layers, mode)
    storage = share(graph, layers, trace)
    if mode == ROWS:
        layers = spare_scratch(graph, layers, storage, trace, functools.partial(_relowered, graph, tuning))
    shared = {**storage, **widened_in_place(graph, layers, storage, trace)}
    apart, together = (buffers(graph, layers, s, trace) for s in (storage, shared))
    if _peak(together, trace.events) < _peak(apart, trace.events):
        storage, apart = shared, together
    placed, size, bound = place(apart, trace.events)
    return Plan(graph, mode, layers, placed, storage, size, bound, trace.events, trace.order)


def _input_readers_first(graph: Graph) -> Graph:
    """Ops that read nothing but the network's input come first (they depend on nothing): when a row is pushed, all
    branches take their part of it before any of them computes, and the row's bytes are free again."""

    def waits(node: Node) -> bool:
        return any(tensor.name not in graph.inputs for tensor in graph.activations(node))

    ordered = tuple(sorted(graph.nodes, key=waits))
    return graph if ordered == graph.nodes else graph.replace(nodes=ordered)


@functools.lru_cache(maxsize=8)
def _layers(graph: Graph, tuning: Tuning) -> tuple[Layer, ...]:
    """Lowering does not depend on the schedule; several plans of one graph share it."""
    return tuple(_layer(graph, index, tuning) for index in range(len(graph.nodes)))


def _one_shift(graph: Graph, tuning: Tuning) -> Tuning:
    """The shift with which the layers need the fewest kernels."""
    tunings = [dataclasses.replace(tuning, shift=shift) for shift in _SHIFTS]
    return min(tunings, key=lambda t: _shifted_kernels(_layers(graph, t)))


def _shifted_kernels(layers: tuple[Layer, ...]) -> int:
    kinds = {(type(layer.lowered.params), layer.lowered.shift) for layer in layers}
    return len([kind for kind, shift in kinds if shift is not None])


def _relowered(graph: Graph, tuning: Tuning, index: int, scratch_bytes: int) -> Layer:
    return _layer(graph, index, dataclasses.replace(tuning, scratch_bytes=scratch_bytes))


def _layer(graph: Graph, index: int, tuning: Tuning) -> Layer:
    node = graph.nodes[index]
    share = node_macs(graph, node) / max(graph.macs, 1)
    dense = _dense_macs(graph) > _DENSE_SHARE * graph.macs
    unroll = next((unroll for most, unroll in _SHORT_LOOPS if share < most), tuning.unroll)
    tuning = dataclasses.replace(tuning, unroll=min(unroll, tuning.unroll), dense=dense)
    inputs, output = graph.input_tensors(node), graph.output_tensor(node)
    lowered = _lowered(node.op, _Operands(inputs, output), tuning)
    return Layer(index, node, node.op.row_rule(inputs, output), lowered)


def _dense_macs(graph: Graph) -> int:
    return sum(node_macs(graph, node) for node in graph.nodes if node.op.kind() == "fully_connected")


@dataclass(frozen=True, eq=False)
class _Operands:
    """Tensors as far as lowering looks at them: equal where their types are, and their constants the same arrays."""

    inputs: tuple[Tensor | None, ...]
    output: Tensor

    @functools.cached_property
    def _key(self) -> tuple[object, ...]:
        return tuple(t and (t.shape, t.dtype, t.quant, id(t.data)) for t in (*self.inputs, self.output))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Operands) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


@functools.lru_cache(maxsize=1024)
def _lowered(op: Op, operands: _Operands, tuning: Tuning) -> Lowered:
    """The same layer stands in many graphs while plans are compared; its operands are kept, so no ``id`` is reused."""
    return op.lower_tuned(operands.inputs, operands.output, tuning)
