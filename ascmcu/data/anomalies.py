# SPDX-License-Identifier: Apache-2.0
"""Scores of anomaly detection by reconstruction, as DCASE Task 2 counts them: AUC and partial AUC, by machine.

The larger the error between a network's input and output, the more anomalous is what it heard. The classes are
``normal`` and ``anomaly``.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ascmcu.data import ranking

LABELS = ("normal", "anomaly")
FALSE_ALARMS = 0.1  # of the partial AUC


@dataclass(frozen=True)
class MachineAnomalies:
    """One machine (of a section and domain, where there are such): its recordings and areas.

    The areas are None where normal or anomalous recordings are missing.
    """

    normal: int
    anomalous: int
    auc: float | None
    partial_auc: float | None


@dataclass(frozen=True)
class Anomalies:
    """Figures over one set of recordings.

    Args:
        auc, partial_auc: the means over the machines (Task 2 of 2020); of all together where no machine is named.
        harmonic_mean: of all machines' AUC and partial AUC (Task 2 since 2021).
        threshold: the score with the best F1 on these recordings, over all machines; ``f1`` is that at it.
        by_machine: machine → its figures.
    """

    recordings: int
    auc: float
    partial_auc: float
    harmonic_mean: float
    threshold: float
    f1: float
    by_machine: dict[str, MachineAnomalies]


def is_of(labels: Collection[str]) -> bool:
    """Whether a data set's classes are those of anomaly detection."""
    return set(labels) <= set(LABELS) and bool(labels)


def score(anomalous: npt.NDArray[Any], errors: npt.NDArray[Any], machines: Sequence[str]) -> Anomalies | None:
    """Score errors; None where no machine has both normal and anomalous recordings.

    Args:
        anomalous: (recordings,) of 0 and 1.
        errors: (recordings,).
        machines: of every recording; empty where nobody says.
    """
    exact, names = errors.astype(np.float64), np.array(machines)
    found = {str(name): _of(anomalous[names == name], exact[names == name]) for name in np.unique(names)}
    areas = [(each.auc, each.partial_auc) for each in found.values() if each.auc is not None]
    best = ranking.best_threshold(anomalous, exact)
    if not areas or best is None:
        return None
    whole = np.array(areas, np.float64)
    harmonic = whole.size / (1 / np.maximum(whole, 1e-12)).sum()
    auc, partial = whole.mean(axis=0)
    return Anomalies(len(errors), float(auc), float(partial), float(harmonic), best.value, best.f1, found)


def _of(anomalous: npt.NDArray[Any], errors: ranking.Scores) -> MachineAnomalies:
    positives = int(anomalous.sum())
    return MachineAnomalies(
        len(errors) - positives,
        positives,
        ranking.roc_auc(anomalous, errors),
        ranking.partial_auc(anomalous, errors, FALSE_ALARMS),
    )
