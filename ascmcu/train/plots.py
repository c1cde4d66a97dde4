# SPDX-License-Identifier: Apache-2.0
"""Plots of a run: history and confusion matrices, as PNG."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ascmcu.data.scores import Scores
from ascmcu.errors import ToolError
from ascmcu.paths import write_whole

if TYPE_CHECKING:
    from ascmcu.train.history import History

_INK, _SOFT, _RULE = "#191c20", "#5d6570", "#e2e0da"
_TRAINING, _VALIDATION, _KEPT = "#2f6fb7", "#b0620e", "#16794a"
# What chooses the epoch (``loop.Epoch.validation_score``), by task.
SCORES = {"single_label": "accuracy", "multi_label": "mAP", "reconstruction": "−loss"}
# Inches of a cell of a confusion matrix, and of a letter of its labels.
_CELL, _LETTER = 0.42, 0.085
# Above this share of its row a cell is dark, and its count light.
_DARK_SHARE = 0.55


def curves(history: History, path: Path) -> None:
    """Losses, validation score and learning rate over the epochs of all stages; the epochs that are kept are marked.

    Raises:
        ToolError: matplotlib is not installed.
    """
    epochs = history.epochs
    numbers = list(range(1, len(epochs) + 1))
    judged = any(not math.isnan(epoch.validation_loss) for epoch in epochs)
    heights = [3.0, 2.0, 1.0] if judged else [3.0, 1.0]
    figure, panels = _figure(
        len(heights), 1, figsize=(8, 1.5 * sum(heights) + 0.6), sharex=True, height_ratios=heights
    )
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    figure.get_layout_engine().set(h_pad=0.1)
    losses, rates = panels[0], panels[-1]
    losses.plot(numbers, [epoch.loss for epoch in epochs], color=_TRAINING, label="training")
    losses.set_ylabel("loss")
    if judged:
        losses.plot(
            numbers, [epoch.validation_loss for epoch in epochs], color=_VALIDATION, label="validation"
        )
        panels[1].plot(numbers, [epoch.validation_score for epoch in epochs], color=_VALIDATION)
        panels[1].set_ylabel(f"validation\n{SCORES[history.training.task]}")
        if history.training.task != "reconstruction":
            panels[1].set_ylim(0, 1.02)
            panels[1].yaxis.set_major_formatter(PercentFormatter(1.0))
    rates.plot(numbers, [epoch.learning_rate for epoch in epochs], color=_SOFT)
    rates.set_ylabel("learning rate")
    rates.set_ylim(bottom=0)
    rates.set_xlabel("epoch")
    rates.xaxis.set_major_locator(MaxNLocator(integer=True))
    _mark(history, panels)
    # Above the axes, where no curve can be.
    losses.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=4, frameon=False, borderaxespad=0.2)
    for axes in panels:
        _plain(axes)
    figure.align_ylabels(panels)
    _save(figure, path)


def _mark(history: History, panels: Sequence[Any]) -> None:
    """A line at each epoch that is kept, and thin ones between stages."""
    ends = [len(stage) for stage in history.stages[:-1]]
    for axes in panels:
        for number in range(len(ends)):
            axes.axvline(sum(ends[: number + 1]) + 0.5, color=_SOFT, linewidth=0.8, linestyle=":")
    for axes in panels:
        for number, epoch in enumerate(history.kept):
            axes.axvline(
                epoch, color=_KEPT, linewidth=1.2, linestyle="--", label="" if number else _told(history)
            )


def _told(history: History) -> str:
    """What is kept, for the legend."""
    if len(history.kept) > 1:
        return f"kept: the mean of {len(history.kept)} epochs"
    epoch = history.epochs[history.kept[0] - 1]
    if math.isnan(epoch.validation_score):
        return f"kept: epoch {history.kept[0]}, the last"
    task = history.training.task
    score = (
        f"{epoch.validation_score:.4g}"
        if task == "reconstruction"
        else f"{100 * epoch.validation_score:.1f} %"
    )
    return f"kept: epoch {history.kept[0]}, validation {SCORES[task]} {score}"


def confusions(scores: Mapping[str, Scores], labels: Sequence[str], path: Path) -> None:
    """Clips by class (row) and answer (column), a matrix for each network; shading is the share of the class.

    Args:
        scores: by the title of the network.
        labels: the classes, in the order of the matrices.
        path: of the picture.

    Raises:
        ToolError: matplotlib is not installed.
    """
    side = _CELL * len(labels)
    names = _LETTER * max(len(label) for label in labels) + 0.4
    least = 2.6  # of a title's width
    size = (names + len(scores) * max(side, least) + 0.3 * len(scores), side + names + 0.9)
    figure, panels = _figure(1, len(scores), figsize=size, sharey=True)
    for axes, (title, found) in zip(panels, scores.items(), strict=True):
        _matrix(axes, found)
        axes.set_xticks(range(len(labels)), labels, rotation=60, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(labels)), labels)
        axes.set_xlabel("answer")
        right = sum(found.confusion[i][i] for i in range(len(labels)))
        axes.set_title(
            f"{title}: {100 * found.accuracy:.1f} %\n{right} of {found.clips} clips", fontsize=11, color=_INK
        )
        axes.tick_params(length=0, colors=_INK)
        for spine in axes.spines.values():
            spine.set_visible(False)
    panels[0].set_ylabel("class")
    _save(figure, path)


def _matrix(axes: Any, scores: Scores) -> None:
    totals = [max(sum(row), 1) for row in scores.confusion]
    shares = [[count / total for count in row] for row, total in zip(scores.confusion, totals, strict=True)]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for edge in range(len(shares) - 1):
        for line in (axes.axhline, axes.axvline):
            line(edge + 0.5, color=_RULE, linewidth=0.6)
    for row, counts in enumerate(scores.confusion):
        for column, count in enumerate(counts):
            if count:
                colour = "white" if shares[row][column] > _DARK_SHARE else _INK
                weight = "bold" if row == column else "normal"
                axes.text(
                    column,
                    row,
                    str(count),
                    ha="center",
                    va="center",
                    color=colour,
                    fontsize=9,
                    fontweight=weight,
                )


def _plain(axes: Any) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(_SOFT)
    axes.tick_params(colors=_SOFT)
    axes.yaxis.label.set_color(_INK)
    axes.grid(color=_RULE, linewidth=0.8)
    axes.set_axisbelow(True)


def _figure(
    rows: int, columns: int, *, figsize: tuple[float, float], **options: Any
) -> tuple[Any, list[Any]]:
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise ToolError(
            "the plots need matplotlib", found=str(error), hint='run `pip install "ascmcu[train]"`'
        ) from error
    figure = Figure(layout="constrained", figsize=figsize)
    return figure, list(figure.subplots(rows, columns, squeeze=False, **options).flat)


def _save(figure: Any, path: Path) -> None:
    # Without the date and the version that matplotlib writes otherwise, equal runs give equal files.
    whole = io.BytesIO()
    figure.savefig(whole, format="png", dpi=110, bbox_inches="tight", metadata={"Software": None})
    write_whole(path, whole.getvalue())
