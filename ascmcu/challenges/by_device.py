# SPDX-License-Identifier: Apache-2.0
"""The predictions of a challenge that names the recording device: one model for all devices, or one for each.

DCASE 2025 task 1 asks for a Python package of PyTorch models beside these files, which its organisers run; and for a
meta file, whose form of that year is not written here. The files are those of the organisers'
``evaluate_submission.py``.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ascmcu import paths
from ascmcu.challenges import package
from ascmcu.challenges.answers import Entrant
from ascmcu.challenges.info import Info
from ascmcu.challenges.package import Progress
from ascmcu.challenges.records import Challenge
from ascmcu.data import listing
from ascmcu.data.datasets import Dataset
from ascmcu.errors import DataError, InputError
from ascmcu.ir.figures import figures_of
from ascmcu.results import limits

GENERAL = "unknown"
_LIST = Path("evaluation_setup/fold1_test.csv")


@dataclass(frozen=True)
class Written:
    """What was written, the accuracy on the development set's test part in per cent, and what is to be said of it."""

    folder: Path
    files: tuple[str, ...]
    accuracy: float
    device_accuracy: dict[str, float]
    notices: tuple[str, ...]


def entrants(challenge: Challenge, runs: Mapping[str, Path]) -> dict[str, Entrant]:
    """Device → its model; ``unknown`` is the model of all devices without one of their own.

    Args:
        runs: ``a``, ``s1`` or such → a run's folder or a ``.tflite``; the empty name, and ``unknown``: the general one.

    Raises:
        InputError: a device that the challenge lacks, no general model, or one that does not answer its classes.
    """
    known = (*challenge.devices, GENERAL)
    found: dict[str, Entrant] = {}
    for name, path in runs.items():
        device = name or GENERAL
        if device not in known:
            raise InputError(
                "the challenge has no such device",
                where=f"{name}={path}",
                expected=", ".join(known),
                found=name,
            )
        found[device] = Entrant.of(path)
        package.check_classes(challenge, found[device])
    if GENERAL not in found:
        raise InputError(
            "devices that nobody knows need a model",
            expected=f"RUN or {GENERAL}=RUN beside those of single devices",
            found=", ".join(found),
        )
    return found


def evaluation_list(root: Path) -> list[tuple[str, str]]:
    """File and device of every recording of the evaluation set, in the order of its list.

    Raises:
        DataError: there is no list, it names no devices, or a recording is missing.
    """
    rows, there = listing.rows(root / _LIST, "\t", "cannot read the list of the evaluation set")
    if not {"filename", "device_id"} <= set(there):
        raise DataError(
            "the list of the evaluation set names no devices",
            where=str(root / _LIST),
            expected="the columns filename and device_id",
            found=", ".join(there),
        )
    found = [(row["filename"].strip(), row["device_id"].strip()) for row in rows]
    absent = [name for name, _ in found if not (root / name).is_file()]
    if absent or not found:
        raise DataError(
            "a recording of the evaluation set is missing"
            if absent
            else "the evaluation set has no recordings",
            where=str(root),
            found=f"without {absent[0]}" if absent else None,
        )
    return found


def write(
    challenge: Challenge,
    info: Info,
    models: Mapping[str, Entrant],
    evaluation: Path,
    development: Dataset,
    folder: Path,
    progress: Progress = lambda step, unit, done, total: None,
) -> Written:
    """Score both sets and write ``predictions/LABEL/``; nothing is written if anything fails.

    Args:
        models: by device, as ``entrants`` gives them.
        evaluation: folder of the evaluation set.
        development: the development set with its official parts; its part ``test`` is scored.
        folder: holds ``predictions`` when it is done; files of an earlier package are replaced.

    Raises:
        DataError: recordings that are missing or cannot be used, classes that are not the challenge's.
        ToolError: no compiler is installed.
    """
    tested = package.test_part(challenge, development)
    listed = evaluation_list(evaluation)
    heard = [(recording.path, recording.device) for recording in tested.recordings]
    scores = _scored(challenge, models, heard, tested.root, "development", progress)
    truth = np.array([challenge.classes.index(recording.label) for recording in tested.recordings])
    right = scores.argmax(axis=1) == truth
    devices = np.array([recording.device for recording in tested.recordings])
    files = [(evaluation / name, device) for name, device in listed]
    outputs = _scored(challenge, models, files, evaluation, "evaluation", progress)
    accuracy = 100 * float(right.mean())
    texts = {
        "output.csv": package.output(challenge, [name for name, _ in listed], outputs),
        "test_accuracy.json": json.dumps({"Test Accuracy": round(accuracy, 2)}, indent=2) + "\n",
        "complexity.json": json.dumps(complexity(challenge, models), indent=2) + "\n",
    }
    target = folder / "predictions" / info.label
    target.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        paths.write_whole(target / name, text)
    by_device = {str(d): 100 * float(right[devices == d].mean()) for d in np.unique(devices)}
    return Written(target, tuple(texts), accuracy, by_device, _notices(challenge, models))


def complexity(challenge: Challenge, models: Mapping[str, Entrant]) -> dict[str, object]:
    """MACs and bytes of parameters (``Params``) by device, and the most of each."""
    counted = {device: figures_of(model.compiled.source) for device, model in models.items()}
    per_device = {
        device: {
            "MACs": counted.get(device, counted[GENERAL]).macs,
            "Params": counted.get(device, counted[GENERAL]).parameter_bytes,
        }
        for device in (*challenge.devices, GENERAL)
    }
    return {
        "per_device": per_device,
        "max_MACs": max(each["MACs"] for each in per_device.values()),
        "max_Params": max(each["Params"] for each in per_device.values()),
    }


def _scored(
    challenge: Challenge,
    models: Mapping[str, Entrant],
    files: Sequence[tuple[Path, str]],
    root: Path,
    step: str,
    progress: Progress,
) -> npt.NDArray[np.float64]:
    """Probabilities of every recording by its device's model, the columns in the challenge's order."""
    of_model: dict[str, list[int]] = defaultdict(list)
    for number, (_, device) in enumerate(files):
        of_model[device if device in models else GENERAL].append(number)
    scores = np.zeros((len(files), len(challenge.classes)))
    for device, numbers in of_model.items():
        chosen = [files[number][0] for number in numbers]
        scores[numbers] = package.scored(
            challenge, models[device], chosen, root, f"{device}, {step}", progress
        )
    return scores


def _notices(challenge: Challenge, models: Mapping[str, Entrant]) -> tuple[str, ...]:
    limit = next(limit for limit in limits.LIMITS if limit.name == challenge.limit)
    found = [
        f"{model.path}: {what}, more than {challenge.limit} allows"
        for model in models.values()
        for what in limit.exceeded(figures_of(model.compiled.source))
    ]
    told = (
        "the challenge also asks for a Python package that runs the model, and for a meta file: not written"
    )
    return (*found, told)
