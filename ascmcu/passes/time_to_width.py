"""Maps one column wide have their time folded to width, four steps to a row, where convolutions gain from it.

A pixel by itself keeps half of a kernel's registers idle; four neighbours fill them, and share what a step costs by
itself. Rings become a few rows higher.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from ascmcu import kernels
from ascmcu.ir.graph import Graph, Node, with_tensor
from ascmcu.ir.layout import ROW_MAJOR, Layout, folded_time
from ascmcu.ir.op import present
from ascmcu.ir.types import Tensor
from ascmcu.ops.conv2d import Conv2D
from ascmcu.ops.depthwise_conv2d import DepthwiseConv2D
from ascmcu.ops.fully_connected import FullyConnected
from ascmcu.ops.relayout import Relayout

_LEAST_ROWS = 8
# Multiply-accumulates per time step below which a convolution does not pay for what is folded around it.
_LEAST_MACS = 96
_FOLDED, _PLANES = folded_time(), folded_time(planar=True)


def time_to_width(graph: Graph) -> Graph:
    """Exact: kernels that compute the same from another layout, and copies at the seams."""
    chosen = {node.output: read for node in graph.nodes if (read := _reads(graph, node)) is not None}
    return _Folding(graph, chosen).run() if chosen else graph


def _reads(graph: Graph, node: Node) -> Layout | None:
    """The layout that a convolution reads if its time is folded, where there is a kernel and it pays."""
    op, output = node.op, graph.output_tensor(node)
    if not isinstance(op, Conv2D | DepthwiseConv2D):
        return None
    x, weights, bias = op.operands(graph.input_tensors(node))
    if x.is_const or x.layout != ROW_MAJOR or output.layout != ROW_MAJOR:
        return None
    if x.shape[2] != 1 or output.shape[2] != 1 or min(x.rows, output.rows) < _LEAST_ROWS:
        return None
    if isinstance(op, Conv2D) and weights.elements < _LEAST_MACS:
        return None
    read = _FOLDED if isinstance(op, Conv2D) else _PLANES
    inputs = (with_tensor(x, layout=read), weights, bias)
    return read if kernels.lower(op, inputs, with_tensor(output, layout=_FOLDED)) is not None else None


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
                self._convolution(node)
            elif self._is_dense(node) and (made := self._any(node.inputs[0])) is not None:
                self.nodes.append(dataclasses.replace(node, inputs=(made, *node.inputs[1:])))
            else:
                self.nodes.append(node)
        return self.graph.replace(nodes=self.nodes, tensors=self.tensors.values())

    def _any(self, name: str) -> str | None:
        """The map ``name`` as planes, or else folded, if it is there."""
        return self.made.get((name, _PLANES)) or self.made.get((name, _FOLDED))

    def _convolution(self, node: Node) -> None:
        output = self.graph.output_tensor(node)
        consumers = self.graph.consumers(output.name)
        readers = [self.chosen.get(reader.output) for reader in consumers if not self._is_dense(reader)]
        plain = output.name in self.graph.outputs or None in readers or not consumers
        written = self._writes(node, readers)
        x = self._folded(node.inputs[0], self.chosen[node.output])
        name = f"{output.name}.folded" if plain else output.name
        self._add(Node(node.name, node.op, (x, *node.inputs[1:]), name, node.source_index), output, written)
        self.made[output.name, written] = name
        if plain:
            self.nodes.append(Node(f"{node.name}.unfolded", Relayout(), (name,), output.name))

    def _writes(self, node: Node, readers: Sequence[Layout | None]) -> Layout:
        """The layout that the node writes. A convolution writes planes, whose code is then the same for any number of
        channels, unless another convolution reads them."""
        if not isinstance(node.op, Conv2D) or _FOLDED in readers:
            return _FOLDED
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
