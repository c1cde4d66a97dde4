"""Graph → Plan: row schedule, buffers, offsets."""

from __future__ import annotations

import dataclasses

from ascmcu.ir.graph import Graph
from ascmcu.ir.op import RowMode
from ascmcu.schedule.place import lower_bound, place
from ascmcu.schedule.plan import LAYERS, ROWS, Buffer, Layer, Plan
from ascmcu.schedule.simulate import simulate

__all__ = ["LAYERS", "ROWS", "Buffer", "Layer", "Plan", "make_plan"]


def make_plan(graph: Graph, mode: str) -> Plan:
    """Schedule and place a graph.

    Args:
        graph: after all passes: every op has a kernel.
        mode: ``layers`` runs one layer after the other on whole tensors; ``rows`` streams rows through all.
    """
    layers = tuple(_layer(graph, index) for index in range(len(graph.nodes)))
    buffers, events = simulate(graph, layers, mode)
    aliases = _aliases(graph, layers, {b.name: b for b in buffers})
    merged = _merge(buffers, aliases)
    placed, size = place(merged)
    return Plan(graph, mode, layers, placed, tuple(aliases.items()), size, lower_bound(merged), events)


def _layer(graph: Graph, index: int) -> Layer:
    node = graph.nodes[index]
    inputs, output = graph.input_tensors(node), graph.output_tensor(node)
    return Layer(index, node, node.op.row_rule(inputs, output), node.op.lower(inputs, output))


def _aliases(graph: Graph, layers: tuple[Layer, ...], buffers: dict[str, Buffer]) -> dict[str, str]:
    """Reshapes whose input and output lie in memory alike need no bytes of their own."""
    aliases: dict[str, str] = {}
    for layer in layers:
        if layer.node.op.kind() != "reshape":
            continue
        source, target = layer.node.inputs[0], layer.node.output
        a, b = buffers[source], buffers[target]
        whole = a.ring_rows == graph.tensors[source].rows and b.ring_rows == graph.tensors[target].rows
        same_ring = layer.rule.mode is RowMode.MAP and a.ring_rows == b.ring_rows
        if whole or same_ring:
            aliases[target] = aliases.get(source, source)
    return aliases


def _merge(buffers: list[Buffer], aliases: dict[str, str]) -> list[Buffer]:
    merged = {b.name: b for b in buffers if b.name not in aliases}
    for b in buffers:
        if b.name in aliases:
            a = merged[aliases[b.name]]
            merged[a.name] = dataclasses.replace(a, first=min(a.first, b.first), last=max(a.last, b.last))
    return list(merged.values())
