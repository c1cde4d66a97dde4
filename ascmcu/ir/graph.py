# SPDX-License-Identifier: Apache-2.0
"""Nodes and graphs. Everything is frozen: a pass builds a new graph."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ascmcu.ir.op import Op
from ascmcu.ir.types import Array, Tensor


@dataclass(frozen=True)
class Node:
    """One operation: ``inputs`` and ``output`` name tensors of the graph; an absent optional input is ``""``."""

    name: str
    op: Op
    inputs: tuple[str, ...]
    output: str
    source_index: int = -1

    def describe(self) -> str:
        """Kind, name and source index for messages."""
        index = f", operator {self.source_index}" if self.source_index >= 0 else ""
        return f"{self.op.kind()} '{self.name}'{index}"


@dataclass(frozen=True, eq=False)
class State:
    """A value that lives on from one step to the next: ``initial`` is what the first step of a clip reads."""

    name: str
    initial: Array


@dataclass(frozen=True, eq=False)
class Graph:
    """A network: ``nodes`` in an order in which they can run; each node writes one tensor.

    A network with ``states`` is a step model: one run is one step. Its last inputs are the states as the step finds
    them, its last outputs the states as it leaves them, in the order of ``states``: a run stays a function of its
    inputs, and what a pass may do to inputs and outputs, it may do to those.
    """

    name: str
    tensors: Mapping[str, Tensor]
    nodes: tuple[Node, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    states: tuple[State, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "tensors", MappingProxyType(dict(self.tensors)))

    def __repr__(self) -> str:
        return f"Graph({self.name!r}: {len(self.nodes)} nodes, {len(self.tensors)} tensors)"

    def input_tensors(self, node: Node) -> tuple[Tensor | None, ...]:
        """The node's input tensors; ``None`` for absent optional ones."""
        return tuple(self.tensors[name] if name else None for name in node.inputs)

    def output_tensor(self, node: Node) -> Tensor:
        """The tensor that the node writes."""
        return self.tensors[node.output]

    def producer(self, tensor: str) -> Node | None:
        """The node that writes ``tensor``, if any."""
        return next((node for node in self.nodes if node.output == tensor), None)

    def consumers(self, tensor: str) -> tuple[Node, ...]:
        """The nodes that read ``tensor``, in order."""
        return tuple(node for node in self.nodes if tensor in node.inputs)

    def activations(self, node: Node) -> tuple[Tensor, ...]:
        """The node's inputs that are computed at run time."""
        return tuple(t for t in self.input_tensors(node) if t is not None and not t.is_const)

    @property
    def data_inputs(self) -> tuple[str, ...]:
        """The inputs that a caller gives: all but the states."""
        return self.inputs[: len(self.inputs) - len(self.states)]

    @property
    def data_outputs(self) -> tuple[str, ...]:
        """The outputs that a caller gets: all but the states."""
        return self.outputs[: len(self.outputs) - len(self.states)]

    @property
    def carried(self) -> tuple[tuple[State, str, str], ...]:
        """Every state with the input that brings it and the output that takes it on."""
        entries = self.inputs[len(self.inputs) - len(self.states) :]
        exits = self.outputs[len(self.outputs) - len(self.states) :]
        return tuple(zip(self.states, entries, exits, strict=True))

    @property
    def state_bytes(self) -> int:
        """Bytes that live on from step to step."""
        return sum(self.tensors[entry].size_bytes for _, entry, _ in self.carried)

    @property
    def macs(self) -> int:
        """Multiply–accumulates of one inference."""
        return sum(node_macs(self, node) for node in self.nodes)

    @property
    def parameters(self) -> int:
        """Elements of all constants that reach a kernel, zeros included (as DCASE counts them)."""
        used = {name for node in self.nodes for name in node.op.parameter_inputs(node.inputs)}
        return sum(t.elements for name in used if name and (t := self.tensors[name]).is_const)

    def replace(
        self,
        *,
        nodes: Iterable[Node] | None = None,
        tensors: Iterable[Tensor] = (),
        inputs: tuple[str, ...] | None = None,
        outputs: tuple[str, ...] | None = None,
    ) -> Graph:
        """A graph with other nodes and with ``tensors`` added or replaced; tensors nobody uses are dropped."""
        new_nodes = self.nodes if nodes is None else tuple(nodes)
        new_inputs = self.inputs if inputs is None else inputs
        new_outputs = self.outputs if outputs is None else outputs
        merged = {**self.tensors, **{t.name: t for t in tensors}}
        used = {name for node in new_nodes for name in (*node.inputs, node.output) if name}
        used.update(new_inputs, new_outputs)
        kept = {name: tensor for name, tensor in merged.items() if name in used}
        return Graph(self.name, kept, new_nodes, new_inputs, new_outputs, self.states)

    def fresh_name(self, stem: str) -> str:
        """A tensor name that is not taken."""
        if stem not in self.tensors:
            return stem
        number = 1
        while f"{stem}.{number}" in self.tensors:
            number += 1
        return f"{stem}.{number}"


def node_macs(graph: Graph, node: Node) -> int:
    """Multiply–accumulates of one node."""
    return node.op.macs(graph.input_tensors(node), graph.output_tensor(node))


def with_tensor(tensor: Tensor, *, data: Array | None = None, **changes: object) -> Tensor:
    """A copy of ``tensor`` with fields changed; ``data`` brings its own shape."""
    if data is not None:
        changes.setdefault("shape", tuple(data.shape))
        changes["data"] = data
    return dataclasses.replace(tensor, **changes)  # type: ignore[arg-type]
