# SPDX-License-Identifier: Apache-2.0
"""Scores of multi-label answers: average precision of every class, their mean (mAP), and thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ascmcu.data import ranking


@dataclass(frozen=True)
class ClassTagging:
    """One class: in how many clips it is heard, and how its scores rank them; None where it is in none.

    ``threshold`` is the score with the best F1 on these clips, ``f1``, ``precision`` and ``recall`` are those at it. A
    threshold that is to be believed is chosen on other clips than those that judge it.
    """

    positives: int
    average_precision: float | None
    auc: float | None
    threshold: float | None
    f1: float | None
    precision: float | None
    recall: float | None


@dataclass(frozen=True)
class Tagging:
    """Figures over one set of clips.

    Args:
        mean_average_precision: mAP, the mean over the classes that are heard.
        mean_auc: of the same classes, where one is not in all clips.
        by_class: class → its figures, in the order of the outputs.
    """

    clips: int
    mean_average_precision: float
    mean_auc: float | None
    by_class: dict[str, ClassTagging]


def score(labels: Sequence[str], truth: npt.NDArray[Any], scores: npt.NDArray[Any]) -> Tagging | None:
    """Score answers; None where no clip has any class.

    Args:
        labels: the classes.
        truth: (clips, classes) of 0 and 1.
        scores: (clips, classes).
    """
    exact = scores.astype(np.float64)
    found = {label: _of(truth[:, n], exact[:, n]) for n, label in enumerate(labels)}
    precisions = [each.average_precision for each in found.values() if each.average_precision is not None]
    areas = [each.auc for each in found.values() if each.auc is not None]
    if not precisions:
        return None
    return Tagging(len(truth), float(np.mean(precisions)), float(np.mean(areas)) if areas else None, found)


def _of(truth: npt.NDArray[Any], scores: ranking.Scores) -> ClassTagging:
    best = ranking.best_threshold(truth, scores)
    figures = (None,) * 4 if best is None else (best.value, best.f1, best.precision, best.recall)
    precision = ranking.average_precision(truth, scores)
    return ClassTagging(int(truth.sum()), precision, ranking.roc_auc(truth, scores), *figures)
