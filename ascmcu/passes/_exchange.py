# SPDX-License-Identifier: Apache-2.0
"""Helper for passes that exchange height and width, node by node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ascmcu.ir.graph import Graph, Node, with_tensor
from ascmcu.ir.op import SWAP, Swapped, swap_pair
from ascmcu.ir.types import Tensor
from ascmcu.ops.reshape import Reshape
from ascmcu.ops.transpose import Transpose


@dataclass
class Exchange:
    """The graph under construction: for every map the name of its original and of its exchanged form, once made."""

    graph: Graph
    tensors: dict[str, Tensor] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    originals: dict[str, str] = field(default_factory=dict)
    exchanged: dict[str, str] = field(default_factory=dict)

    def input(self, tensor: Tensor) -> str:
        """Declare a graph input in exchanged form; a state stays, since a step leaves it as the next one finds it."""
        if not is_map(tensor) or tensor.name in {entry for _, entry, _ in self.graph.carried}:
            self.originals[tensor.name] = tensor.name
            return tensor.name
        self.exchanged[tensor.name] = self._add(tensor, ".swapped", swap_pair(tensor.shape))
        return self.exchanged[tensor.name]

    def node(self, node: Node) -> None:
        """Emit the node, exchanged if it can be."""
        output = self.graph.output_tensor(node)
        maps = any(is_map(t) for t in (*self.graph.activations(node), output))
        # Several pictures are no map: they have no exchanged form.
        several = len(output.shape) == 4 and output.shape[0] != 1
        swap = node.op.swapped(self.graph.input_tensors(node), output) if maps and not several else None
        if swap is None:
            self.as_is(node)
        else:
            self._exchanged_node(node, swap, output)

    def as_is(self, node: Node) -> None:
        """Emit the node in its original axes."""
        inputs = tuple(self.original(name) if name else name for name in node.inputs)
        self.nodes.append(with_inputs(node, inputs))
        self.originals[node.output] = node.output

    def done(self, inputs: Sequence[str]) -> Graph:
        """The graph of what was emitted; its outputs have their original axes."""
        outputs = tuple(self.original(name) for name in self.graph.outputs)
        tensors = {**self.graph.tensors, **self.tensors}
        return Graph(
            self.graph.name, tensors, tuple(self.nodes), tuple(inputs), outputs, self.graph.states
        ).replace()

    def _exchanged_node(self, node: Node, swap: Swapped, output: Tensor) -> None:
        inputs = [self._swapped_input(name) if name else name for name in node.inputs]
        for index, data in swap.constants:
            constant = self.graph.tensors[node.inputs[index]]
            changed = with_tensor(constant, data=data.copy(), name=self._fresh(f"{constant.name}.swapped"))
            self.tensors[changed.name] = changed
            inputs[index] = changed.name
        if is_map(output):
            name = self._add(output, ".swapped", swap_pair(output.shape))
            self.exchanged[node.output] = name
        else:
            name = node.output
            self.originals[node.output] = name
        self.nodes.append(Node(node.name, swap.op, tuple(inputs), name, node.source_index))

    def _swapped_input(self, name: str) -> str:
        tensor = self.graph.tensors[name]
        if tensor.is_const or not is_map(tensor):
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


def is_map(tensor: Tensor) -> bool:
    """Whether a run-time tensor has the axes (1, H, W, C)."""
    return len(tensor.shape) == 4 and tensor.shape[0] == 1 and not tensor.is_const


def with_inputs(node: Node, inputs: tuple[str, ...]) -> Node:
    """The node on other inputs."""
    return Node(node.name, node.op, inputs, node.output, node.source_index)
