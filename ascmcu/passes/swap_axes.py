# SPDX-License-Identifier: Apache-2.0
"""Height and width exchanged throughout, so that the streaming axis is the row axis. Exact: weights are permuted."""

from __future__ import annotations

from dataclasses import dataclass, field

from ascmcu.ir.graph import Graph, Node, with_tensor
from ascmcu.ir.op import SWAP, Swapped, swap_pair
from ascmcu.ir.types import Tensor
from ascmcu.ops.reshape import Reshape
from ascmcu.ops.transpose import Transpose


def swap_axes(graph: Graph) -> Graph:
    """The same function of exchanged input maps (1, W, H, C); outputs keep their axes.

    Where an op has no exchanged form, maps are transposed in front of it and behind it.
    """
    work = _Work(graph)
    inputs = work.inputs()
    for node in graph.nodes:
        work.node(node)
    outputs = tuple(work.original(name) for name in graph.outputs)
    tensors = {**graph.tensors, **work.tensors}
    return Graph(graph.name, tensors, tuple(work.nodes), inputs, outputs, graph.states).replace()


def transpose_input(graph: Graph) -> Graph:
    """The same function of exchanged input maps, transposed as a whole in front of the network."""
    work = _Work(graph)
    inputs = work.inputs()
    for name in graph.inputs:
        work.original(name)
    renamed = {name: work.original(name) for name in graph.inputs}
    nodes = [_with_inputs(node, tuple(renamed.get(n, n) for n in node.inputs)) for node in graph.nodes]
    outputs = tuple(renamed.get(n, n) for n in graph.outputs)
    tensors = {**graph.tensors, **work.tensors}
    return Graph(graph.name, tensors, (*work.nodes, *nodes), inputs, outputs, graph.states).replace()


@dataclass
class _Work:
    """The graph under construction: for every map the name of its original and of its exchanged form, once made."""

    graph: Graph
    tensors: dict[str, Tensor] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    originals: dict[str, str] = field(default_factory=dict)
    exchanged: dict[str, str] = field(default_factory=dict)

    def inputs(self) -> tuple[str, ...]:
        """The graph's inputs, all in exchanged form but the states, which a step leaves as it finds them."""
        states = {entry for _, entry, _ in self.graph.carried}
        self.originals.update({name: name for name in states})
        tensors = [self.graph.tensors[name] for name in self.graph.inputs]
        return tuple(t.name if t.name in states else self._input(t) for t in tensors)

    def _input(self, tensor: Tensor) -> str:
        """Declare a graph input in exchanged form."""
        if not _is_map(tensor):
            self.originals[tensor.name] = tensor.name
            return tensor.name
        self.exchanged[tensor.name] = self._add(tensor, ".swapped", swap_pair(tensor.shape))
        return self.exchanged[tensor.name]

    def node(self, node: Node) -> None:
        """Emit the node, exchanged if it can be."""
        output = self.graph.output_tensor(node)
        maps = any(_is_map(t) for t in (*self.graph.activations(node), output))
        swap = node.op.swapped(self.graph.input_tensors(node), output) if maps else None
        if swap is None:
            inputs = tuple(self.original(name) if name else name for name in node.inputs)
            self.nodes.append(_with_inputs(node, inputs))
            self.originals[node.output] = node.output
        else:
            self._exchanged_node(node, swap, output)

    def _exchanged_node(self, node: Node, swap: Swapped, output: Tensor) -> None:
        inputs = [self._swapped_input(name) if name else name for name in node.inputs]
        for index, data in swap.constants:
            constant = self.graph.tensors[node.inputs[index]]
            changed = with_tensor(constant, data=data.copy(), name=self._fresh(f"{constant.name}.swapped"))
            self.tensors[changed.name] = changed
            inputs[index] = changed.name
        if _is_map(output):
            name = self._add(output, ".swapped", swap_pair(output.shape))
            self.exchanged[node.output] = name
        else:
            name = node.output
            self.originals[node.output] = name
        self.nodes.append(Node(node.name, swap.op, tuple(inputs), name, node.source_index))

    def _swapped_input(self, name: str) -> str:
        tensor = self.graph.tensors[name]
        if tensor.is_const or not _is_map(tensor):
            return name if tensor.is_const else self.original(name)
        if name not in self.exchanged:
            self.exchanged[name] = self._add(tensor, ".swapped", swap_pair(tensor.shape))
            self._move(self.originals[name], self.exchanged[name])
        return self.exchanged[name]

    def original(self, name: str) -> str:
        """The tensor in its original axes, transposed back if only the exchanged form was made."""
        tensor = self.graph.tensors[name]
        if tensor.is_const:
            return name
        if name not in self.originals:
            self.originals[name] = self._add(tensor, "", tensor.shape)
            self._move(self.exchanged[name], self.originals[name])
        return self.originals[name]

    def _move(self, source: str, target: str) -> None:
        """A transpose, or a reshape where one of the two axes has a single entry."""
        shape = (self.tensors.get(target) or self.graph.tensors[target]).shape
        op = Reshape(shape) if 1 in shape[1:3] else Transpose(SWAP)
        self.nodes.append(Node(f"{target}.transpose", op, (source,), target))

    def _add(self, tensor: Tensor, suffix: str, shape: tuple[int, ...]) -> str:
        name = self._fresh(f"{tensor.name}{suffix}") if suffix else tensor.name
        self.tensors[name] = with_tensor(tensor, name=name, shape=shape)
        return name

    def _fresh(self, stem: str) -> str:
        name, number = stem, 1
        while name in self.tensors or name in self.graph.tensors:
            name, number = f"{stem}.{number}", number + 1
        return name


def _is_map(tensor: Tensor) -> bool:
    return len(tensor.shape) == 4 and tensor.shape[0] == 1 and not tensor.is_const


def _with_inputs(node: Node, inputs: tuple[str, ...]) -> Node:
    return Node(node.name, node.op, inputs, node.output, node.source_index)
