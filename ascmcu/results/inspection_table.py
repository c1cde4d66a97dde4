# SPDX-License-Identifier: Apache-2.0
"""An inspection on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from ascmcu.results.inspection import FrontendReport, Inspection


def show(inspection: Inspection, console: Console) -> None:
    """Print layers, totals, limits and boards."""
    i = inspection
    ends = " , ".join(_dims(shape) for shape in i.outputs)
    begins = " , ".join(f"{_dims(x.shape)} {x.dtype}" for x in i.inputs)
    console.print(f"[bold]{i.model}[/]: {begins} -> {ends}")
    if i.features_in_graph:
        console.print(f"{i.features_in_graph}; the network behind them:")
    console.print(_layers(i))
    console.print(
        f"\n{i.parameters:,} parameters (zeros included), {i.parameter_bytes:,} bytes, "
        f"{i.nonzero_bytes:,} of them not zero; {i.macs:,} MACs"
    )
    console.print(
        f"compiled: {i.compiled_layers} layers, {i.compiled_parameters:,} parameters, {i.compiled_macs:,} MACs, "
        f"{i.compiled_weights_bytes:,} bytes of weights and tables"
    )
    console.print(f"activations: {i.ram_layers_bytes:,} bytes by layers, {i.ram_rows_bytes:,} bytes by rows")
    if i.frontend is not None:
        console.print(_frontend(i.frontend))
    console.print()
    console.print(_limits(i))
    console.print()
    console.print(_boards(i))


def _frontend(f: FrontendReport) -> str:
    told = f"front end: {_dims(f.shape)}, {f.ram_bytes:,} bytes of RAM, {f.tables_bytes:,} bytes of tables"
    if f.streams:
        return f"{told}; it streams"
    held = f"{told}; it holds the clip ({', '.join(f.held_for)})"
    return (
        held if f.streamed_ram_bytes is None else f"{held}; streamed it would need {f.streamed_ram_bytes:,}"
    )


def _table(*columns: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number < 2 else "right")
    return table


def _layers(i: Inspection) -> Table:
    table = _table("", "op", "output", "parameters", "MACs", "weights")
    for layer in i.layers:
        counts = (layer.parameters, layer.macs, layer.weights_bytes)
        cells = [f"{n:,}" if n else "·" for n in counts]
        table.add_row(str(layer.index), layer.op, _dims(layer.output_shape), *cells)
    return table


def _limits(i: Inspection) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("limit", "", ""):
        table.add_column(column)
    for limit in i.limits:
        verdict = "[green]pass[/]" if limit.passed else "[red]fail[/]"
        table.add_row(limit.name, verdict, "; ".join(limit.exceeded))
    return table


def _boards(i: Inspection) -> Table:
    front_end = ", front end" if i.frontend else ""
    table = _table("board", f"activations and weights{front_end} fit", "RAM", "flash")
    for board in i.boards:
        how = "by layers and by rows" if board.fits_layers and board.fits_rows else ""
        how = how or ("by layers" if board.fits_layers else "by rows" if board.fits_rows else "[red]no[/]")
        table.add_row(board.name, how, f"{board.ram_bytes:,}", f"{board.flash_bytes:,}")
    return table


def _dims(shape: tuple[int, ...]) -> str:
    return "x".join(str(d) for d in shape)
