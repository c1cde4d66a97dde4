# SPDX-License-Identifier: Apache-2.0
"""Which layers the generated schedule of rows asks whether they can run.

It asks all layers in order, round by round, until nothing moves. Behind a layer whose output is all that later layers
read, a ``cut``, nothing can run that could not before, unless the layer itself has run in this round, or one behind it
in the round before. There the round ends.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence

from ascmcu.ir.graph import Graph

# A cut is worth its own question where it spares some.
_LEAST_SPARED = 2


def cuts(graph: Graph, running: Collection[int]) -> frozenset[int]:
    """The layers, by the index of their node, behind which all is made of their output.

    Args:
        graph: in the order in which layers are asked.
        running: the layers that code runs for.
    """
    last = {name: index for index, node in enumerate(graph.nodes) for name in node.inputs}
    open_ = {name for name in graph.inputs if last.get(name, -1) >= 0}
    found, left = set(), len(running)
    for index, node in enumerate(graph.nodes):
        open_ = {name for name in (*open_, node.output) if last.get(name, -1) > index}
        left -= index in running
        if index in running and open_ == {node.output} and left >= _LEAST_SPARED:
            found.add(index)
    return frozenset(found)


def asked(order: Sequence[int], running: Sequence[int], cut: Collection[int]) -> int:
    """How often a layer is asked in all.

    Args:
        order: the layer of each event, a negative number where a row comes in.
        running: the layers that code runs for, in order.
        cut: those of them that are cuts.
    """
    ends, found = sorted(cut), 0
    places = {index: place for place, index in enumerate(running)}
    for rounds in _pushes(order):
        before = -1
        for ran in rounds:
            ended = next((i for i in ends[bisect_left(ends, before) :] if i not in ran), None)
            found += len(running) if ended is None else places[ended] + 1
            before = max(ran, default=-1)
    return found


def _pushes(order: Sequence[int]) -> Iterator[list[set[int]]]:
    """By row that comes in: the layers that run in each round, none in the last."""
    rounds: list[set[int]] = []
    previous = -1
    for number, event in enumerate(order):
        if event < 0 and number:
            yield [*rounds, set()]
            rounds = []
        elif rounds and event > previous:
            rounds[-1].add(event)
        elif event >= 0:
            rounds.append({event})
        previous = event
    yield [*rounds, set()]
