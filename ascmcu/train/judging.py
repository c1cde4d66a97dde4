# SPDX-License-Identifier: Apache-2.0
"""What a network's answers to a part are worth, by the task: classes, several classes, or reconstructions."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ascmcu.data import anomalies, scores, tagging, windows
from ascmcu.data.anomalies import Anomalies
from ascmcu.data.scores import Scores
from ascmcu.data.tagging import Tagging
from ascmcu.train import loop
from ascmcu.train.part import Part

Judged = Scores | Tagging | Anomalies


def judge(part: Part, answers: npt.NDArray[Any], task: str) -> Judged | None:
    """Score a network's answers, by recording: several clips of one have their mean.

    Args:
        part: the clips.
        answers: (clips, classes), or the reconstructions (clips, values).
        task: as ``Training`` has it.

    Returns:
        None where the part cannot be judged: no clip has a class, or nothing is anomalous.
    """
    if task == "reconstruction":
        if not anomalies.is_of(part.dataset.labels):
            return None
        errors = loop.reconstruction_errors(part.examples.x, answers)
        dataset, mean = windows.together(part.dataset, errors)
        truth = np.array([recording.label == "anomaly" for recording in dataset.recordings])
        return anomalies.score(truth, mean, [recording.device for recording in dataset.recordings])
    dataset, mean = windows.together(part.dataset, answers)
    if task == "multi_label":
        return tagging.score(dataset.labels, dataset.targets(), mean)
    return scores.score(dataset, mean)


def summary(form: str, judged: Judged) -> str:
    """One line for people.

    Args:
        form: of the network: float, or int8.
        judged: its figures.
    """
    if isinstance(judged, Tagging):
        auc = "" if judged.mean_auc is None else f", mean AUC {judged.mean_auc:.3f}"
        return f"{form}: mAP {judged.mean_average_precision:.1%} of {judged.clips} clips{auc}"
    if isinstance(judged, Anomalies):
        machines = "".join(
            f", {name} {each.auc:.3f}"
            for name, each in judged.by_machine.items()
            if name and each.auc is not None
        )
        areas = f"AUC {judged.auc:.3f}, partial AUC {judged.partial_auc:.3f}"
        return f"{form}: {areas} of {judged.recordings} recordings{machines}"
    devices = "".join(f", {device} {fraction:.1%}" for device, fraction in judged.by_device.items())
    accuracy = f"accuracy {judged.accuracy:.1%} of {judged.clips} clips"
    return f"{form}: {accuracy}, log loss {judged.log_loss:.3f}{devices}"
