# SPDX-License-Identifier: Apache-2.0
"""``memory.svg``: the arena over time, each buffer a box as high as its bytes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.jinja import render
from ascmcu.schedule.plan import Buffer, Plan

_WIDTH = 960
_HEIGHT = 480
_LEFT = 70
_TOP = 48
_LABEL_HEIGHT = 13
_LETTER_WIDTH = 7
# Okabe and Ito's colours, told apart by everyone.
_COLOURS = ("#56b4e9", "#e69f00", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7", "#999999")


@dataclass(frozen=True)
class Shape:
    """All runs of columns in which a buffer is live, as one path; ``label`` lies or stands (``turned``) in the widest,
    if it fits."""

    path: str
    colour: str
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


def render_memory_map(plan: Plan, name: str) -> str:
    """The picture of a placed plan; a column is a share of the schedule's events."""
    per_byte = _HEIGHT / max(plan.arena_bytes, 1)
    shapes = [_shape(plan, b, _COLOURS[i % len(_COLOURS)], per_byte) for i, b in enumerate(plan.buffers)]
    return render(
        "memory.svg.j2",
        name=name,
        plan=plan,
        shapes=shapes,
        ticks=_ticks(plan.arena_bytes, per_byte),
        left=_LEFT,
        top=_TOP,
        width=_WIDTH,
        height=_HEIGHT,
    )


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
    lies = height >= _LABEL_HEIGHT and stop - start > long
    stands = not lies and stop - start >= _LABEL_HEIGHT + 4 and height > long
    x = _LEFT + (start + 4 if lies else (start + stop) / 2 + 4)
    base = y + (height / 2 + 4 if lies else height - 6)
    title = (
        f"{buffer.name}: {buffer.size_bytes} bytes at {buffer.offset}, "
        f"{buffer.ring_rows} row(s) of {buffer.row_bytes} bytes"
    )
    return Shape(path, colour, title, label if lies or stands else "", x, base, stands)


def _live_columns(buffer: Buffer, events: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    columns = np.zeros(_WIDTH, bool)
    scale = _WIDTH / (events + 2)
    for first, last in buffer.live:
        columns[int(first * scale) : max(int(np.ceil((last + 1) * scale)), int(first * scale) + 1)] = True
    return columns


def _short(name: str) -> str:
    """Keras names a tensor ``net/layer/Relu:30``: the layer says more than its last operator."""
    parts = name.split("/")
    return (parts[-2] if len(parts) > 1 else name)[:24]


def _ticks(arena_bytes: int, per_byte: float) -> list[Tick]:
    step = 1 << max((arena_bytes // 6).bit_length(), 4)
    return [Tick(_TOP + _HEIGHT - v * per_byte, f"{v:,}") for v in range(0, arena_bytes + 1, step)]
