# SPDX-License-Identifier: Apache-2.0
"""A benchmark on the terminal."""

from __future__ import annotations

from collections.abc import Collection

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ascmcu.results import page_answers, words
from ascmcu.results.pictures import wilson
from ascmcu.results.schema import Benchmark, clock_warning
from ascmcu.results.words import digits, short_layer

_CLASSES_SHOWN = 25


def show(benchmark: Benchmark, console: Console, told: Collection[str] = ()) -> None:
    """Print accuracy and confusion (or mAP, or AUC), counts, layers, memory and the state of the link.

    Args:
        benchmark: the result.
        console: where to.
        told: notices that the user has seen already, while it was made.
    """
    b = benchmark
    _show_head(b, console, told)
    if b.accuracy is not None:
        _show_accuracy(b, b.accuracy, console)
    if b.tagging is not None:
        _show_tagging(b, console)
    if b.anomalies is not None:
        _show_anomalies(b, console)
    if b.counts is not None:
        _show_counts(b, console)
    console.print(_memory(b))
    if b.state_bytes:
        console.print(
            f"{b.state_bytes:,} bytes of RAM are states, which live on from step to step", highlight=False
        )
    if b.heard is not None:
        console.print(escape(b.heard.summary), highlight=False)
    if b.limits:
        _show_limits(b, console)
    mended = {name: count for name, count in b.link.items() if count}
    if mended:
        listed = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in mended.items())
        console.print(f"link: {listed} ({words.MENDED})")


def _show_head(b: Benchmark, console: Console, told: Collection[str]) -> None:
    """What ran where, and what is to be said of it."""
    console.print(
        f"[bold]{escape(b.model)}[/] on {b.runner} ({b.board}), {b.clips} {b.run_title}s of {b.source}"
    )
    console.print(f"[dim]{'; '.join(filter(None, (b.runner_detail, b.compiler)))}[/]")
    warning = clock_warning(b.clock_state)
    if warning and b.count_kind == "cycles":
        console.print(f"[yellow]{warning}[/]")
    unseen = (notice for notice in b.notices if notice not in told)
    for line in (*unseen, *(b.recordings.lines() if b.recordings else ())):
        console.print(f"[yellow]{escape(line)}[/]", highlight=False)


def _show_accuracy(b: Benchmark, accuracy: float, console: Console) -> None:
    """Accuracy with its interval, by device, and the confusions."""
    low, high = wilson(round(accuracy * b.clips), b.clips)
    loss = "" if b.log_loss is None else f", log loss {b.log_loss:.3f}"
    interval = f"95 % interval {100 * low:.0f}–{100 * high:.0f} %"
    console.print(f"\n[bold]accuracy {100 * accuracy:.2f} %[/] ({interval}){loss}", highlight=False)
    for device, fraction in (b.device_accuracy or {}).items():
        console.print(f"  {escape(device)} {100 * fraction:.2f} %", highlight=False)
    console.print(_confusion(b))
    if b.labels_source:
        console.print(f"[dim]order of the classes: {escape(b.labels_source)}[/]", highlight=False)


def _show_counts(b: Benchmark, console: Console) -> None:
    """Counts of an inference, its share of real time, its energy, and its layers."""
    console.print(_counts(b))
    if b.seconds is not None and b.clip_seconds:
        fraction = b.seconds / b.clip_seconds
        console.print(
            f"[bold]{100 * fraction:.2f} % of real time[/], {digits(1 / fraction)} times faster",
            highlight=False,
        )
    if b.energy is not None:
        figure, unit = b.energy.figure()
        console.print(
            f"about {figure} {unit} per {b.run_title}, an estimate: {escape(b.energy.basis())}",
            highlight=False,
        )
    console.print(_layers(b))


def _show_limits(b: Benchmark, console: Console) -> None:
    """The challenges' limits that the network keeps, and those that it exceeds."""
    broken = [f"{limit.name} ({'; '.join(limit.exceeded)})" for limit in b.limits if not limit.passed]
    kept = [limit.name for limit in b.limits if limit.passed]
    exceeded = f"; exceeded: {', '.join(broken)}" if broken else ""
    console.print(f"limits kept: {', '.join(kept) or 'none'}{exceeded}")


def _show_tagging(b: Benchmark, console: Console) -> None:
    """mAP, and the classes with their thresholds, the best first."""
    assert b.tagging is not None
    mean = b.tagging.mean_auc
    auc = "" if mean is None else f", mean AUC {mean:.3f}"
    console.print(f"\n[bold]mAP {100 * b.tagging.mean_average_precision:.2f} %[/]{auc}", highlight=False)
    table = _plain("class", "average precision", "threshold", "F1", "precision", "recall", "clips")
    rows = page_answers.tags(b)
    for row in rows[:_CLASSES_SHOWN]:
        table.add_row(
            escape(row.name),
            row.average_precision,
            row.threshold,
            row.f1,
            row.precision,
            row.recall,
            f"{row.clips}",
        )
    console.print(table)
    if len(rows) > _CLASSES_SHOWN:
        console.print(f"[dim]and {len(rows) - _CLASSES_SHOWN} more classes: see the report[/]")


def _show_anomalies(b: Benchmark, console: Console) -> None:
    """AUC and partial AUC, and the machines."""
    a = b.anomalies
    assert a is not None
    console.print(
        f"\n[bold]AUC {a.auc:.4f}[/], partial AUC {a.partial_auc:.4f} (up to 10 % false alarms), "
        f"harmonic mean {a.harmonic_mean:.4f}",
        highlight=False,
    )
    table = _plain("machine", "AUC", "partial AUC", "normal", "anomalous")
    for row in page_answers.machines(b):
        table.add_row(escape(row.name), row.auc, row.partial_auc, f"{row.normal}", f"{row.anomalous}")
    console.print(table)


def _plain(*columns: str, title: str | None = None) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, title=title, title_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right")
    return table


def _confusion(b: Benchmark) -> Table:
    letters = [f"{i}" for i in range(len(b.labels))]
    table = _plain("truth \\ predicted", *letters, "right")
    for number, label in enumerate(b.labels):
        row = (b.confusion or ())[number]
        fraction = (b.class_accuracy or {})[label]
        cells = [f"[bold]{n}[/]" if i == number else (str(n) if n else "·") for i, n in enumerate(row)]
        table.add_row(f"{number} {label}", *cells, "–" if fraction is None else f"{100 * fraction:.1f} %")
    return table


def _counts(b: Benchmark) -> Table:
    assert b.counts is not None
    cycles = b.count_kind == "cycles" and bool(b.clock_hz)
    columns = [f"{b.count_title} per {b.run_title}", "count"]
    if cycles:
        columns.append(f"ms at {b.clock_hz / 1e6:g} MHz, {b.wait_states} WS")
    table = _plain(*columns)
    rows = (
        ("front end", b.counts.frontend),
        ("network", b.counts.network),
        ("network, least", b.counts.network_min),
        ("network, most", b.counts.network_max),
        ("worst hop (from row to row)", b.counts.worst_hop),
        ("latency (last row to result)", b.counts.latency),
    )
    for name, count in rows:
        table.add_row(name, f"{count:,}", *([f"{1e3 * count / b.clock_hz:.3f}"] if cycles else []))
    return table


def _layers(b: Benchmark) -> Table:
    energy = b.energy if b.count_kind == "cycles" else None
    table = _plain(
        "layer",
        "op",
        "MACs",
        b.count_kind,
        "per MAC",
        "RAM",
        "flash",
        *(["µJ"] if energy else []),
    )
    for layer in b.layers:
        per_mac = f"{layer.count / layer.macs:.2f}" if layer.count is not None and layer.macs else ""
        count = "" if layer.count is None else f"{layer.count:,}"
        sizes = [f"{size:,}" if size else "·" for size in (layer.buffer_bytes, layer.flash_bytes)]
        name = escape(short_layer(layer.name))
        if energy:
            low, high = (digits(uj) for uj in energy.of(layer.count or 0))
            sizes.append(low if low == high else f"{low}–{high}")
        table.add_row(name, layer.op, f"{layer.macs:,}" if layer.macs else "·", count, per_mac, *sizes)
    return table


def _memory(b: Benchmark) -> Table:
    table = _plain("memory", "bytes", "of the board")
    for name, parts, size in (
        ("RAM", b.ram_bytes, b.board_ram_bytes),
        ("flash", b.flash_bytes, b.board_flash_bytes),
    ):
        total = parts.get("total", 0)
        table.add_row(f"[bold]{name}[/]", f"[bold]{total:,}[/]", f"{100 * total / size:.1f} %")
        for part, used in parts.items():
            if used and part != "total":
                note = "measured" if part == "stack_peak" else ""
                table.add_row(f"  {part.replace('_', ' ')}", f"{used:,}", note)
    return table
