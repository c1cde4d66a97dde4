# SPDX-License-Identifier: Apache-2.0
"""``memory.svg``: the arena over time, each buffer a box as high as its bytes, and what is live at the peak by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir import naming
from ascmcu.jinja import render
from ascmcu.schedule.plan import PUSH, Buffer, Plan

_WIDTH = 840
_HEIGHT = 480
_LEFT = 84
_TOP = 84
_GUTTER = 320
_LABEL_HEIGHT = 15
# Of a wide sans serif of 15 pixels.
_LETTER_WIDTH = 8.9
_LETTERS = 23
_LINE = 21
_LINES = _HEIGHT // _LINE - 1
# Okabe and Ito's colours, told apart by everyone; on the darkest, names are white.
_COLOURS = ("#56b4e9", "#e69f00", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7", "#999999")
_DARK = "#0072b2"


@dataclass(frozen=True)
class Shape:
    """All runs of columns in which a buffer is live, as one path; ``label`` lies or stands (``turned``) in the widest,
    if it fits."""

    path: str
    colour: str
    ink: str
    title: str
    label: str
    label_x: float
    label_y: float
    turned: bool


@dataclass(frozen=True)
class Tick:
    """A line of the byte axis."""

    y: float
    text: str


@dataclass(frozen=True)
class Line:
    """A line of the list of what is live at the peak; the last one may stand for several and has no colour."""

    y: float
    colour: str
    name: str
    size: str


@dataclass(frozen=True)
class Peak:
    """The first event at which the most bytes are in use: where it lies, its words, and the list of its buffers."""

    x: float
    text: str
    anchor: str
    lines: tuple[Line, ...]


def render_memory_map(plan: Plan, name: str) -> str:
    """The picture of a placed plan; a column is a share of the schedule's events."""
    per_byte = _HEIGHT / max(plan.arena_bytes, 1)
    event = peak_event(plan)
    colours = _colours(plan, event)
    return render(
        "memory.svg.j2",
        name=name,
        plan=plan,
        shapes=[_shape(plan, buffer, colours[buffer.name], per_byte) for buffer in plan.buffers],
        ticks=_ticks(plan.arena_bytes, per_byte),
        peak=_peak(plan, event, colours),
        left=_LEFT,
        top=_TOP,
        width=_WIDTH,
        height=_HEIGHT,
        gutter=_GUTTER,
    )


def peak_event(plan: Plan) -> int:
    """The first event, counted from 1, at which the live buffers are the most bytes: one at which a buffer begins."""
    change: dict[int, int] = {}
    for buffer in plan.buffers:
        for first, last in buffer.live:
            change[first] = change.get(first, 0) + buffer.size_bytes
            change[last + 1] = change.get(last + 1, 0) - buffer.size_bytes
    live, most, peak = 0, 0, 0
    for event in sorted(change):
        live += change[event]
        if live > most:
            most, peak = live, event
    return peak


def live_at(plan: Plan, event: int) -> list[Buffer]:
    """The buffers in use at an event, the highest address first."""
    found = [b for b in plan.buffers if any(first <= event <= last for first, last in b.live)]
    return sorted(found, key=lambda buffer: -buffer.offset)


def _colours(plan: Plan, event: int) -> Mapping[str, str]:
    """By buffer: neighbours at the peak differ; the others take turns."""
    peak = [buffer.name for buffer in live_at(plan, event)]
    rest = [buffer.name for buffer in plan.buffers if buffer.name not in peak]
    return {name: _COLOURS[i % len(_COLOURS)] for i, name in enumerate((*peak, *rest))}


def _peak(plan: Plan, event: int, colours: Mapping[str, str]) -> Peak:
    live = live_at(plan, event)
    x = _LEFT + (event + 0.5) * _WIDTH / (plan.events + 2)
    layer = plan.order[event - 1] if 0 < event <= len(plan.order) else PUSH
    running = next((_short(a.node.output) for a in plan.layers if a.index == layer), "a row comes in")
    total = sum(buffer.size_bytes for buffer in live)
    text = f"peak: {total:,} bytes, {running}"
    long = _LETTER_WIDTH * len(text)
    anchor = "start" if x + long < _LEFT + _WIDTH else "end"
    return Peak(x, text, anchor, tuple(_lines(live, colours)))


def _lines(live: Sequence[Buffer], colours: Mapping[str, str]) -> list[Line]:
    """In the order in which the boxes lie; of too many the largest."""
    largest = sorted(live, key=lambda buffer: -buffer.size_bytes)[
        : _LINES if len(live) <= _LINES else _LINES - 1
    ]
    shown = [buffer for buffer in live if buffer in largest]
    lines = [
        Line(_TOP + _LINE * (n + 1.5), colours[b.name], _short(b.name), f"{b.size_bytes:,}")
        for n, b in enumerate(shown)
    ]
    others = [buffer for buffer in live if buffer not in largest]
    if others:
        rest = f"{sum(buffer.size_bytes for buffer in others):,}"
        lines.append(Line(_TOP + _LINE * (len(lines) + 1.5), "none", f"{len(others)} smaller ones", rest))
    return lines


def _shape(plan: Plan, buffer: Buffer, colour: str, per_byte: float) -> Shape:
    columns = _live_columns(buffer, plan.events)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], columns.astype(np.int8), [0]])))
    runs = list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
    height = max(buffer.size_bytes * per_byte, 0.5)
    y = _TOP + _HEIGHT - buffer.end * per_byte
    path = "".join(f"M{_LEFT + a} {y:.2f}h{b - a}v{height:.2f}h-{b - a}z" for a, b in runs)
    start, stop = max(runs, key=lambda run: run[1] - run[0])
    label = _short(buffer.name)
    long = _LETTER_WIDTH * len(label)
    lies = height >= _LABEL_HEIGHT and stop - start > long + 4
    stands = not lies and stop - start >= _LABEL_HEIGHT + 4 and height > long + 6
    x = _LEFT + (start + 4 if lies else (start + stop) / 2 + 4)
    base = y + (height / 2 + 4 if lies else height - 6)
    title = (
        f"{buffer.name}: {buffer.size_bytes} bytes at {buffer.offset}, "
        f"{buffer.ring_rows} row(s) of {buffer.row_bytes} bytes"
    )
    ink = "#ffffff" if colour == _DARK else "#14171a"
    return Shape(path, colour, ink, title, label if lies or stands else "", x, base, stands)


def _live_columns(buffer: Buffer, events: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    columns = np.zeros(_WIDTH, bool)
    scale = _WIDTH / (events + 2)
    for first, last in buffer.live:
        columns[int(first * scale) : max(int(np.ceil((last + 1) * scale)), int(first * scale) + 1)] = True
    return columns


def _short(name: str) -> str:
    """The layer's name, and behind it what it keeps beside its output (``#state``, ``#scratch``)."""
    tensor, _, kind = name.partition("#")
    layer = naming.short(tensor)
    if not kind:
        return layer[:_LETTERS]
    return f"{layer[: _LETTERS - len(kind) - 1]} {kind}"


def _ticks(arena_bytes: int, per_byte: float) -> list[Tick]:
    """Round numbers, and the arena's own size on top; those that would touch it are left out."""
    step = 1 << max((arena_bytes // 6).bit_length(), 4)
    values = [v for v in range(0, arena_bytes, step) if (arena_bytes - v) * per_byte > _LABEL_HEIGHT]
    return [Tick(_TOP + _HEIGHT - v * per_byte, f"{v:,}") for v in (*values, arena_bytes)]
