# SPDX-License-Identifier: Apache-2.0
"""A model for each subset of the training part (DCASE 2024 task 1): an output of each, and the meta file."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from ascmcu import extras, tables
from ascmcu.challenges import meta, scoring
from ascmcu.challenges.answers import Entrant
from ascmcu.challenges.info import Info
from ascmcu.challenges.judged import Judged, judge
from ascmcu.challenges.records import Challenge
from ascmcu.challenges.scoring import Content, Scorer
from ascmcu.errors import InputError
from ascmcu.train.recipe import Recipe

_TABLES = ("meta.csv", "evaluation_setup/fold1_test.csv")


def entrants(challenge: Challenge, runs: Mapping[str, Path]) -> dict[str, Entrant]:
    """``split25`` or such → its model, the smallest subset first.

    Args:
        runs: the same names → a run's folder or a ``.tflite``; the empty name: the subset that its recipe names.

    Raises:
        InputError: a subset that the challenge lacks or is not told, or a model that does not answer its classes.
    """
    found: dict[str, Entrant] = {}
    for name, path in runs.items():
        entrant = scoring.entrant(challenge, path)
        subset = _subset(challenge, name, path)
        if subset in found:
            raise InputError("two models for one subset", where=str(path), found=subset)
        found[subset] = entrant
    return {subset: found[subset] for subset in challenge.subset_names if subset in found}


def make(info: Info, models: Mapping[str, Entrant], scorer: Scorer) -> Content:
    """The package's files.

    Raises:
        DataError: recordings that are missing or cannot be used.
        ToolError: PyYAML or a compiler is not installed.
    """
    yaml = extras.load("yaml", "train", "the meta file needs PyYAML")
    challenge = scorer.challenge
    names = _evaluation_files(scorer.evaluation)
    judged: dict[str, Judged] = {}
    texts: dict[str, str] = {}
    for subset, entrant in models.items():
        judged[subset] = judge(scorer.tested, scorer.of_development(entrant, subset), challenge.classes)
        outputs = scorer.of_evaluation(entrant, names, subset)
        texts[challenge.output_name(info.label, subset)] = scoring.output(
            challenge, [Path(name).name for name in names], outputs
        )
    largest = models[list(models)[-1]]
    content = meta.make(challenge, info, largest, _recipe(largest.path), judged)
    texts[f"{info.label}.meta.yaml"] = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)
    return Content(
        Path(challenge.task) / info.label,
        texts,
        {"results": {name.removeprefix("split"): dataclasses.asdict(one) for name, one in judged.items()}},
        tuple(
            f"{subset}: accuracy {one.overall.accuracy:.2f} %, log loss {one.overall.logloss:.3f}"
            for subset, one in judged.items()
        ),
        _notices(challenge, models, judged),
    )


def _evaluation_files(root: Path) -> list[str]:
    """In the order of the evaluation set's table, or of their names without one.

    Raises:
        DataError: there are none, or one of the table is absent.
    """
    listed = scoring.evaluation_list(root, _TABLES, ["filename"])
    if listed is not None:
        return [name for name, _ in listed]
    names = [str(path.relative_to(root)) for path in sorted((root / "audio").glob("*.wav"))]
    scoring.require_there(root, names)
    return names


def _subset(challenge: Challenge, name: str, path: Path) -> str:
    known = challenge.subset_names
    if not name:
        recipe = _recipe(path)
        trained = set(recipe.data.train) if recipe is not None else set()
        name = next(
            (one for one in reversed(known) if one in trained), known[-1] if "train" in trained else ""
        )
    if name not in known:
        raise InputError(
            "the model's subset of the training part is not known",
            where=str(path),
            expected=" or ".join(f"{one}={path}" for one in known),
            found=name or None,
        )
    return name


def _recipe(path: Path) -> Recipe | None:
    told = path / "recipe.json"
    return Recipe.from_dict(tables.load_json(told), str(told)) if told.is_file() else None


def _notices(
    challenge: Challenge, models: Mapping[str, Entrant], judged: Mapping[str, Judged]
) -> tuple[str, ...]:
    found = []
    lacking = [subset for subset in challenge.subset_names if subset not in models]
    if lacking:
        found.append(f"no model for {', '.join(lacking)}: the challenge asks an output for each subset")
    heard = next(iter(judged.values())).class_wise
    absent = [name for name in challenge.classes if name not in heard]
    if absent:
        found.append(f"the development set's test part has no recording of {', '.join(absent)}")
    return (*found, *scoring.over_limits(challenge, models.values()))
