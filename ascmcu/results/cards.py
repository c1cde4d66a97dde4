# SPDX-License-Identifier: Apache-2.0
"""Results and comparisons as cards, for a notebook, and their headlines, for a prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ascmcu.cards import Card, Row
from ascmcu.results import words

if TYPE_CHECKING:
    from ascmcu.results.comparison import Comparison, Difference
    from ascmcu.results.schema import Benchmark


def headlines(b: Benchmark) -> list[tuple[str, str]]:
    """The figures that people ask for first, by name; those that there are."""
    found = [("inputs", f"{b.clips} {b.run_title}{'s' if b.clips != 1 else ''}")]
    if b.accuracy is not None:
        found.append(("accuracy", f"{words.percent(b.accuracy)} right"))
    if b.tagging is not None:
        found.append(("mAP", f"{words.percent(b.tagging.mean_average_precision)} mAP"))
    if b.anomalies is not None:
        found.append(("AUC", f"{b.anomalies.auc:.3f} AUC"))
    if b.counts is not None:
        total = b.counts.network + b.counts.frontend
        found.append((b.count_title, f"{total:,} {b.count_title}"))
    if b.seconds is not None:
        found.append((f"time per {b.run_title}", words.duration(b.seconds)))
    found.append(("RAM", f"{b.ram_bytes['total']:,} B of RAM"))
    found.append(("flash", f"{b.flash_bytes['total']:,} B of flash"))
    return found


def of_benchmark(b: Benchmark) -> Card:
    """A result: its headlines, and a line for each layer."""
    figures = [
        (name, figure.removesuffix(f" of {name}").removesuffix(f" {name}")) for name, figure in headlines(b)
    ]
    whole = sum(layer.count or 0 for layer in b.layers) or 1
    counted = b.counts is not None
    rows = [
        Row(
            (
                words.short_layer(layer.name), layer.op, layer.kernel, f"{layer.macs:,}",
                *((f"{layer.count or 0:,}",) if counted else ()), f"{layer.flash_bytes:,}",
            ),
            100 * (layer.count or 0) / whole if counted else None,
        )
        for layer in b.layers
    ]  # fmt: skip
    head = ("layer", "operator", "kernel", "MACs", *((b.count_title,) if counted else ()), "flash bytes")
    where = (
        f"{b.board_title}, {b.clock_hz / 1e6:g} MHz, {b.wait_states} wait states"
        if b.clock_hz
        else b.board_title
    )
    return Card(
        f"{b.model} on {where}", tuple(figures), head, tuple(rows), f"{b.runner}: {b.runner_detail}", 3
    )


def of_comparison(c: Comparison) -> Card:
    """What differs between two results, figure by figure."""
    figures = [("figures that differ", str(len(c.figures)))]
    if c.shared_clips:
        figures.append(("answered alike", f"{c.equal_answers} of {c.shared_clips} clips"))
    if c.verdicts:
        figures.append(("budgets", "kept" if c.kept else "broken"))
    rows = tuple(
        Row(
            (
                d.title,
                _told(d, d.before),
                _told(d, d.after),
                "" if d.percent is None else f"{d.percent:+.1f} %",
            )
        )
        for d in c.figures
    )
    note = "; ".join(f"{x.name}: {x.before} → {x.after}" for x in c.conditions)
    head = ("figure", "before", "after", "change") if rows else ()
    return Card(f"{c.result.model} against {c.base.model}", tuple(figures), head, rows, note)


def _told(d: Difference, value: float | int | None) -> str:
    if value is None:
        return "–"
    return words.percent(value) if d.fraction else f"{value:,.10g}"
