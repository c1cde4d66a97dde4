# SPDX-License-Identifier: Apache-2.0
"""``plan.txt``: the schedule and the memory map for readers."""

from __future__ import annotations

from collections.abc import Sequence

from ascmcu.ir.graph import node_macs
from ascmcu.schedule.plan import Buffer, Plan


def describe(chosen: Plan, alternatives: Sequence[Plan]) -> str:
    """The chosen plan in full, the others by their arena size and their cycles."""
    waits = f"at {chosen.target.wait_states} wait states"
    lines = [f"schedule {chosen.mode}: {_size(chosen)}; {_cycles(chosen)} ({waits})"]
    lines += [
        f"schedule {p.mode}: {_size(p)}; {_cycles(p)} (not chosen)" for p in alternatives if p is not chosen
    ]
    return "\n".join([*lines, "", *_layers(chosen), "", *_buffers(chosen)]) + "\n"


def _size(plan: Plan) -> str:
    above = 100.0 * (plan.arena_bytes / plan.lower_bound_bytes - 1) if plan.lower_bound_bytes else 0.0
    return f"{plan.arena_bytes} bytes of activations, {above:.1f} % above the peak of live bytes"


def _cycles(plan: Plan) -> str:
    return f"{plan.cycles} predicted cycles, {plan.latency_cycles} of them behind the last row"


def _layers(plan: Plan) -> list[str]:
    rows = [("layer", "op", "kernel", "steps", "mode", "output", "MACs", "constants", "predicted cycles")]
    for layer in plan.layers:
        output = plan.graph.output_tensor(layer.node)
        rows.append(
            (
                str(layer.index),
                layer.node.op.kind(),
                layer.lowered.kernel,
                str(layer.rule.steps),
                layer.rule.mode.value,
                "x".join(str(d) for d in output.shape),
                str(node_macs(plan.graph, layer.node)),
                str(sum(data.nbytes for _, data in layer.lowered.constants)),
                str(layer.lowered.cycles),
            )
        )
    return _table(rows)


def _buffers(plan: Plan) -> list[str]:
    rows = [("offset", "bytes", "ring rows", "row bytes", "events", "tensor")]
    for b in sorted(plan.buffers, key=lambda b: (b.offset, b.live)):
        rows.append(
            (
                str(b.offset),
                str(b.size_bytes),
                str(b.ring_rows),
                str(b.row_bytes),
                _events(b),
                b.name,
            )
        )
    return _table(rows)


def _events(buffer: Buffer) -> str:
    first, last, times = buffer.live[0][0], buffer.live[-1][1], len(buffer.live)
    return f"{first}-{last}" + (f", {times} times" if times > 1 else "")


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
