# SPDX-License-Identifier: Apache-2.0
"""The layouts that a schedule may give a graph: which of the layout passes run."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.graph import Graph
from ascmcu.passes import Pass, apply
from ascmcu.passes.input_readers_first import input_readers_first
from ascmcu.passes.pair_rows import pair_rows
from ascmcu.passes.planar_maps import planar_maps
from ascmcu.passes.time_to_width import time_to_width
from ascmcu.passes.widen_maps import widen_maps
from ascmcu.schedule.plan import LAYERS

Stage = tuple[str, Graph]


@dataclass(frozen=True, eq=False)
class LaidOut:
    """A graph, and the passes that laid it out, each with its result; those that changed nothing are left out."""

    graph: Graph
    stages: tuple[Stage, ...] = ()

    def then(self, transform: Pass) -> LaidOut:
        """What another pass makes of it."""
        stage = apply(transform, self.graph)
        return self if stage[1] is self.graph else LaidOut(stage[1], (*self.stages, stage))


def layouts(graph: Graph, mode: str) -> tuple[LaidOut, ...]:
    """The graph in the layouts that are worth a comparison, the fastest first; the last one takes the least RAM."""
    plain = LaidOut(graph)
    folded = plain.then(planar_maps).then(time_to_width)
    paired = folded.then(pair_rows)
    widened = paired.then(widen_maps)
    if mode == LAYERS:
        return tuple(dict.fromkeys((widened, paired)))
    only_paired = paired if folded is plain else plain.then(pair_rows)
    only_widened = widened if paired is folded else folded.then(widen_maps)
    found = dict.fromkeys((widened, paired, only_widened, folded, only_paired, plain))
    return tuple(choice.then(input_readers_first) for choice in found)
