# SPDX-License-Identifier: Apache-2.0
"""The results on the development set as a challenge asks them: accuracy and log loss, overall, by class, by device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ascmcu.data.datasets import Dataset

# scikit-learn clips at the spacing of float32 or float64; we write 7 digits, and no more is known of an int8 output.
_LEAST = 1e-7


@dataclass(frozen=True)
class Figures:
    """Accuracy in per cent and log loss of some recordings."""

    accuracy: float
    logloss: float


@dataclass(frozen=True)
class Judged:
    """``overall`` is as the challenge counts it: the mean of the classes' accuracies."""

    overall: Figures
    class_wise: dict[str, Figures]
    device_wise: dict[str, Figures]


def judge(dataset: Dataset, probabilities: npt.NDArray[np.float64], labels: Sequence[str]) -> Judged:
    """Score the answers to a labelled part.

    Args:
        dataset: the recordings.
        probabilities: (recordings, classes).
        labels: the classes in the order of the columns.
    """
    truth = np.array([labels.index(recording.label) for recording in dataset.recordings])
    right = probabilities.argmax(axis=1) == truth
    loss = -np.log(np.maximum(probabilities[np.arange(len(truth)), truth], _LEAST))
    by_class = _by([recording.label for recording in dataset.recordings], right, loss)
    by_device = _by([recording.device for recording in dataset.recordings], right, loss)
    macro = float(np.mean([figures.accuracy for figures in by_class.values()]))
    return Judged(Figures(macro, float(loss.mean())), by_class, {k: v for k, v in by_device.items() if k})


def _by(
    groups: Sequence[str], right: npt.NDArray[np.bool_], loss: npt.NDArray[np.float64]
) -> dict[str, Figures]:
    names = np.array(groups)
    return {
        str(name): Figures(100 * float(right[names == name].mean()), float(loss[names == name].mean()))
        for name in np.unique(names)
    }
