# SPDX-License-Identifier: Apache-2.0
"""Plots of a run: what is marked is what was kept, and no text lies on another or on a curve."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("keras")

from ascmcu.data.scores import Scores
from ascmcu.train import plots
from ascmcu.train.history import History
from ascmcu.train.loop import Epoch
from ascmcu.train.recipe import Training


def _epochs(accuracies: list[float], losses: list[float] | None = None) -> list[Epoch]:
    found = losses or [math.nan if math.isnan(a) else 1.0 for a in accuracies]
    return [
        Epoch(n + 1, 0.01, 2.0 / (n + 1), loss, accuracy, 100.0)
        for n, (accuracy, loss) in enumerate(zip(accuracies, found, strict=True))
    ]


def _drawn(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The figures that are saved, in a list that fills."""
    found: list[Any] = []
    monkeypatch.setattr(plots, "_save", lambda figure, path: found.append(figure))
    return found


def _overlapping(figure: Any) -> list[tuple[str, str]]:
    """Pairs of texts that share pixels; turned ones are left out, their boxes are larger than they."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure).draw()
    texts = [text for axes in figure.axes for text in _texts(axes)]
    boxes = [(t.get_text(), t.get_window_extent().shrunk(0.98, 0.9)) for t in texts if not t.get_rotation()]
    return [(a, b) for (a, x), (b, y) in itertools.combinations(boxes, 2) if x.overlaps(y)]


def _texts(axes: Any) -> list[Any]:
    """Those that are drawn: ticks beyond the axes' ends are not."""
    found = [axes.title, axes.xaxis.label, axes.yaxis.label, *axes.texts]
    found += axes.get_legend().get_texts() if axes.get_legend() else []
    for axis, (low, high) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, sorted(axes.get_ylim()))):
        ticks = [tick for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
        found += [tick.label1 for tick in ticks if tick.label1.get_visible()]
    return [text for text in found if text.get_text()]


STAGES = {
    "one epoch": [_epochs([0.5])],
    "no validation": [_epochs([math.nan] * 4)],
    "validation": [_epochs([0.2, 0.7, 0.6, 0.7])],
    "two stages": [_epochs([0.9, 0.2]), _epochs([0.3, 0.4, 0.1])],
    "long": [_epochs([n / 500 for n in range(500)])],
}
KEPT = {"one epoch": (1,), "no validation": (4,), "validation": (2,), "two stages": (4,), "long": (500,)}


@pytest.mark.parametrize("name", STAGES)
def test_the_kept_epoch_is_marked_and_the_legend_covers_nothing(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = History(Training())
    for stage in STAGES[name]:
        history = history.followed_by(stage)
    assert history.kept == KEPT[name]
    figures = _drawn(monkeypatch)
    plots.curves(history, Path("unused.png"))
    (figure,) = figures
    assert not _overlapping(figure)
    losses = figure.axes[0]
    legend = losses.get_legend()
    assert f"kept: epoch {history.kept[0]}" in " ".join(text.get_text() for text in legend.get_texts())
    assert legend.get_window_extent().y0 >= losses.get_window_extent().y1 - 1
    marks = [line.get_xdata()[0] for line in losses.lines if line.get_linestyle() == "--"]
    assert marks == [history.kept[0]]


def test_equal_accuracies_go_to_the_lower_loss_and_then_to_the_first() -> None:
    assert History(Training()).followed_by(_epochs([0.7, 0.7, 0.7], [0.3, 0.2, 0.2])).kept == (2,)


def test_a_mean_of_snapshots_marks_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    training = Training(epochs=6, snapshot_from=2, snapshot_every=2)
    history = History(training).followed_by(_epochs([0.1, 0.9, 0.2, 0.3, 0.4, 0.5]))
    assert history.kept == (2, 4, 6)
    figures = _drawn(monkeypatch)
    plots.curves(history, Path("unused.png"))
    texts = [text.get_text() for text in figures[0].axes[0].get_legend().get_texts()]
    assert texts == ["training", "validation", "kept: the mean of 3 epochs"]


@pytest.mark.parametrize(("classes", "letters"), [(2, 1), (3, 12), (10, 12), (35, 6)])
def test_matrices_stand_side_by_side_without_overlaps(
    classes: int, letters: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = np.random.default_rng(classes).integers(0, 200, (classes, classes))
    right, clips = int(counts.trace()), int(counts.sum())
    scores = Scores(clips, right / clips, 0.0, 0.0, {}, {}, tuple(map(tuple, counts.tolist())))
    figures = _drawn(monkeypatch)
    labels = [f"{number:02d}"[:letters].ljust(letters, "m") for number in range(classes)]
    plots.confusions({"float": scores, "int8": scores}, labels, Path("unused.png"))
    (figure,) = figures
    assert not _overlapping(figure)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == [
        f"{title}: {100 * right / clips:.1f} %\n{right} of {clips} clips" for title in ("float", "int8")
    ]
