# SPDX-License-Identifier: Apache-2.0
"""Which parts a network is cut into, and in how many strips each of them runs: the front of RAM against cycles.

Between two held tensors a part's RAM is that of the two and of the widest strip's rings; its cycles are those of its
strips. Neither depends on how the network is cut elsewhere, so the best sequences of parts are found exactly, from the
input to the output, of all parts that are looked at: those whose ends are no larger than the cuts before and behind
them, in some numbers of strips. What a part costs is estimated: the kernels are those of the whole layers, and their
cycles are taken to grow with the columns. The plans that come of it are made, and measured by themselves.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.errors import VerifyError
from ascmcu.ir.graph import Graph, node_macs
from ascmcu.kernels import Lowered
from ascmcu.passes.strips import Part, Strip, cuts, fits_in_place, is_kept, middle_of, region
from ascmcu.schedule.landing import landings
from ascmcu.schedule.place import liveness
from ascmcu.schedule.plan import ROWS, Buffer, Layer
from ascmcu.schedule.simulate import Trace, simulate
from ascmcu.schedule.spare import LEAST_BYTES
from ascmcu.schedule.storage import behind, buffers, share

# In how many strips a part may run.
_STRIPS = (2, 3, 4, 6, 9, 12, 18, 24, 36)
# A part in strips with more than so many times its own work is not looked at.
_MOST_WORK = 2.5
# Cycles of a step beside its columns: the call, and what a kernel sets up for a row.
_STEP_CYCLES = 150
# Cycles that a byte costs which is copied into a strip or out of it.
_COPY_CYCLES = 0.5


# Operators whose scratch is as long as a row: others' is a block of it.
_BY_COLUMNS = "depthwise"

# Bytes that kept columns take, those of two strips that overlap in RAM, for each of theirs.
_KEPT_BYTES = 1.1


@dataclass(frozen=True)
class Point:
    """Parts of a network, the bytes of its activations and the cycles of an inference, both estimated."""

    parts: tuple[Part, ...]
    ram_bytes: int
    cycles: float


def points(graph: Graph, layers: Sequence[Layer], *, sweeps: bool) -> list[Point]:
    """The front: each point takes more cycles than the one before, and fewer bytes.

    Args:
        graph: no layout of which is assigned yet.
        layers: its nodes with their kernels.
        sweeps: whether the caller may push the input several times.
    """
    if len(graph.data_inputs) > 1 or graph.states or len(graph.outputs) > 1:
        return []
    costs, ends = _Costs(graph, layers), _ends(graph)
    single = costs.singles(ends)
    enough = costs.least_bytes(single)
    fronts: dict[str, list[Point]] = {ends[0]: [Point((), 0, 0.0)]}
    for at, target in enumerate(ends[1:], 1):
        found = []
        for source in ends[:at]:
            in_strips = target != ends[-1] and (sweeps or source != ends[0])
            for cost in costs.of(single[source, target], enough, in_strips=in_strips):
                for before in fronts[source]:
                    ram = max(before.ram_bytes, cost.ram_bytes)
                    found.append(Point((*before.parts, *cost.parts), ram, before.cycles + cost.cycles))
        fronts[target] = pareto(found)
    return fronts[ends[-1]]


def pareto(found: Iterable[Point]) -> list[Point]:
    """Those to which no other is better in both, the fastest first."""
    front: list[Point] = []
    for point in sorted(found, key=lambda p: (p.cycles, p.ram_bytes, len(p.parts))):
        if not front or point.ram_bytes < front[-1].ram_bytes:
            front.append(point)
    return front


def _ends(graph: Graph) -> list[str]:
    """The cuts that a part may end at: maps no larger than the cuts beside them; the input and the output."""
    found = [name for name in cuts(graph) if len(graph.tensors[name].shape) == 4]
    sizes = [graph.tensors[name].size_bytes for name in found]
    inner = [
        found[i]
        for i in range(1, len(found))
        if found[i] not in graph.outputs
        and sizes[i] <= min(sizes[i - 1], sizes[i + 1] if i + 1 < len(sizes) else sizes[i])
    ]
    return [graph.inputs[0], *inner, graph.outputs[0]]


def _narrow(graph: Graph) -> list[str]:
    """The cuts whose columns have no more bytes than those of the cuts beside them."""
    found = [t for name in cuts(graph) if len((t := graph.tensors[name]).shape) == 4]
    column_bytes = [t.size_bytes // t.shape[2] for t in found]
    beside = zip(column_bytes, column_bytes[1:], column_bytes[2:], strict=False)
    return [t.name for t, (a, b, c) in zip(found[1:], beside, strict=False) if b <= min(a, c)]


class _Costs:
    def __init__(self, graph: Graph, layers: Sequence[Layer]) -> None:
        self.graph = graph
        self.layers = {layer.node.output: layer for layer in layers}
        self.narrow = _narrow(graph)

    def singles(self, ends: Sequence[str]) -> dict[tuple[str, str], Point]:
        """Every part in one strip, by its ends."""
        pairs = ((source, target) for at, target in enumerate(ends) for source in ends[:at])
        return {pair: self._single(Part(*pair)) for pair in pairs}

    def least_bytes(self, single: Mapping[tuple[str, str], Point]) -> int:
        """What every plan takes at least: of each layer, what the part around it takes that holds least."""
        least: dict[str, int] = {}
        for (source, target), point in single.items():
            # In one strip a part may have less than its ends: its target has bytes of its source.
            held = min(*map(self._held, self._forms(point.parts[0])), point.ram_bytes)
            for node in region(self.graph, Part(source, target)):
                least[node.output] = min(least.get(node.output, held), held)
        return max(least.values(), default=0)

    def of(self, single: Point, enough: int, *, in_strips: bool) -> list[Point]:
        """A part in one strip, and in several while that takes fewer bytes, and it takes more than ``enough``."""
        found = [single]
        for form in self._forms(single.parts[0]) if in_strips else ():
            least = single.ram_bytes
            for number in _STRIPS:
                worth = max(enough, self._held(form)) < least
                point = self._striped(dataclasses.replace(form, strips=number)) if worth else None
                if point is None:
                    break
                if point.ram_bytes < least:
                    found.append(point)
                    least = point.ram_bytes
        return found

    def _forms(self, part: Part) -> list[Part]:
        """A part that keeps no columns between strips, one that does at its narrow tensors, one that does but at the
        first of these, which is often the largest, and one whose strips of these are there as a whole; where the map
        allows it, also those whose strips lie in their source's bytes."""
        inside = {node.output for node in region(self.graph, part)} - {part.target}
        kept = tuple(name for name in self.narrow if name in inside)
        forms = [part]
        if kept:
            forms += [dataclasses.replace(part, kept=kept, staged=staged) for staged in ((), kept)]
        if kept[1:]:
            forms.append(dataclasses.replace(part, kept=kept[1:]))
        if fits_in_place(self.graph, part):
            forms += [dataclasses.replace(f, kept=(part.source, *f.kept), in_place=True) for f in forms]
        return forms

    def _held(self, part: Part) -> int:
        """Bytes of the ends that are not streamed."""
        only = part.in_place or part.source in self.graph.inputs
        ends = [part.target] if only else [part.source, part.target]
        return sum(_words(self.graph.tensors[name].size_bytes) for name in ends)

    def _single(self, part: Part) -> Point:
        nodes = region(self.graph, part)
        whole = {node.output: node.output for node in nodes}
        without = (part.target,) if part.source in self.graph.inputs else (part.source, part.target)
        graph = Graph(part.target, dict(self.graph.tensors), nodes, (part.source,), ()).replace()
        layers = [self._layer(graph, index, whole[node.output]) for index, node in enumerate(graph.nodes)]
        trace, found = self._buffers(graph, layers, without)
        sums, sizes = np.zeros(trace.events + 2, np.int64), np.array([b.size_bytes for b in found], np.int64)
        for buffer, size in zip(found, sizes.tolist(), strict=True):
            for first, last in buffer.live:
                sums[first : last + 1] += size
        # The held ends: the source until it is read no more, the target from its first row on.
        source, target = (self.graph.tensors[name] for name in (part.source, part.target))
        last_read, first_made = trace.rows[part.source].read.max(), trace.rows[part.target].made.min()
        sums[first_made:] += _words(target.size_bytes)
        if part.source not in self.graph.inputs:
            sums[: last_read + 1] += _words(source.size_bytes)
            if len(target.shape) == 4:
                sums[first_made : last_read + 1] -= self._rolled(part, trace)
        ram = int(sums.max(initial=0))
        return Point((part,), ram, sum(self.layers[node.output].lowered.cycles for node in nodes))

    def _striped(self, part: Part) -> Point | None:
        """Several strips of a part; None where it cannot run so, or the work is not worth it."""
        nodes = region(self.graph, part)
        source, target = (self.graph.tensors[name] for name in (part.source, part.target))
        if len(target.shape) != 4 or target.shape[2] < part.strips:
            return None
        try:
            strip = middle_of(self.graph, part, nodes)
        except VerifyError:
            return None
        # Of two, one lies at either side.
        alike = [strip] if part.strips > 2 or strip.before is None else [strip.before, strip]
        times = target.shape[2] / sum(s.columns_of(part.target) for s in alike)
        begin, end = strip.taken
        if begin == end:
            return None
        work = times * sum(s.columns_work for s in alike)
        if work > _MOST_WORK * max(sum(node_macs(self.graph, node) for node in nodes), 1):
            return None
        ram = max(self._strip_peak(s) for s in alike)
        if part.source in self.graph.inputs:
            ram += _words(strip.columns_of(part.source) * source.shape[3] * source.dtype.size_bytes)
        cycles = times * sum(self._strip_cycles(s) for s in alike)
        return Point((part,), self._held(part) + ram, cycles)

    def _strip_peak(self, strip: Strip) -> int:
        graph, whole = strip.alone()
        kept = tuple(name for name in graph.tensors if is_kept(name))
        # What is kept for the next strip lies some rows behind what was kept for this one.
        return self._peak(graph, whole, without=kept) + round(_KEPT_BYTES * strip.kept_bytes)

    def _strip_cycles(self, strip: Strip) -> float:
        """Of its layers, and of the copies at its ends."""
        found, part = 0.0, strip.part
        for node, _, _ in strip.forms:
            y = self.graph.output_tensor(node)
            begin, end = strip.made[y.name]
            share_of = (end - begin) / y.shape[2]
            found += self.layers[y.name].lowered.cycles * share_of + _STEP_CYCLES * y.shape[1]
            if strip.columns_of(y.name) > end - begin:
                found += _COPY_CYCLES * y.size_bytes * strip.columns_of(y.name) / y.shape[2]
                found += 2 * _STEP_CYCLES * y.shape[1]
        for x in (self.graph.tensors[part.source], self.graph.tensors[part.target]):
            found += _COPY_CYCLES * x.size_bytes * strip.columns_of(x.name) / x.shape[2]
            found += _STEP_CYCLES * x.shape[1]
        if part.in_place:
            # What is kept of the source is copied, and joined to what is taken of it.
            found += _COPY_CYCLES * x.size_bytes * strip.columns_of(part.source) / x.shape[2]
            found += 2 * _STEP_CYCLES * x.shape[1]
        return found

    def _rolled(self, part: Part, trace: Trace) -> int:
        """Bytes that the target may have of its source's, row by row."""
        rows = trace.rows
        source, target = (self.graph.tensors[name] for name in (part.source, part.target))
        apart = behind(rows[target.name], rows[source.name], target.row_bytes, source.row_bytes)
        return min(max(target.size_bytes - apart, 0), source.size_bytes)

    def _peak(self, graph: Graph, whole: Mapping[str, str], *, without: tuple[str, ...] = ()) -> int:
        """The largest sum of live bytes but those of some tensors."""
        layers = [
            self._layer(graph, index, whole.get(node.output, "")) for index, node in enumerate(graph.nodes)
        ]
        trace, found = self._buffers(graph, layers, without)
        sizes = np.array([b.size_bytes for b in found])
        return int((sizes @ liveness(found, trace.events)).max(initial=0))

    def _buffers(
        self, graph: Graph, layers: Sequence[Layer], without: tuple[str, ...]
    ) -> tuple[Trace, list[Buffer]]:
        """The schedule, and the buffers but those of some tensors."""
        trace = simulate(graph, layers, ROWS)
        storage = share(graph, layers, trace)
        landed = landings(graph, layers, storage, trace, but=without, found=False)
        found = buffers(graph, layers, storage, trace, landed)
        return trace, [b for b in found if b.name not in without]

    def _layer(self, graph: Graph, index: int, whole: str) -> Layer:
        node = graph.nodes[index]
        y = graph.output_tensor(node)
        rule = node.op.row_rule(graph.input_tensors(node), y)
        full = self.layers.get(whole)
        if full is None:
            return Layer(index, node, rule, _COPY)
        lowered = full.lowered
        part = y.row_elements / self.graph.output_tensor(full.node).row_elements
        if lowered.state is not None and not lowered.holds_state:
            dtype, count = lowered.state
            lowered = dataclasses.replace(lowered, state=(dtype, round(count * part)))
        if lowered.scratch is not None and node.op.FAMILY == _BY_COLUMNS:
            dtype, count = lowered.scratch
            least = min(count, LEAST_BYTES // dtype.size_bytes)
            lowered = dataclasses.replace(lowered, scratch=(dtype, max(least, round(count * part))))
        return Layer(index, node, rule, lowered)


# A layer that copies.
_COPY = Lowered(None)


def _words(size_bytes: int) -> int:
    return -(-size_bytes // 4) * 4
