# SPDX-License-Identifier: Apache-2.0
"""The report page's section on layers: the strip of one clip's work, its legend, the table."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.results import words
from ascmcu.results.page_parts import FRONT_END, Slice, colour_of
from ascmcu.results.schema import Benchmark, LayerCount


@dataclass(frozen=True)
class LayerRow:
    """A line of the layer table; bars in percent of the largest."""

    number: str
    name: str
    full_name: str
    op: str
    kernel: str
    shape: str
    colour: str
    count: int | None
    count_bar: float
    fraction: float
    predicted: int | None
    off: str
    macs: int
    per_mac: str
    heat: float
    ram_bytes: int
    ram_bar: float
    flash_bytes: int
    flash_bar: float


def strip(b: Benchmark) -> list[Slice]:
    """The parts of one clip's work in the order in which the layers stand."""
    if b.counts is None or any(layer.count is None for layer in b.layers):
        return []
    parts = [(FRONT_END, FRONT_END, b.counts.frontend)] if b.counts.frontend else []
    parts += [(words.short_layer(x.name), x.op, x.count or 0) for x in b.layers]
    whole = sum(count for _, _, count in parts) or 1
    return [Slice(name, f"{count:,}", 100 * count / whole, colour_of(op)) for name, op, count in parts]


def kinds(b: Benchmark) -> list[Slice]:
    """The strip's legend: work by operator, the largest first."""
    if not strip(b) or b.counts is None:
        return []
    sums: dict[str, int] = {FRONT_END: b.counts.frontend} if b.counts.frontend else {}
    for layer in b.layers:
        sums[layer.op] = sums.get(layer.op, 0) + (layer.count or 0)
    whole = sum(sums.values()) or 1
    ordered = sorted(sums.items(), key=lambda item: -item[1])
    return [Slice(op.replace("_", " "), f"{n:,}", 100 * n / whole, colour_of(op)) for op, n in ordered]


def rows(b: Benchmark) -> list[LayerRow]:
    """The table: a line for each layer."""
    if not b.layers:
        return []
    most = max(x.count or 0 for x in b.layers) or 1
    whole = sum(x.count or 0 for x in b.layers) or 1
    ram = max(x.buffer_bytes for x in b.layers) or 1
    flash = max(x.flash_bytes for x in b.layers) or 1
    worst = max((x.count / x.macs for x in b.layers if x.count and x.macs), default=0.0) or 1.0
    return [_layer_row(n, x, most, whole, ram, flash, worst) for n, x in enumerate(b.layers)]


def _layer_row(
    number: int, x: LayerCount, most: int, whole: int, ram: int, flash: int, worst: float
) -> LayerRow:
    per_mac = x.count / x.macs if x.count is not None and x.macs else None
    return LayerRow(
        number=str(number),
        name=words.short_layer(x.name),
        full_name=x.name,
        op=x.op.replace("_", " "),
        kernel=x.kernel,
        shape=" × ".join(str(d) for d in (x.output_shape[1:] or x.output_shape)),
        colour=colour_of(x.op),
        count=x.count,
        count_bar=100 * (x.count or 0) / most,
        fraction=(x.count or 0) / whole,
        predicted=x.predicted_cycles,
        off="" if x.off is None else f"{100 * x.off:+.1f} %",
        macs=x.macs,
        per_mac="" if per_mac is None else f"{per_mac:.2f}",
        heat=0.0 if per_mac is None else per_mac / worst,
        ram_bytes=x.buffer_bytes,
        ram_bar=100 * x.buffer_bytes / ram,
        flash_bytes=x.flash_bytes,
        flash_bar=100 * x.flash_bytes / flash,
    )
