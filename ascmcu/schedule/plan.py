"""A plan: which step runs when, which bytes each tensor lives in, and what that costs in RAM."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.graph import Graph, Node
from ascmcu.ir.op import Lowered, RowRule

LAYERS = "layers"
ROWS = "rows"


@dataclass(frozen=True)
class Layer:
    """One node with what its code is made of."""

    index: int
    node: Node
    rule: RowRule
    lowered: Lowered


@dataclass(frozen=True)
class Buffer:
    """Bytes of the activation arena.

    ``ring_rows`` rows of ``row_bytes`` hold a tensor's live rows (row r lies at slot r mod ``ring_rows``); an
    accumulator has one row. ``first`` and ``last`` are the events between which the bytes are in use.
    """

    name: str
    ring_rows: int
    row_bytes: int
    first: int
    last: int
    offset: int = -1

    @property
    def size_bytes(self) -> int:
        """Bytes that the buffer occupies, rounded up to words."""
        return -(-self.ring_rows * self.row_bytes // 4) * 4

    @property
    def end(self) -> int:
        """Offset behind the buffer."""
        return self.offset + self.size_bytes


@dataclass(frozen=True)
class Plan:
    """The compiled form of a graph, ready to be written as C.

    ``aliases`` maps tensors that share another tensor's bytes to that tensor. ``lower_bound_bytes`` is the largest
    sum of live buffers at any event: no placement can be smaller.
    """

    graph: Graph
    mode: str
    layers: tuple[Layer, ...]
    buffers: tuple[Buffer, ...]
    aliases: tuple[tuple[str, str], ...]
    arena_bytes: int
    lower_bound_bytes: int
    events: int

    def buffer(self, name: str) -> Buffer:
        """The buffer of a tensor or of a layer's accumulators."""
        name = dict(self.aliases).get(name, name)
        return next(b for b in self.buffers if b.name == name)


def state_name(layer: Layer) -> str:
    """The buffer name of a layer's accumulators."""
    return f"{layer.node.output}#state"
