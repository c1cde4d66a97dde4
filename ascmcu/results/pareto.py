# SPDX-License-Identifier: Apache-2.0
"""Results as points, and their Pareto front."""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ascmcu import extras
from ascmcu.errors import InputError
from ascmcu.jinja import render
from ascmcu.paths import write_whole
from ascmcu.results import words
from ascmcu.results.budgets import Metric
from ascmcu.results.schema import Benchmark

_LEFT, _TOP, _WIDTH, _HEIGHT, _MARGIN, _BELOW = 80, 46, 760, 440, 60, 60
# Of a letter in a sans serif of 12 pixels, on the generous side.
_CHARACTER = 7.2
INK, SOFT, RULE, FRONT, BEATEN = "#191c20", "#5d6570", "#e5e3de", "#0f5e8c", "#9aa4b0"


@dataclass(frozen=True)
class Point:
    """One result; ``best`` when no other is at least as good in both figures and better in one."""

    name: str
    x: float
    y: float
    best: bool


@dataclass(frozen=True)
class Mark:
    """A point or a tick on the page."""

    x: float
    y: float
    text: str
    best: bool = False
    title: str = ""


@dataclass(frozen=True)
class Label:
    """A name that has room: where its baseline begins."""

    left: float
    base: float
    text: str
    best: bool


@dataclass(frozen=True)
class _Box:
    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: _Box) -> bool:
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )

    def within(self, other: _Box) -> bool:
        return (
            other.left <= self.left
            and self.right <= other.right
            and other.top <= self.top
            and self.bottom <= other.bottom
        )


def points(results: Sequence[tuple[str, Benchmark]], x: Metric, y: Metric) -> list[Point]:
    """The results that have both figures.

    Raises:
        InputError: none has.
    """
    both = [(name, x.of(b), y.of(b)) for name, b in results]
    known = [(name, float(a), float(c)) for name, a, c in both if a is not None and c is not None]
    if not known:
        raise InputError(
            "no result has both figures",
            expected=f"{x.name} and {y.name}",
            found=", ".join(name for name, _ in results),
            hint="choose others with --x and --y",
        )

    def beats(p: tuple[str, float, float], q: tuple[str, float, float]) -> bool:
        pairs = [(_goodness(m, a), _goodness(m, b)) for m, a, b in ((x, p[1], q[1]), (y, p[2], q[2]))]
        return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)

    return [Point(*p, best=not any(beats(q, p) for q in known)) for p in known]


def _goodness(metric: Metric, value: float) -> float:
    return value if metric.higher else -value


@dataclass(frozen=True)
class Picture:
    """Everything where it goes, in pixels from the upper left; ``steps`` is the front as corners of a staircase."""

    marks: tuple[Mark, ...]
    labels: tuple[Label, ...]
    steps: tuple[tuple[float, float], ...]
    x_ticks: tuple[Mark, ...]
    y_ticks: tuple[Mark, ...]


def picture(found: Sequence[Point], x: Metric, y: Metric) -> Picture:
    """Lay the plot out. Names that would cover something are left to the points' titles, the front's last."""
    low_x, high_x = _range([p.x for p in found], x.fraction)
    low_y, high_y = _range([p.y for p in found], y.fraction)

    def place(a: float, b: float) -> tuple[float, float]:
        across = _LEFT + (a - low_x) / (high_x - low_x) * _WIDTH
        return across, _TOP + _HEIGHT - (b - low_y) / (high_y - low_y) * _HEIGHT

    marks = [
        Mark(
            *place(p.x, p.y),
            p.name,
            p.best,
            f"{p.name}: {x.title} {_tell(x, p.x)}, {y.title} {_tell(y, p.y)}",
        )
        for p in found
    ]
    front = sorted((p for p in found if p.best), key=lambda p: (p.x, p.y))
    steps = tuple(place(*corner) for corner in _staircase(front, x))
    return Picture(
        marks=tuple(marks),
        labels=tuple(_labels(marks, steps)),
        steps=steps,
        x_ticks=tuple(Mark(*place(v, low_y), _tell(x, v)) for v in _ticks(low_x, high_x)),
        y_ticks=tuple(Mark(*place(low_x, v), _tell(y, v)) for v in _ticks(low_y, high_y)),
    )


def _staircase(front: Sequence[Point], x: Metric) -> list[tuple[float, float]]:
    """What is reached for a given x: between two points of the front, no more than the worse of them."""
    corners = [(p.x, p.y) for p in front[:1]]
    for before, after in itertools.pairwise(front):
        corner = (before.x, after.y) if x.higher else (after.x, before.y)
        corners += [corner, (after.x, after.y)]
    return corners


def _labels(marks: Sequence[Mark], steps: Sequence[tuple[float, float]]) -> list[Label]:
    """The names that find room beside their points, those of the front first."""
    taken = [_Box(m.x - 6, m.y - 6, m.x + 6, m.y + 6) for m in marks]
    taken += [
        _Box(min(a, c) - 1, min(b, d) - 1, max(a, c) + 1, max(b, d) + 1)
        for (a, b), (c, d) in itertools.pairwise(steps)
    ]
    whole = _Box(_LEFT, 0, _LEFT + _WIDTH + _MARGIN, _TOP + _HEIGHT)
    found = []
    for mark in sorted(marks, key=lambda m: not m.best):
        width = _CHARACTER * len(mark.text)
        for dx, dy in (
            (9, -7),
            (9, 16),
            (-9 - width, -7),
            (-9 - width, 16),
            (-width / 2, -12),
            (-width / 2, 22),
        ):
            left, base = mark.x + dx, mark.y + dy
            box = _Box(left, base - 10, left + width, base + 3)
            if box.within(whole) and not any(box.meets(other) for other in taken):
                taken.append(box)
                found.append(Label(left, base, mark.text, mark.best))
                break
    return found


def svg(found: Sequence[Point], x: Metric, y: Metric) -> str:
    """The picture as a file that needs nothing."""
    return render(
        "pareto.svg.j2", picture=picture(found, x, y), x_title=x.title, y_title=y.title, left=_LEFT, top=_TOP,
        width=_WIDTH, height=_HEIGHT, margin=_MARGIN, below=_BELOW, ink=INK, soft=SOFT, rule=RULE, front=FRONT,
        beaten=BEATEN,
    )  # fmt: skip


def write(path: Path, found: Sequence[Point], x: Metric, y: Metric) -> None:
    """``.svg`` is drawn here, ``.png`` by matplotlib; both alike.

    Raises:
        InputError: another suffix.
        ToolError: matplotlib is not installed.
    """
    check_suffix(path)
    if path.suffix == ".svg":
        write_whole(path, svg(found, x, y))
    else:
        _write_png(path, picture(found, x, y), x, y)


def check_suffix(path: Path) -> None:
    """Refuse what is neither .svg nor .png.

    Raises:
        InputError: it is not.
    """
    if path.suffix not in (".svg", ".png"):
        raise InputError("a plot must be an .svg or .png file", found=path.name)


def _write_png(path: Path, drawn: Picture, x: Metric, y: Metric) -> None:
    Figure = extras.load(
        "matplotlib.figure", "train", "a .png needs Matplotlib, an .svg needs nothing"
    ).Figure
    width, height = _LEFT + _WIDTH + _MARGIN, _TOP + _HEIGHT + _BELOW
    figure = Figure(figsize=(width / 96, height / 96))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()

    def write(
        left: float, base: float, text: str, colour: str, anchor: str = "left", points: int = 8
    ) -> None:
        axes.text(left, base, text, color=colour, ha=anchor, va="baseline", fontsize=points)

    write(_LEFT, 24, f"{y.title} against {x.title}", INK, points=11)
    for tick in drawn.x_ticks:
        axes.plot([tick.x, tick.x], [_TOP, _TOP + _HEIGHT], color=RULE, linewidth=0.8, zorder=0)
        write(tick.x, _TOP + _HEIGHT + 18, tick.text, SOFT, "center")
    for tick in drawn.y_ticks:
        axes.plot([_LEFT, _LEFT + _WIDTH], [tick.y, tick.y], color=RULE, linewidth=0.8, zorder=0)
        write(_LEFT - 8, tick.y + 4, tick.text, SOFT, "right")
    axes.plot([a for a, _ in drawn.steps], [b for _, b in drawn.steps], color=FRONT, linewidth=1.5)
    for mark in sorted(drawn.marks, key=lambda m: m.best):
        axes.plot(mark.x, mark.y, "o", color=FRONT if mark.best else BEATEN, markersize=8 if mark.best else 6)
    for label in drawn.labels:
        write(label.left, label.base, label.text, INK if label.best else SOFT)
    write(_LEFT + _WIDTH / 2, _TOP + _HEIGHT + 44, x.title, SOFT, "center")
    whole = io.BytesIO()
    figure.savefig(whole, dpi=192)
    write_whole(path, whole.getvalue())


def _range(values: Sequence[float], fraction: bool = False) -> tuple[float, float]:
    """What an axis shows: the values with room around them; of a fraction nothing below 0 % or above 100 %."""
    low, high = min(values), max(values)
    span = (high - low) or (0.1 if fraction else abs(high) or 1.0)
    low, high = low - 0.08 * span, high + 0.12 * span
    return (max(low, 0.0), min(high, 1.0)) if fraction else (low, high)


def _ticks(low: float, high: float) -> list[float]:
    """Some five round values within."""
    step = 10 ** math.floor(math.log10((high - low) / 4))
    step *= next(k for k in (1, 2, 5, 10) if (high - low) / (step * k) <= 6)
    first = math.ceil(low / step)
    return [n * step for n in range(first, math.floor(high / step) + 1)]


def _tell(metric: Metric, value: float) -> str:
    if metric.fraction:
        return f"{100 * value:.1f} %"
    scale, unit = next(
        ((s, u) for s, u in ((1e9, " G"), (1e6, " M"), (1e3, " k")) if abs(value) >= s), (1.0, "")
    )
    return words.digits(value / scale) + unit
