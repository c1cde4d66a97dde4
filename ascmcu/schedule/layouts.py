# SPDX-License-Identifier: Apache-2.0
"""The layouts that a schedule may give a graph: the shortest path for each choice of what takes RAM, and the layout
passes that apply it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection
from dataclasses import dataclass

from ascmcu.ir.graph import Graph
from ascmcu.kernels import Tuning
from ascmcu.passes import apply
from ascmcu.passes.input_readers_first import input_readers_first
from ascmcu.passes.pair_rows import pair_rows
from ascmcu.passes.planar_maps import planar_maps
from ascmcu.passes.time_to_width import time_to_width
from ascmcu.passes.widen_maps import widen_maps
from ascmcu.schedule.plan import LAYERS
from ascmcu.schedule.shortest import Costs, Kinds, shortest

Stage = tuple[str, Graph]

# What rows may be given, from all layouts to none.
_ROWS = (
    Kinds(),
    Kinds(int16=False),
    Kinds(row_pairs=False),
    Kinds(row_pairs=False, int16=False),
    Kinds(time=False),
    Kinds(planar=False, time=False, int16=False),
    Kinds(planar=False, time=False, row_pairs=False, int16=False),
)


@dataclass(frozen=True, eq=False)
class LaidOut:
    """A graph, and the passes that laid it out, each with its result; those that changed nothing are left out."""

    graph: Graph
    stages: tuple[Stage, ...] = ()

    def then(self, transform: Callable[..., Graph], *chosen: Collection[str]) -> LaidOut:
        """What another pass makes of it."""
        stage = apply(transform, self.graph, *chosen)
        return self if stage[1] is self.graph else LaidOut(stage[1], (*self.stages, stage))


@functools.lru_cache(maxsize=2)
def layouts(graph: Graph, mode: str, tunings: tuple[Tuning, ...]) -> tuple[LaidOut, ...]:
    """The graph in the layouts that are worth a comparison, without repetition; the last one takes the least RAM.

    One graph is planned within several limits: its layouts are remembered.

    Args:
        graph: no layout of which is assigned yet.
        mode: whole layers have the bytes; rows may take fewer layouts.
        tunings: what each node may spend.
    """
    found: dict[object, LaidOut] = {}
    costs = Costs(graph, tunings)
    for kinds in (*_ROWS[:2], Kinds(time=False)) if mode == LAYERS else _ROWS:
        best = shortest(costs, kinds)
        laid = LaidOut(graph).then(planar_maps, best.tensors(planar=True)).then(time_to_width, best.in_time)
        laid = laid.then(pair_rows, best.in_pairs).then(widen_maps, best.tensors(int16=True))
        laid = laid if mode == LAYERS else laid.then(input_readers_first)
        found.setdefault(_layout_of_all(laid.graph), laid)
    return tuple(found.values())


def _layout_of_all(graph: Graph) -> object:
    """Equal for graphs that are laid out alike."""
    return tuple((node.output, node.inputs, graph.tensors[node.output].layout) for node in graph.nodes)
