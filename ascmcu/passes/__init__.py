# SPDX-License-Identifier: Apache-2.0
"""The passes, in the order in which they run.

``PIPELINE`` makes the network simpler; it runs once. ``LAYOUTS`` say how maps lie in memory, where kernels gain from
it; which of them run, for one choice of the axes, depends on the schedule and on what they cost in RAM
(``ascmcu.schedule.layouts``). An export holds the graph after each pass that ran.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator

from ascmcu.ir.graph import Graph
from ascmcu.ir.verify import verify
from ascmcu.passes.columns_to_rows import columns_to_rows
from ascmcu.passes.compose_lookups import compose_lookups
from ascmcu.passes.depthwise_to_conv import depthwise_to_conv
from ascmcu.passes.drop_dead_channels import drop_dead_channels
from ascmcu.passes.drop_dead_nodes import drop_dead_nodes
from ascmcu.passes.drop_identities import drop_identities
from ascmcu.passes.drop_reshapes import drop_reshapes
from ascmcu.passes.fold_constants import fold_constants
from ascmcu.passes.fold_padding import fold_padding
from ascmcu.passes.fuse_activations import fuse_activations
from ascmcu.passes.fuse_batched_dilation import fuse_batched_dilation
from ascmcu.passes.fuse_max_pool import fuse_max_pool
from ascmcu.passes.fuse_scale_shift import fuse_scale_shift
from ascmcu.passes.input_readers_first import input_readers_first
from ascmcu.passes.pair_rows import pair_rows
from ascmcu.passes.planar_maps import planar_maps
from ascmcu.passes.sink_transposes import sink_transposes
from ascmcu.passes.time_to_width import time_to_width
from ascmcu.passes.unary_to_lookup import unary_to_lookup
from ascmcu.passes.widen_maps import widen_maps

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
    depthwise_to_conv,
    columns_to_rows,
    drop_reshapes,
    drop_identities,
    drop_dead_nodes,
    drop_dead_channels,
    fuse_max_pool,
)

LAYOUTS: tuple[Pass, ...] = (planar_maps, time_to_width, pair_rows, widen_maps, input_readers_first)


def apply(transform: Callable[..., Graph], graph: Graph, *chosen: Collection[str]) -> tuple[str, Graph]:
    """A pass's name and its verified result; ``chosen`` is where a pass of ``LAYOUTS`` may do something."""
    name = transform.__name__.replace("_", "-")
    return name, verify(transform(graph, *chosen), name)


def run(graph: Graph, *, rows_pushed: bool = False) -> Iterator[tuple[str, Graph]]:
    """Yield each pass's name and its verified result; ``rows_pushed``: a front end pushes the input's rows."""
    pushed = functools.wraps(drop_reshapes)(functools.partial(drop_reshapes, rows_pushed=rows_pushed))
    for transform in PIPELINE:
        name, graph = apply(pushed if transform is drop_reshapes else transform, graph)
        yield name, graph


def optimize(graph: Graph) -> Graph:
    """The result of the whole pipeline."""
    *_, (_, last) = run(graph)
    return last
