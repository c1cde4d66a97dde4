# SPDX-License-Identifier: Apache-2.0
"""Plots of a run: history and confusion matrix, as PNG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ascmcu.data.scores import Scores
from ascmcu.errors import ToolError

if TYPE_CHECKING:
    from ascmcu.train.loop import Epoch


def curves(history: Sequence[Epoch], path: Path) -> None:
    """Losses, validation accuracy and learning rate over the epochs.

    Raises:
        ToolError: matplotlib is not installed.
    """
    figure, (losses, rates) = _figure(2, 1, figsize=(7, 6))
    epochs = [epoch.epoch for epoch in history]
    losses.plot(epochs, [epoch.loss for epoch in history], label="training loss")
    if any(not math.isnan(epoch.validation_loss) for epoch in history):
        losses.plot(epochs, [epoch.validation_loss for epoch in history], label="validation log loss")
        share = losses.twinx()
        share.plot(epochs, [epoch.validation_accuracy for epoch in history], color="tab:green")
        share.set_ylabel("validation accuracy", color="tab:green")
        share.set_ylim(0, 1)
    losses.legend(loc="upper center")
    losses.set_ylabel("loss")
    rates.plot(epochs, [epoch.learning_rate for epoch in history], color="tab:gray")
    rates.set_ylabel("learning rate")
    rates.set_xlabel("epoch")
    _save(figure, path)


def confusion(scores: Scores, labels: Sequence[str], title: str, path: Path) -> None:
    """Clips by class (row) and answer (column); shading is the share of the class.

    Raises:
        ToolError: matplotlib is not installed.
    """
    side = 2.5 + 0.45 * len(labels)
    figure, (axes,) = _figure(1, 1, figsize=(side, side))
    totals = [max(sum(row), 1) for row in scores.confusion]
    shares = [[count / total for count in row] for row, total in zip(scores.confusion, totals, strict=True)]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, counts in enumerate(scores.confusion):
        for column, count in enumerate(counts):
            if count:
                dark = "white" if shares[row][column] > 0.5 else "black"
                axes.text(column, row, str(count), ha="center", va="center", color=dark)
    axes.set_xticks(range(len(labels)), labels, rotation=60, ha="right")
    axes.set_yticks(range(len(labels)), labels)
    axes.set_xlabel("answer")
    axes.set_ylabel("class")
    axes.set_title(f"{title}: {scores.accuracy:.1%} of {scores.clips}")
    _save(figure, path)


def _figure(rows: int, columns: int, **options: Any) -> tuple[Any, list[Any]]:
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise ToolError(
            "the plots need matplotlib", found=str(error), hint='run `pip install "ascmcu[train]"`'
        ) from error
    figure = Figure(layout="constrained", **options)
    return figure, list(figure.subplots(rows, columns, squeeze=False).flat)


def _save(figure: Any, path: Path) -> None:
    # Without the date and the version that matplotlib writes otherwise, equal runs give equal files.
    figure.savefig(path, dpi=110, metadata={"Software": None})
