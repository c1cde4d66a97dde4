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
from pathlib import Path

import numpy as np

from ascmcu.challenges import scoring
from ascmcu.challenges.answers import Entrant
from ascmcu.challenges.info import Info
from ascmcu.challenges.records import Challenge
from ascmcu.challenges.scoring import Content, Scorer, Scores
from ascmcu.errors import DataError, InputError
from ascmcu.ir.figures import figures_of

GENERAL = "unknown"
_LIST = "evaluation_setup/fold1_test.csv"
_BESIDE = "the challenge also asks for a Python package that runs the model, and for a meta file: not written"


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
        found[device] = scoring.entrant(challenge, path)
    if GENERAL not in found:
        raise InputError(
            "devices that nobody knows need a model",
            expected=f"RUN or {GENERAL}=RUN beside those of single devices",
            found=", ".join(found),
        )
    return found


def make(info: Info, models: Mapping[str, Entrant], scorer: Scorer) -> Content:
    """The predictions' files.

    Raises:
        DataError: recordings that are missing or cannot be used.
        ToolError: no compiler is installed.
    """
    challenge, tested = scorer.challenge, scorer.tested
    listed = scoring.evaluation_list(scorer.evaluation, [_LIST], ["filename", "device_id"])
    if listed is None:
        raise DataError("the evaluation set has no list", where=str(scorer.evaluation / _LIST))
    devices = [recording.device for recording in tested.recordings]
    heard = [recording.path for recording in tested.recordings]
    scores = _by_their_models(models, heard, devices, tested.root, "development", scorer)
    truth = np.array([challenge.classes.index(recording.label) for recording in tested.recordings])
    right = scores.argmax(axis=1) == truth
    files = [scorer.evaluation / name for name, _ in listed]
    outputs = _by_their_models(
        models, files, [device for _, device in listed], scorer.evaluation, "evaluation", scorer
    )
    accuracy = 100 * float(right.mean())
    of_device = {
        device: 100 * float(right[np.array(devices) == device].mean()) for device in sorted(set(devices))
    }
    texts = {
        "output.csv": scoring.output(challenge, [name for name, _ in listed], outputs),
        "test_accuracy.json": json.dumps({"Test Accuracy": round(accuracy, 2)}, indent=2) + "\n",
        "complexity.json": json.dumps(complexity(challenge, models), indent=2) + "\n",
    }
    return Content(
        Path("predictions") / info.label,
        texts,
        {"accuracy": accuracy, "device_accuracy": of_device},
        (
            f"accuracy {accuracy:.2f} % on the development set's test part",
            *(f"{device}: {share:.2f} %" for device, share in of_device.items()),
        ),
        (*scoring.over_limits(challenge, models.values()), _BESIDE),
    )


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


def _by_their_models(
    models: Mapping[str, Entrant],
    files: Sequence[Path],
    devices: Sequence[str],
    root: Path,
    step: str,
    scorer: Scorer,
) -> Scores:
    """Scores of every recording by its device's model, or the general one."""
    of_model: dict[str, list[int]] = defaultdict(list)
    for number, device in enumerate(devices):
        of_model[device if device in models else GENERAL].append(number)
    scores = np.zeros((len(files), len(scorer.challenge.classes)))
    for device, numbers in of_model.items():
        chosen = [files[number] for number in numbers]
        scores[numbers] = scorer.scores(models[device], chosen, root, f"{device}, {step}")
    return scores
