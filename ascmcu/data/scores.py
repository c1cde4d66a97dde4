# SPDX-License-Identifier: Apache-2.0
"""Scores of a classifier's answers: accuracy and log loss, also by class and by device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ascmcu.data.datasets import Dataset


@dataclass(frozen=True)
class Scores:
    """Figures over one set of clips.

    Args:
        accuracy: share of clips whose largest output is their class.
        macro_accuracy: mean of the classes' own accuracies (DCASE's first metric).
        log_loss: mean of -ln p(class) (DCASE's second), p at least 1e-7.
        confusion: clips by class (row) and answer (column), in the order of the labels.
    """

    clips: int
    accuracy: float
    macro_accuracy: float
    log_loss: float
    by_class: dict[str, float]
    by_device: dict[str, float]
    confusion: tuple[tuple[int, ...], ...]


def score(dataset: Dataset, probabilities: npt.NDArray[Any]) -> Scores:
    """Score answers (clips, classes) to the recordings of a data set, in its order."""
    truth = dataset.targets()
    answer = probabilities.argmax(axis=1)
    classes = len(dataset.labels)
    confusion = np.zeros((classes, classes), int)
    np.add.at(confusion, (truth, answer), 1)
    of_truth = probabilities[np.arange(len(truth)), truth].astype(np.float64)
    by_class = _share(answer == truth, [recording.label for recording in dataset.recordings])
    by_device = _share(answer == truth, [recording.device for recording in dataset.recordings])
    return Scores(
        clips=len(truth),
        accuracy=float((answer == truth).mean()),
        macro_accuracy=float(np.mean(list(by_class.values()))),
        log_loss=float(-np.log(np.maximum(of_truth, 1e-7)).mean()),
        by_class=by_class,
        by_device={device: share for device, share in by_device.items() if device},
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
    )


def _share(right: npt.NDArray[np.bool_], groups: Sequence[str]) -> dict[str, float]:
    names = np.array(groups)
    return {str(name): float(right[names == name].mean()) for name in np.unique(names)}
