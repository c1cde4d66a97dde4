# SPDX-License-Identifier: Apache-2.0
"""The meta file of a submission: who, what, how large, how good."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ascmcu.challenges.answers import Entrant
from ascmcu.challenges.info import Info
from ascmcu.challenges.judged import Figures, Judged
from ascmcu.challenges.records import Challenge
from ascmcu.ir.figures import figures_of, parameters_of
from ascmcu.train.recipe import Recipe

_STEPS = {
    "mixup_alpha": "mixup", "mixup_energy": "between-class mixing", "time_roll": "time rolling",
    "crop_rows": "cropping", "time_mask_rows": "time masking", "freq_mask_bands": "frequency masking",
    "gain_std": "random levels",
    "tilt_std": "random tilts", "response_std": "random microphones", "device_shift": "device responses",
    "mixstyle_alpha": "freq-mixstyle",
}  # fmt: skip


def make(
    challenge: Challenge, info: Info, entrant: Entrant, recipe: Recipe | None, judged: dict[str, Judged]
) -> dict[str, Any]:
    """The file's content as plain values.

    Args:
        recipe: of the run that made the model; None for a model from elsewhere.
        judged: subset → the results on the development set.
    """
    return {
        "submission": {
            "label": info.label,
            "name": info.name,
            "abbreviation": info.abbreviation,
            "authors": [dataclasses.asdict(author) for author in info.authors],
        },
        "system": {
            "description": _description(info, entrant, recipe),
            "complexity": complexity(entrant),
            "external_datasets": [dataclasses.asdict(one) for one in info.external_datasets],
            "source_code": info.source_code or None,
        },
        "results": {
            "development_dataset": {
                subset.replace("split", "split_"): _results(challenge, judged.get(subset))
                for subset in challenge.subset_names
            },
        },
    }


def complexity(entrant: Entrant) -> dict[str, Any]:
    """Parameters and MACs as the challenge counts them: of one inference of one clip, zeros included; sizes in bytes.

    ``memory_use`` is that of the parameters, which the limits speak of.
    """
    source = entrant.compiled.source
    found = figures_of(source)
    constants = [tensor.data for tensor in parameters_of(source, source.nodes) if tensor.data is not None]
    return {
        "total_model_size": entrant.file.stat().st_size,
        "total_parameters": found.parameters,
        "total_parameters_non_zero": sum(int(np.count_nonzero(values)) for values in constants),
        "memory_use": found.parameter_bytes,
        "macs": found.macs,
    }


def _description(info: Info, entrant: Entrant, recipe: Recipe | None) -> dict[str, Any]:
    said = {key: text for key, text in dataclasses.asdict(info.description).items() if text}
    known = {
        "input_sampling_rate": f"{entrant.features.sample_rate_hz / 1000:g}kHz",
        "acoustic_features": "log-mel energies",
        "data_augmentation": None,
        "machine_learning_method": None,
        "external_data_usage": None,
        "complexity_management": "int8 quantization",
        "pipeline": "training, int8 quantization",
        "framework": "tensorflow",
        "split_adaptations": None,
        "system_adaptations": None,
    }
    if recipe is not None:
        known["machine_learning_method"] = recipe.network.name
        known["data_augmentation"] = ", ".join(_augmentation(recipe)) or None
        if recipe.teacher.runs:
            known["complexity_management"] = "knowledge distillation, int8 quantization"
    return {**known, **said}


def _augmentation(recipe: Recipe) -> list[str]:
    return [words for name, words in _STEPS.items() if getattr(recipe.augment, name)]


def _results(challenge: Challenge, judged: Judged | None) -> dict[str, Any]:
    """One subset's results; ``None`` where there is no model, or no recording of a class or device."""
    nothing = {"accuracy": None, "logloss": None}

    def rows(found: dict[str, Figures], names: tuple[str, ...]) -> dict[str, Any]:
        return {name: _rounded(found[name]) if name in found else dict(nothing) for name in names}

    return {
        "overall": _rounded(judged.overall) if judged else nothing,
        "class_wise": rows(judged.class_wise if judged else {}, challenge.classes),
        "device_wise": rows(judged.device_wise if judged else {}, challenge.devices),
    }


def _rounded(figures: Figures) -> dict[str, float]:
    return {"accuracy": round(figures.accuracy, 2), "logloss": round(figures.logloss, 4)}
