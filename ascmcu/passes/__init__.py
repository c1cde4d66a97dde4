"""The passes, in the order in which they run."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ascmcu.ir.graph import Graph
from ascmcu.ir.verify import verify
from ascmcu.passes.compose_lookups import compose_lookups
from ascmcu.passes.drop_dead_channels import drop_dead_channels
from ascmcu.passes.drop_dead_nodes import drop_dead_nodes
from ascmcu.passes.drop_identities import drop_identities
from ascmcu.passes.drop_reshapes import drop_reshapes
from ascmcu.passes.fold_constants import fold_constants
from ascmcu.passes.fold_padding import fold_padding
from ascmcu.passes.fuse_activations import fuse_activations
from ascmcu.passes.fuse_batched_dilation import fuse_batched_dilation
from ascmcu.passes.fuse_scale_shift import fuse_scale_shift
from ascmcu.passes.sink_transposes import sink_transposes
from ascmcu.passes.unary_to_lookup import unary_to_lookup

Pass = Callable[[Graph], Graph]

PIPELINE: tuple[Pass, ...] = (
    fold_constants,
    fuse_batched_dilation,
    drop_dead_nodes,
    unary_to_lookup,
    sink_transposes,
    drop_identities,
    compose_lookups,
    drop_dead_nodes,
    fold_padding,
    fuse_activations,
    fuse_scale_shift,
    drop_reshapes,
    drop_identities,
    drop_dead_nodes,
    drop_dead_channels,
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
