# SPDX-License-Identifier: Apache-2.0
"""The Pareto front of a study, as a picture and as one self-contained HTML page."""

from __future__ import annotations

import base64
import collections
import io
import re
from pathlib import Path
from typing import Any

from ascmcu import extras
from ascmcu.paths import write_whole
from ascmcu.results import page
from ascmcu.tune.study import Outcome, Result

# Half a point's side in pixels, and where its number may stand, in typographic points from its middle.
_POINT = 4
_BESIDE = ((10, 9), (10, -9), (-10, 9), (-10, -9), (0, 13), (0, -13), (16, 0), (-16, 0))
_LABELS = {
    "accuracy": "accuracy (int8, validation part)",
    "ram": "RAM / bytes",
    "flash": "flash / bytes",
    "cycles": "cycles per clip (simulated)",
    "clip_cycles": "cycles per clip with the front end (simulated)",
}


def png(outcome: Outcome) -> bytes:
    """The first objective over each of the others; the results of the front are numbered.

    Raises:
        ToolError: Matplotlib is not installed.
    """
    whole = io.BytesIO()
    _drawn(outcome).savefig(whole, format="png", dpi=120)
    return whole.getvalue()


def _drawn(outcome: Outcome) -> Any:
    Figure = extras.load("matplotlib.figure", "tune", "plots need Matplotlib").Figure
    ticker = extras.load("matplotlib.ticker", "tune", "plots need Matplotlib")
    first, *others = outcome.spec.objectives
    others = others or ["flash"]
    figure = Figure(figsize=(5.0 * len(others), 4.0), layout="constrained")
    for axes, other in zip(figure.subplots(1, len(others), squeeze=False)[0], others, strict=True):
        for chosen, marker, colour in ((False, "o", "#9aa5b1"), (True, "D", "#1f6feb")):
            points = [(r.objective(other), r.objective(first)) for r in outcome.results if r.front is chosen]
            axes.scatter(*zip(*points, strict=True) if points else ((), ()), marker=marker, color=colour)
        for axis, name in ((axes.xaxis, other), (axes.yaxis, first)):
            plain = ticker.FuncFormatter(lambda value, _: f"{value:,.0f}")
            axis.set_major_formatter(ticker.PercentFormatter(1.0) if name == "accuracy" else plain)
        axes.margins(0.08)
        axes.tick_params(axis="x", labelrotation=20)
        axes.set_xlabel(_LABELS[other])
        axes.set_ylabel(_LABELS[first])
        axes.grid(alpha=0.3)
        axes.set_axisbelow(True)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    figure.suptitle(
        f"{outcome.name} on {outcome.spec.board}: {len(outcome.results)} results, {len(outcome.front)} on the front"
    )
    for axes, other in zip(figure.axes, others, strict=True):
        _number(axes, outcome, other)
    return figure


def _number(axes: Any, outcome: Outcome, other: str) -> None:
    """Write the front's numbers beside its points, where no point and no number lies; the table has the rest."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.transforms import Bbox

    first = outcome.spec.objectives[0]
    canvas: Any = FigureCanvasAgg(axes.figure)
    canvas.draw()  # places the axes
    places = axes.transData.transform([(r.objective(other), r.objective(first)) for r in outcome.results])
    taken = [Bbox.from_extents(x - _POINT, y - _POINT, x + _POINT, y + _POINT) for x, y in places]
    for result in outcome.front:
        for offset in _BESIDE:
            label = axes.annotate(
                str(result.number), (result.objective(other), result.objective(first)), xytext=offset,
                textcoords="offset points", ha="center", va="center", fontsize=9,
            )  # fmt: skip
            box = label.get_window_extent(canvas.get_renderer())
            if not any(box.overlaps(other_box) for other_box in taken):
                taken.append(box)
                break
            label.remove()


def columns(outcome: Outcome) -> tuple[str, ...]:
    """The head of the table: figures, then what was varied."""
    varied = tuple(sorted({name for result in outcome.results for name in result.values}))
    cycles = ("cycles",) if any(r.cycles is not None for r in outcome.results) else ()
    if any(r.clip_cycles is not None for r in outcome.results):
        cycles = (*cycles, "with front end")
    return ("trial", "accuracy", "RAM", "flash", *cycles, *varied)


def row(outcome: Outcome, result: Result) -> tuple[str, ...]:
    """A result's cells, in the order of ``columns``."""
    figures = {
        "trial": str(result.number),
        "accuracy": f"{result.accuracy:.1%}",
        "RAM": f"{result.ram_bytes:,}",
        "flash": f"{result.flash_bytes:,}",
        "cycles": "–" if result.cycles is None else f"{result.cycles:,}",
        "with front end": "–" if result.clip_cycles is None else f"{result.clip_cycles:,}",
    }
    return tuple(figures.get(name) or _told(result.values.get(name, "–")) for name in columns(outcome))


def _told(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def reasons(outcome: Outcome) -> list[tuple[str, int]]:
    """Why trials were given up, figures left out, and how often; the most frequent first."""
    found = collections.Counter(re.sub(r"\d[\d,.]*", "…", reason) for _, reason in outcome.given_up)
    return found.most_common()


def html(outcome: Outcome, picture: bytes) -> str:
    """One page with the picture, the front and all results."""
    rest = tuple(r for r in outcome.results if not r.front)
    return page.standalone(
        "study.html.j2",
        outcome=outcome,
        picture=base64.b64encode(picture).decode(),
        columns=columns(outcome),
        front=[row(outcome, r) for r in outcome.front],
        rest=[row(outcome, r) for r in rest],
    )


def write(outcome: Outcome, folder: Path) -> tuple[Path, ...]:
    """``pareto.png`` and ``pareto.html`` in ``folder``."""
    picture = png(outcome)
    write_whole(folder / "pareto.png", picture)
    write_whole(folder / "pareto.html", html(outcome, picture))
    return folder / "pareto.png", folder / "pareto.html"
