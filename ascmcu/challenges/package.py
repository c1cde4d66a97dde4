# SPDX-License-Identifier: Apache-2.0
"""The folder of a submission, whole or not at all; what lies in it is that of the challenge's form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ascmcu import paths
from ascmcu.challenges import by_device, by_subset
from ascmcu.challenges.answers import Entrant
from ascmcu.challenges.info import Info
from ascmcu.challenges.records import Challenge
from ascmcu.challenges.scoring import Progress, Scorer
from ascmcu.data.datasets import Dataset
from ascmcu.errors import DataError

_TEST = "test"


@dataclass(frozen=True)
class Written:
    """What was written, what the development set's test part says of it, and what else is to be said."""

    folder: Path
    files: tuple[str, ...]
    results: dict[str, Any]
    lines: tuple[str, ...]
    notices: tuple[str, ...]


def entrants(challenge: Challenge, runs: Mapping[str, Path]) -> dict[str, Entrant]:
    """Subset (``split25``) or device → its model.

    Args:
        runs: name → a run's folder or a ``.tflite``; the empty name is explained by the challenge's form.

    Raises:
        InputError: a name that the challenge lacks, or a model that does not answer its classes.
    """
    if challenge.by_device:
        return by_device.entrants(challenge, runs)
    return by_subset.entrants(challenge, runs)


def write(
    challenge: Challenge,
    info: Info,
    models: Mapping[str, Entrant],
    evaluation: Path,
    development: Dataset,
    folder: Path,
    progress: Progress = lambda step, unit, done, total: None,
) -> Written:
    """Score both sets and write the package; nothing is written if anything fails.

    Args:
        models: as ``entrants`` gives them.
        evaluation: folder of the evaluation set.
        development: the development set with its official parts; its part ``test`` is scored.
        folder: holds the package when it is done; files of an earlier one are replaced.

    Raises:
        DataError: recordings that are missing or cannot be used, classes that are not the challenge's.
        ToolError: PyYAML or a compiler is not installed.
    """
    scorer = Scorer(challenge, evaluation, _test_part(challenge, development), progress)
    make = by_device.make if challenge.by_device else by_subset.make
    made = make(info, models, scorer)
    target = folder / made.place
    target.mkdir(parents=True, exist_ok=True)
    for name, text in made.texts.items():
        paths.write_whole(target / name, text)
    return Written(target, tuple(made.texts), made.results, made.lines, made.notices)


def _test_part(challenge: Challenge, development: Dataset) -> Dataset:
    """The development set's part that is scored.

    Raises:
        DataError: it has none, or a class that the challenge lacks.
    """
    tested = development.only([_TEST])
    strange = sorted(set(tested.labels) - set(challenge.classes))
    if strange:
        raise DataError(
            "the development set has a class that the challenge lacks",
            where=str(development.root), expected=", ".join(challenge.classes), found=", ".join(strange),
        )  # fmt: skip
    return tested
