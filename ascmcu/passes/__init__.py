"""The passes, in the order in which they run."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ascmcu.ir.graph import Graph
from ascmcu.ir.verify import verify
from ascmcu.passes.drop_dead_nodes import drop_dead_nodes
from ascmcu.passes.drop_reshapes import drop_reshapes
from ascmcu.passes.fold_constants import fold_constants
from ascmcu.passes.fold_padding import fold_padding
from ascmcu.passes.unary_to_lookup import unary_to_lookup

Pass = Callable[[Graph], Graph]

PIPELINE: tuple[Pass, ...] = (
    fold_constants,
    drop_dead_nodes,
    fold_padding,
    unary_to_lookup,
    drop_reshapes,
    drop_dead_nodes,
)


def run(graph: Graph) -> Iterator[tuple[str, Graph]]:
    """Yield each pass's name and its verified result."""
    for transform in PIPELINE:
        name = transform.__name__.replace("_", "-")
        graph = verify(transform(graph), name)
        yield name, graph


def optimize(graph: Graph) -> Graph:
    """The result of the whole pipeline."""
    *_, (_, last) = run(graph)
    return last
