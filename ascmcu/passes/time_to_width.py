# SPDX-License-Identifier: Apache-2.0
"""Fold the time of maps one column wide into their width, four steps per row.

A pixel by itself keeps half of a kernel's registers idle; four neighbours fill them, and share what a step costs by
itself. Rings become a few rows higher.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass

from ascmcu import kernels
from ascmcu.ir.graph import Graph, Node, with_tensor
from ascmcu.ir.layout import ROW_MAJOR, Layout, folded_time
from ascmcu.ir.op import Inputs, present
from ascmcu.ir.types import Tensor
from ascmcu.ops.conv2d import Conv2D
from ascmcu.ops.depthwise_conv2d import DepthwiseConv2D
from ascmcu.ops.fully_connected import FullyConnected
from ascmcu.ops.relayout import Relayout

_LEAST_ROWS = 8
# Multiply-accumulates per time step below which a convolution does not pay for what is folded around it.
_LEAST_MACS = 96
_CONVOLUTIONS = (Conv2D, DepthwiseConv2D)
_FOLDED, _PLANES = folded_time(), folded_time(planar=True)


def time_to_width(graph: Graph, chosen: Collection[str] | None = None) -> Graph:
    """Exact: kernels that compute the same from another layout, and copies at the seams. ``chosen``: the nodes, by
    their outputs, that a search has found to gain; where absent, all that do as a rule."""
    reads: dict[str, Layout] = {}
    for node in graph.nodes:
        read = _reads(graph, node, chosen is None) or _follows(graph, node, reads)
        if read is not None and (chosen is None or node.output in chosen):
            reads[node.output] = read
    return _Folding(graph, reads).run() if reads else graph


def _reads(graph: Graph, node: Node, as_a_rule: bool) -> Layout | None:
    """The layout that a convolution reads if its time is folded, where there is a kernel and it pays as a rule."""
    op, output = node.op, graph.output_tensor(node)
    if not isinstance(op, _CONVOLUTIONS):
        return None
    x, weights, bias = op.operands(graph.input_tensors(node))
    if x.is_const or x.layout != ROW_MAJOR or output.layout != ROW_MAJOR:
        return None
    if x.shape[2] != 1 or output.shape[2] != 1:
        return None
    short = min(x.rows, output.rows) < _LEAST_ROWS or (
        isinstance(op, Conv2D) and weights.elements < _LEAST_MACS
    )
    if as_a_rule and short:
        return None
    read = _FOLDED if isinstance(op, Conv2D) else _PLANES
    inputs = (with_tensor(x, layout=read), weights, bias)
    return read if kernels.lower(op, inputs, with_tensor(output, layout=_FOLDED)) is not None else None


def _follows(graph: Graph, node: Node, chosen: dict[str, Layout]) -> Layout | None:
    """The layout that another operation reads if the maps that it reads are folded by now and a kernel goes on with
    them as they are: element by element, or to a sum."""
    maps = [t for t in graph.activations(node) if len(t.shape) == 4 and t.shape[1] > 1]
    if isinstance(node.op, _CONVOLUTIONS) or not maps or any(t.name not in chosen for t in maps):
        return None
    inputs = _with_layout(graph.input_tensors(node), {t.name for t in maps})
    return _FOLDED if kernels.lower(node.op, inputs, _result(graph, node)) is not None else None


def _result(graph: Graph, node: Node) -> Tensor:
    """What a node writes that reads folded maps: a folded map, or what has no time left."""
    output = graph.output_tensor(node)
    along = len(output.shape) == 4 and output.shape[2] == 1 and output.shape[1] > 1
    return with_tensor(output, layout=_FOLDED) if along else output


def _with_layout(inputs: Inputs, names: set[str]) -> tuple[Tensor | None, ...]:
    return tuple(with_tensor(t, layout=_FOLDED) if t is not None and t.name in names else t for t in inputs)


@dataclass
class _Folding:
    """Rewrites the nodes one after the other, with a relayout where layouts meet."""

    graph: Graph
    chosen: dict[str, Layout]

    def __post_init__(self) -> None:
        self.nodes: list[Node] = []
        self.tensors: dict[str, Tensor] = {}
        # Folded tensors by the name of the map and layout.
        self.made: dict[tuple[str, Layout], str] = {}

    def run(self) -> Graph:
        for node in self.graph.nodes:
            if node.output in self.chosen:
                self._chosen(node)
            elif self._is_dense(node) and (made := self._any(node.inputs[0])) is not None:
                self.nodes.append(dataclasses.replace(node, inputs=(made, *node.inputs[1:])))
            else:
                self.nodes.append(node)
        return self.graph.replace(nodes=self.nodes, tensors=self.tensors.values())

    def _any(self, name: str) -> str | None:
        """The map ``name`` as planes, or else folded, if it is there."""
        return self.made.get((name, _PLANES)) or self.made.get((name, _FOLDED))

    def _chosen(self, node: Node) -> None:
        output, read = self.graph.output_tensor(node), self.chosen[node.output]
        maps = [n for n in node.inputs if n in self.chosen or (n and isinstance(node.op, _CONVOLUTIONS))]
        folded = {n: self._folded(n, read) for n in maps if not self.graph.tensors[n].is_const}
        written = self._writes(node)
        name = output.name
        if written != ROW_MAJOR and self._is_wanted_plain(output.name):
            name = f"{output.name}.folded"
        self._add(
            dataclasses.replace(node, inputs=tuple(folded.get(n, n) for n in node.inputs), output=name),
            output,
            written,
        )
        if written == ROW_MAJOR:
            return
        self.made[output.name, written] = name
        if name != output.name:
            self.nodes.append(Node(f"{node.name}.unfolded", Relayout(), (name,), output.name))

    def _is_wanted_plain(self, name: str) -> bool:
        """Whether something reads the map as it was."""
        consumers = self.graph.consumers(name)
        others = [reader for reader in consumers if not self._is_dense(reader)]
        return name in self.graph.outputs or not consumers or any(r.output not in self.chosen for r in others)

    def _writes(self, node: Node) -> Layout:
        """The layout that the node writes. A convolution writes planes, whose code is then the same for any number of
        channels, unless something reads them that wants another."""
        readers = [self.chosen.get(reader.output) for reader in self.graph.consumers(node.output)]
        if not isinstance(node.op, Conv2D) or _FOLDED in readers:
            return _result(self.graph, node).layout
        x, *constants = present(self.graph.input_tensors(node))
        output = with_tensor(self.graph.output_tensor(node), layout=_PLANES)
        inputs = (with_tensor(x, layout=self.chosen[node.output]), *constants)
        return _FOLDED if kernels.lower(node.op, inputs, output) is None else _PLANES

    def _is_dense(self, node: Node) -> bool:
        """Whether the node is a dense layer on all of a map one column wide."""
        if not isinstance(node.op, FullyConnected):
            return False
        x, weights, _ = node.op.operands(self.graph.input_tensors(node))
        whole = len(x.shape) == 4 and x.shape[2] == 1 and x.elements == weights.shape[1]
        return whole and weights.zero_point == 0

    def _folded(self, name: str, layout: Layout) -> str:
        """The map ``name`` in that layout."""
        if (name, layout) not in self.made:
            source = self.made.get((name, _FOLDED), name)
            to = f"{name}.{'planes' if layout.planar else 'folded'}"
            self._add(Node(to, Relayout(), (source,), to), self.graph.tensors[name], layout)
            self.made[name, layout] = to
        return self.made[name, layout]

    def _add(self, node: Node, like: Tensor, layout: Layout) -> None:
        self.nodes.append(node)
        index = like.source_index if node.output == like.name else -1
        self.tensors[node.output] = with_tensor(like, name=node.output, layout=layout, source_index=index)
