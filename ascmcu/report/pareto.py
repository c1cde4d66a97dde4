"""Many results as points, and the line of those that no other beats in both figures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ascmcu.codegen.render import render
from ascmcu.errors import InputError, ToolError
from ascmcu.report import words
from ascmcu.report.budgets import Metric
from ascmcu.report.schema import Benchmark

_LEFT, _TOP, _WIDTH, _HEIGHT = 80, 46, 660, 380


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
            hint="--x and --y choose others",
        )

    def beats(p: tuple[str, float, float], q: tuple[str, float, float]) -> bool:
        pairs = [(_goodness(m, a), _goodness(m, b)) for m, a, b in ((x, p[1], q[1]), (y, p[2], q[2]))]
        return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)

    return [Point(*p, best=not any(beats(q, p) for q in known)) for p in known]


def _goodness(metric: Metric, value: float) -> float:
    return value if metric.higher else -value


def svg(found: Sequence[Point], x: Metric, y: Metric) -> str:
    """The picture."""
    low_x, high_x = _range([p.x for p in found])
    low_y, high_y = _range([p.y for p in found])

    def place(a: float, b: float) -> tuple[float, float]:
        across = _LEFT + (a - low_x) / (high_x - low_x) * _WIDTH
        return across, _TOP + _HEIGHT - (b - low_y) / (high_y - low_y) * _HEIGHT

    marks = [
        Mark(*place(p.x, p.y), p.name, p.best, f"{p.name}: {_tell(x, p.x)}, {_tell(y, p.y)}") for p in found
    ]
    line = [place(p.x, p.y) for p in sorted((p for p in found if p.best), key=lambda p: p.x)]
    return render(
        "pareto.svg.j2",
        marks=marks,
        line=" ".join(f"{a:.1f},{b:.1f}" for a, b in line),
        x_ticks=[Mark(*place(v, low_y), _tell(x, v)) for v in _ticks(low_x, high_x)],
        y_ticks=[Mark(*place(low_x, v), _tell(y, v)) for v in _ticks(low_y, high_y)],
        x_title=x.title,
        y_title=y.title,
        left=_LEFT,
        top=_TOP,
        width=_WIDTH,
        height=_HEIGHT,
    )


def write(path: Path, found: Sequence[Point], x: Metric, y: Metric) -> None:
    """``.svg`` is drawn here, ``.png`` by matplotlib.

    Raises:
        InputError: another suffix.
        ToolError: matplotlib is not installed.
    """
    if path.suffix == ".svg":
        path.write_text(svg(found, x, y), encoding="utf-8")
    elif path.suffix == ".png":
        _write_png(path, found, x, y)
    else:
        raise InputError("a plot is an .svg or a .png", found=path.name)


def _write_png(path: Path, found: Sequence[Point], x: Metric, y: Metric) -> None:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ToolError(
            "a .png needs matplotlib", hint="pip install matplotlib; an .svg needs nothing"
        ) from error
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot(xlabel=x.title, ylabel=y.title)
    front = sorted((p for p in found if p.best), key=lambda p: p.x)
    axes.plot([p.x for p in front], [p.y for p in front], color="#0f5e8c")
    for p in found:
        axes.plot(p.x, p.y, "o", color="#0f5e8c" if p.best else "#9aa4b0")
        axes.annotate(p.name, (p.x, p.y), xytext=(5, 5), textcoords="offset points", fontsize=8)
    figure.savefig(path, dpi=144)


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    spread = (high - low) or abs(high) or 1.0
    return low - 0.08 * spread, high + 0.12 * spread


def _ticks(low: float, high: float) -> list[float]:
    """Some five round values within."""
    step = 10 ** math.floor(math.log10((high - low) / 4))
    step *= next(k for k in (1, 2, 5, 10) if (high - low) / (step * k) <= 6)
    first = math.ceil(low / step)
    return [n * step for n in range(first, math.floor(high / step) + 1)]


def _tell(metric: Metric, value: float) -> str:
    if metric.share:
        return f"{100 * value:.1f} %"
    scale, unit = next(
        ((s, u) for s, u in ((1e9, " G"), (1e6, " M"), (1e3, " k")) if abs(value) >= s), (1.0, "")
    )
    return words.digits(value / scale) + unit
