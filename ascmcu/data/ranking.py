# SPDX-License-Identifier: Apache-2.0
"""How well scores rank: average precision, areas under the ROC curve, the best threshold.

Equal scores are one step of the curves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Truth = npt.NDArray[Any]
Scores = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Threshold:
    """A threshold (a score above it, or equal to it, is a detection) and what it does to some clips."""

    value: float
    f1: float
    precision: float
    recall: float


@dataclass(frozen=True)
class _Steps:
    """Detections at every threshold, from the highest score down: those that are right and those that are not."""

    scores: Scores
    right: Scores
    wrong: Scores


def _steps(truth: Truth, scores: Scores) -> _Steps:
    order = np.argsort(-scores, kind="stable")
    ranked, positive = scores[order], truth[order].astype(bool)
    last = np.flatnonzero(np.append(np.diff(ranked) != 0, True))
    right = np.cumsum(positive)[last].astype(np.float64)
    return _Steps(ranked[last], right, last + 1 - right)


def average_precision(truth: Truth, scores: Scores) -> float | None:
    """Mean of the precision over the positives: Σ (recall_n − recall_n−1) × precision_n. None without positives.

    Args:
        truth: (clips,) of 0 and 1.
        scores: (clips,).
    """
    if not truth.any():
        return None
    steps = _steps(truth, scores)
    precision = steps.right / (steps.right + steps.wrong)
    return float((np.diff(steps.right, prepend=0.0) * precision).sum() / steps.right[-1])


def roc_auc(truth: Truth, scores: Scores) -> float | None:
    """The area under the ROC curve: how often a positive outranks a negative, ties half. None where one is missing."""
    if not truth.any() or truth.all():
        return None
    steps = _steps(truth, scores)
    return _area(*_curve(steps))


def partial_auc(truth: Truth, scores: Scores, most: float = 0.1) -> float | None:
    """The area up to a false-positive rate of ``most``, from 0.5 (chance) to 1 (McClish 1989), as Task 2 counts it.

    None where positives or negatives are missing.
    """
    if not truth.any() or truth.all():
        return None
    false, true = _curve(_steps(truth, scores))
    stop = int(np.searchsorted(false, most, side="right"))
    end = np.interp(most, false[stop - 1 : stop + 1], true[stop - 1 : stop + 1])
    area = _area(np.append(false[:stop], most), np.append(true[:stop], end))
    least = most**2 / 2
    return 0.5 * (1 + (area - least) / (most - least))


def _curve(steps: _Steps) -> tuple[Scores, Scores]:
    """False-positive and true-positive rates, from (0, 0) to (1, 1)."""
    false = np.concatenate([[0.0], steps.wrong / steps.wrong[-1]])
    true = np.concatenate([[0.0], steps.right / steps.right[-1]])
    return false, true


def _area(x: Scores, y: Scores) -> float:
    return float((np.diff(x) * (y[1:] + y[:-1]) / 2).sum())


def best_threshold(truth: Truth, scores: Scores) -> Threshold | None:
    """The threshold with the best F1 on these clips; of equal ones the highest. None without positives."""
    if not truth.any():
        return None
    steps = _steps(truth, scores)
    precision = steps.right / (steps.right + steps.wrong)
    recall = steps.right / steps.right[-1]
    f1 = 2 * steps.right / (2 * steps.right + steps.wrong + (steps.right[-1] - steps.right))
    at = int(f1.argmax())
    return Threshold(float(steps.scores[at]), float(f1[at]), float(precision[at]), float(recall[at]))
