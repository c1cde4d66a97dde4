# SPDX-License-Identifier: Apache-2.0
"""Which layout each map is written and read in: the assignment with the fewest predicted cycles.

Every tensor has candidates, and every node, for each pair of a layout that it reads and one that it writes, the cost of
its best kernel; where a reader wants another layout than was written, a relayout costs as well. Behind a tensor, all
readers choose for themselves: along chains and where a tensor has several readers, the shortest path is found exactly,
from the outputs to the inputs. A node of several computed maps answers for what lies behind it once, to the first of
them, and is taken to read all of them in one layout. What the sum does not see: that the others may be written in
another, and that readers may share a copy. So the caller compares the plans that come of several searches.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from ascmcu import kernels
from ascmcu.ir.graph import Graph, Node, with_tensor
from ascmcu.ir.layout import ROW_MAJOR, TIME_STEPS, Layout, channel_planar, folded_time
from ascmcu.ir.types import Tensor
from ascmcu.kernels import Tuning
from ascmcu.ops.conv2d import Conv2D
from ascmcu.ops.depthwise_conv2d import DepthwiseConv2D
from ascmcu.ops.fully_connected import FullyConnected
from ascmcu.ops.relayout import Relayout


@dataclass(frozen=True)
class Kinds:
    """Which layouts may be assigned at all: some take RAM."""

    planar: bool = True
    time: bool = True
    row_pairs: bool = True
    int16: bool = True


@dataclass(frozen=True)
class Assignment:
    """The layouts other than row-major: of each tensor as it is written, and of the first input of each node, named by
    its output, as it is read. ``cycles`` are predicted of all layers, relayouts included."""

    written: dict[str, Layout]
    read: dict[str, Layout]
    cycles: float

    def tensors(self, *, planar: bool = False, int16: bool = False) -> frozenset[str]:
        """Tensors with a layout of that kind."""
        found = (n for n, x in self.written.items() if (planar and x.planar) or (int16 and x.int16))
        return frozenset(found)

    @property
    def in_time(self) -> frozenset[str]:
        """Nodes, by their outputs, that read time folded to width."""
        return frozenset(name for name, x in self.read.items() if x.time_steps > 1)

    @property
    def in_pairs(self) -> frozenset[str]:
        """Nodes, by their outputs, that read and write rows in pairs."""
        return frozenset(n for n, x in self.read.items() if x.row_pairs and self.written[n].row_pairs)


def shortest(costs: Costs, kinds: Kinds) -> Assignment:
    """The best layouts of the graph of ``costs``, of which none is assigned yet."""
    return _Search(costs, kinds).run()


class Costs:
    """Predicted cycles of a graph's nodes in every layout that a search asks for; searches share them.

    Args:
        graph: no layout of which is assigned yet.
        tunings: what its nodes may spend.
    """

    def __init__(self, graph: Graph, tunings: Sequence[Tuning]) -> None:
        self.graph = graph
        self._tuning = {node.output: t for node, t in zip(graph.nodes, tunings, strict=True)}

    @functools.cache  # noqa: B019 (the costs live as long as the searches of one graph)
    def of(self, node: Node, read: Layout, written: Layout) -> float:
        """A node that reads and writes these layouts; infinite where no kernel does."""
        inputs = tuple(_as_read(t, read) for t in self.graph.input_tensors(node))
        if read.time_steps > 1 and not self._reads_whole_maps(node):
            return math.inf
        output = with_tensor(self.graph.output_tensor(node), layout=written)
        return _cycles(kernels.lower(node.op, inputs, output, self._tuning[node.output]))

    @functools.cache  # noqa: B019
    def relayout(self, name: str, written: Layout, read: Layout) -> float:
        """A copy of a tensor into another layout; infinite where there is none."""
        # Rows in pairs are rows all the same.
        if read in (written, dataclasses.replace(written, row_pairs=False)):
            return 0.0
        # Only time is folded and unfolded by a copy; and what is int16 is so for a single reader.
        if written.time_steps == read.time_steps == 1 or written.int16 or read.int16:
            return math.inf
        x = self.graph.tensors[name]
        ends = (with_tensor(x, layout=layout) for layout in (written, read))
        return _cycles(kernels.lower(Relayout(), (next(ends),), next(ends)))

    def _reads_whole_maps(self, node: Node) -> bool:
        """A dense layer reads time folded to width if all of the map is one vector, and what fills it is zero."""
        if not isinstance(node.op, FullyConnected):
            return True
        x, weights, _ = node.op.operands(self.graph.input_tensors(node))
        return x.elements == weights.shape[1] and weights.zero_point == 0


class _Search:
    def __init__(self, costs: Costs, kinds: Kinds) -> None:
        self.costs, self.kinds = costs, kinds
        self.graph = graph = costs.graph
        self.producer = {node.output: node for node in graph.nodes}
        self.readers: dict[str, list[Node]] = {name: [] for name in graph.tensors}
        for node in graph.nodes:
            for name in {n for n in node.inputs if n and not graph.tensors[n].is_const}:
                self.readers[name].append(node)
        self.candidates = {name: self._candidates(t) for name, t in graph.tensors.items() if not t.is_const}
        # Of what lies behind a tensor, by the layout in which it is written: cycles.
        self.behind: dict[tuple[str, Layout], float] = {}
        # The best layout that a node writes, by the one that it reads.
        self.writes: dict[tuple[str, Layout], Layout] = {}

    def run(self) -> Assignment:
        for node in reversed(self.graph.nodes):
            self._settle(node.output)
        for name in self.graph.inputs:
            self._settle(name)
        cycles = sum(self.behind[name, ROW_MAJOR] for name in self.graph.inputs)
        written, read = dict.fromkeys(self.graph.inputs, ROW_MAJOR), {}
        for node in self.graph.nodes:
            source = self._source(node)
            at = written.get(source, ROW_MAJOR)
            read[node.output] = self._read(node, source, at)[1]
            written[node.output] = self.writes[node.output, read[node.output]]
        apart = [{n: x for n, x in found.items() if x != ROW_MAJOR} for found in (written, read)]
        return Assignment({**dict.fromkeys(written, ROW_MAJOR), **apart[0]}, apart[1], cycles)

    def _source(self, node: Node) -> str:
        """The first computed input, whose reader answers for what lies behind the node."""
        return next((n for n in node.inputs if n in self.candidates), "")

    def _settle(self, name: str) -> None:
        """What lies behind a tensor, for every layout in which it may be written."""
        for node in self.readers[name]:
            for layout in self.candidates[name]:
                self._best(node, layout)
        for layout in self.candidates[name]:
            total = sum(self._read(node, name, layout)[0] for node in self.readers[name])
            if name in self.graph.outputs:
                total += self.costs.relayout(name, layout, ROW_MAJOR)
            self.behind[name, layout] = total

    def _read(self, node: Node, name: str, written: Layout) -> tuple[float, Layout]:
        """How a node had better read a tensor: as it is, or through a copy; with all cycles from there on."""
        found = [(math.inf, written)]
        for layout in self.candidates.get(name, (ROW_MAJOR,)):
            copied = self.costs.relayout(name, written, layout) if name else 0.0
            if copied < math.inf:
                found.append((copied + self._of_input(node, name, layout), layout))
        return min(found, key=lambda choice: choice[0])

    def _of_input(self, node: Node, name: str, layout: Layout) -> float:
        best = self._best(node, layout) if layout in self.candidates[self._source(node)] else math.inf
        return best if name == self._source(node) or best == math.inf else 0.0

    def _best(self, node: Node, read: Layout) -> float:
        """Cycles of a node and all that lies behind it, for the layout that it reads."""
        options = [
            (self.costs.of(node, read, written) + self.behind[node.output, written], written)
            for written in self.candidates[node.output]
        ]
        cycles, written = min(options, key=lambda option: option[0])
        self.writes[node.output, read] = written
        return cycles

    def _candidates(self, x: Tensor) -> tuple[Layout, ...]:
        """The layouts in which a map may be written; those that ask for nothing come first."""
        maker, readers = self.producer.get(x.name), self.readers[x.name]
        if maker is None or len(x.shape) != 4 or x.shape[0] != 1:
            return (ROW_MAJOR, *self._folded(x)) if len(x.shape) == 4 and x.shape[0] == 1 else (ROW_MAJOR,)
        found = [ROW_MAJOR]
        if len(readers) == 1 and x.name not in self.graph.outputs:
            found += self._of_reader(x, maker, readers[0])
        if self.kinds.row_pairs and any(isinstance(n.op, Conv2D) for n in (maker, *readers)):
            found += [dataclasses.replace(layout, row_pairs=True) for layout in found]
        return (*found, *self._folded(x))

    def _of_reader(self, x: Tensor, maker: Node, reader: Node) -> list[Layout]:
        """What a sole reader would like best."""
        if self.kinds.planar and isinstance(reader.op, DepthwiseConv2D) and reader.inputs[0] == x.name:
            _, weights, _ = reader.op.operands(self.graph.input_tensors(reader))
            columns, op = self.graph.output_tensor(reader).shape[2], reader.op
            return [channel_planar(x.shape[2], columns, op.stride[1], op.padding[2], weights.shape[2])]
        pointwise = isinstance(reader.op, Conv2D) and isinstance(maker.op, DepthwiseConv2D)
        return [Layout(int16=True)] if self.kinds.int16 and pointwise else []

    def _folded(self, x: Tensor) -> tuple[Layout, ...]:
        """The layouts of a map along time alone."""
        if not self.kinds.time or x.shape[2] != 1 or x.shape[1] < TIME_STEPS:
            return ()
        found = [folded_time(), folded_time(planar=True)]
        maker, readers = self.producer.get(x.name), self.readers[x.name]
        sole = len(readers) == 1 and isinstance(readers[0].op, Conv2D)
        if self.kinds.int16 and sole and maker is not None and isinstance(maker.op, DepthwiseConv2D):
            found.append(Layout(TIME_STEPS, int16=True, pitch=x.shape[3]))
        return tuple(found)


def _as_read(t: Tensor | None, layout: Layout) -> Tensor | None:
    """An operand, in a layout if it is a map that is computed; one without time has none."""
    if t is None or t.is_const or layout == ROW_MAJOR or len(t.shape) != 4:
        return t
    return t if layout.time_steps > 1 and t.shape[1] == 1 else with_tensor(t, layout=layout)


def _cycles(lowered: kernels.Lowered | None) -> float:
    return math.inf if lowered is None else lowered.at_most_cycles
