"""Maps one column wide are folded, four moments to a row, where convolutions along time gain from it.

Not part of the pipeline: the schedule asks for it once the axes are settled. A pixel by itself keeps half of a kernel's
registers idle; four neighbours fill them, and share what a step costs by itself. Rings become a few rows higher.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.graph import Graph, Node, with_tensor
from ascmcu.ir.op import DEFAULT_TUNING, Op
from ascmcu.ir.types import DType, Tensor
from ascmcu.ops._fold import FOLD, folded
from ascmcu.ops.conv2d import Conv2D
from ascmcu.ops.conv2d_time import Conv2DTime, Conv2DTimeParams
from ascmcu.ops.depthwise_conv2d import DepthwiseConv2D
from ascmcu.ops.depthwise_time import DepthwiseTime
from ascmcu.ops.fold_planes import FoldPlanes
from ascmcu.ops.fold_rows import FoldRows
from ascmcu.ops.fully_connected import FullyConnected
from ascmcu.ops.unfold_rows import UnfoldRows

_LEAST_ROWS = 8
# Multiply-accumulates per moment below which a convolution does not pay for what is folded around it.
_LEAST_MACS = 256


@functools.lru_cache(maxsize=8)
def fold_time(graph: Graph) -> Graph:
    """Exact: kernels that compute the same from another layout, and copies at the seams."""
    chosen = {node.output: op for node in graph.nodes if (op := _folded_op(graph, node)) is not None}
    if not chosen:
        return graph
    return _Folding(graph, _alike(graph, chosen)).run()


def _alike(graph: Graph, chosen: dict[str, Op]) -> dict[str, Op]:
    """``chosen``, with the moments of 1x1 convolutions equally far apart where their code is then the same."""
    groups: dict[object, list[tuple[Node, Conv2DTimeParams]]] = {}
    for node in graph.nodes:
        op = chosen.get(node.output)
        if isinstance(op, Conv2DTime):
            lowered = op.lower_tuned(_inputs(graph, node, op), graph.output_tensor(node), DEFAULT_TUNING)
            params = lowered.params
            assert isinstance(params, Conv2DTimeParams)
            d = params.dot
            if params.kernel == 1 and d.blocks > 1:
                key = (d.unroll, d.rest, d.shift, d.signed, d.low, d.high, params.stride)
                groups.setdefault(key, []).append((node, params))
    changed = dict(chosen)
    for members in groups.values():
        pitch = max(params.pitch for _, params in members)
        for node, _ in members:
            op = changed[node.output]
            assert isinstance(op, Conv2DTime)
            wide = dataclasses.replace(op, pitch=pitch)
            if wide.try_lower(_inputs(graph, node, wide), graph.output_tensor(node)) is not None:
                changed[node.output] = wide
    return changed


def _folded_op(graph: Graph, node: Node) -> Op | None:
    """The op on folded maps, if there is one and it pays."""
    op, output = node.op, graph.output_tensor(node)
    if type(op) not in (Conv2D, DepthwiseConv2D):
        return None
    assert isinstance(op, Conv2D | DepthwiseConv2D)
    x, weights, bias = graph.input_tensors(node)
    assert x is not None and weights is not None and bias is not None
    narrow = x.shape[2] == output.shape[2] == weights.shape[2] == 1 and op.padding[2:] == (0, 0)
    if not narrow or min(x.rows, output.rows) < _LEAST_ROWS:
        return None
    if any(t.dtype is not DType.INT8 for t in (x, weights, output)) or op.stride[0] > 2:
        return None
    if weights.data is None or bias.data is None or x.is_const:
        return None
    made: Conv2DTime | DepthwiseTime
    if isinstance(op, DepthwiseConv2D):
        made = DepthwiseTime(*op.common, rows=x.rows)
        fits = weights.shape[3] == x.shape[3] and made.try_lower(_inputs(graph, node, made), output)
    else:
        made = Conv2DTime(*op.common, rows=x.rows)
        dense = weights.shape[3] == x.shape[3] and op.dilation[0] == 1
        pays = weights.elements >= _LEAST_MACS
        fits = dense and pays and made.try_lower(_inputs(graph, node, made), output)
    return made if fits else None


def _inputs(graph: Graph, node: Node, op: Op) -> tuple[Tensor | None, ...]:
    """The node's inputs, the first as ``op`` wants it."""
    x, *constants = graph.input_tensors(node)
    assert x is not None
    return (folded(x, x.name, planes=isinstance(op, DepthwiseTime)), *constants)


@dataclass
class _Folding:
    """Rewrites the nodes one after the other, with a fold, a transposition or an unfolding where layouts meet."""

    graph: Graph
    chosen: dict[str, Op]

    def __post_init__(self) -> None:
        self.nodes: list[Node] = []
        self.tensors: dict[str, Tensor] = {}
        # Folded tensors by the name of the map and layout (planes or not).
        self.made: dict[tuple[str, bool], str] = {}

    def run(self) -> Graph:
        for node in self.graph.nodes:
            op = self.chosen.get(node.output)
            if op is not None:
                self._convolution(node, op)
            elif self._is_dense(node) and any(
                (node.inputs[0], planes) in self.made for planes in (True, False)
            ):
                self._dense(node)
            else:
                self.nodes.append(node)
        return self.graph.replace(nodes=self.nodes, tensors=self.tensors.values())

    def _convolution(self, node: Node, op: Op) -> None:
        output = self.graph.output_tensor(node)
        consumers = self.graph.consumers(output.name)
        readers = [self.chosen.get(reader.output) for reader in consumers if not self._is_dense(reader)]
        plain = output.name in self.graph.outputs or None in readers or not consumers
        op, planes = self._layout(node, op, readers)
        x = self._folded(node.inputs[0], planes=isinstance(op, DepthwiseTime))
        name = f"{output.name}.folded" if plain else output.name
        self._add(Node(node.name, op, (x, *node.inputs[1:]), name, node.source_index), output, planes)
        self.made[output.name, planes] = name
        if plain:
            back = UnfoldRows(output.rows, planes)
            self.nodes.append(Node(f"{node.name}.unfolded", back, (name,), output.name))

    def _layout(self, node: Node, op: Op, readers: Sequence[Op | None]) -> tuple[Op, bool]:
        """The op, and whether it writes planes: a convolution does, whose code is then the same for any number of
        channels, unless another convolution reads them."""
        if not isinstance(op, Conv2DTime) or any(isinstance(reader, Conv2DTime) for reader in readers):
            return op, False
        wide = dataclasses.replace(op, planes=True)
        fits = wide.try_lower(_inputs(self.graph, node, wide), self.graph.output_tensor(node)) is not None
        return (wide, True) if fits else (op, False)

    def _is_dense(self, node: Node) -> bool:
        """Whether the node is a dense layer on all of a map one column wide."""
        if type(node.op) is not FullyConnected:
            return False
        x, weights = self.graph.input_tensors(node)[:2]
        assert x is not None and weights is not None
        whole = len(x.shape) == 4 and x.shape[2] == 1 and x.elements == weights.shape[1]
        return whole and weights.data is not None and weights.zero_point == 0

    def _dense(self, node: Node) -> None:
        """Weights in the order of the folded map; those of moments that only fill it are zero."""
        x, weights = self.graph.input_tensors(node)[:2]
        assert x is not None and weights is not None and weights.data is not None
        planes = (x.name, True) in self.made
        maps = weights.data.reshape(-1, x.rows, 1, x.shape[3])
        filled = np.pad(maps, ((0, 0), (0, -x.rows % FOLD), (0, 0), (0, 0))).reshape(
            len(maps), -1, FOLD, x.shape[3]
        )
        data = filled.transpose(0, 1, 3, 2) if planes else filled
        ordered = np.ascontiguousarray(data.reshape(len(maps), -1))
        name = f"{weights.name}.folded"
        self.tensors[name] = with_tensor(weights, data=ordered, name=name)
        inputs = (self.made[x.name, planes], name, *node.inputs[2:])
        self.nodes.append(dataclasses.replace(node, inputs=inputs))

    def _folded(self, name: str, *, planes: bool) -> str:
        """The map ``name`` in that layout."""
        if (name, planes) not in self.made:
            source = self.made.get((name, False), name)
            to = f"{name}.{'planes' if planes else 'folded'}"
            fold = FoldPlanes() if planes else FoldRows()
            self._add(Node(to, fold, (source,), to), self.graph.tensors[name], planes)
            self.made[name, planes] = to
        return self.made[name, planes]

    def _add(self, node: Node, like: Tensor, planes: bool) -> None:
        self.nodes.append(node)
        self.tensors[node.output] = folded(like, node.output, planes=planes)
