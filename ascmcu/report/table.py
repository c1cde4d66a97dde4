"""A benchmark on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from ascmcu.report.schema import Benchmark, clock_warning


def show(benchmark: Benchmark, console: Console) -> None:
    """Print accuracy, confusion, counts, layers, memory and the state of the link."""
    b = benchmark
    console.print(f"[bold]{b.model}[/] on {b.runner} ({b.board}), {b.clips} clips of {b.source}")
    console.print(f"[dim]{b.runner_detail}; {b.compiler}[/]")
    warning = clock_warning(b.clock_state)
    if warning and b.count_kind == "cycles":
        console.print(f"[yellow]{warning}[/]")
    if b.accuracy is not None:
        console.print(f"\n[bold]accuracy {100 * b.accuracy:.2f} %[/]")
        console.print(_confusion(b))
    if b.counts is not None:
        console.print(_counts(b))
        console.print(_layers(b))
    console.print(_memory(b))
    mended = {name: count for name, count in b.link.items() if count}
    if mended:
        console.print(
            "link: " + ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in mended.items())
        )


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
        share = (b.class_accuracy or {})[label]
        cells = [f"[bold]{n}[/]" if i == number else (str(n) if n else "·") for i, n in enumerate(row)]
        table.add_row(f"{number} {label}", *cells, "–" if share is None else f"{100 * share:.1f} %")
    return table


def _counts(b: Benchmark) -> Table:
    assert b.counts is not None
    cycles = b.count_kind == "cycles" and b.clock_hz > 0
    columns = [f"{b.count_kind} per clip", "count"]
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
    table = _plain("layer", "op", "MACs", b.count_kind, "per MAC")
    for layer in b.layers:
        per_mac = f"{layer.count / layer.macs:.2f}" if layer.count is not None and layer.macs else ""
        count = "" if layer.count is None else f"{layer.count:,}"
        table.add_row(layer.name[:40], layer.op, f"{layer.macs:,}", count, per_mac)
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
