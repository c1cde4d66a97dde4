# SPDX-License-Identifier: Apache-2.0
"""The folder of a submission: outputs of the evaluation set and the meta file, named as the challenge asks."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ascmcu import extras, paths, tables
from ascmcu.challenges import answers, meta
from ascmcu.challenges.answers import Entrant
from ascmcu.challenges.info import Info
from ascmcu.challenges.judged import Judged, judge
from ascmcu.challenges.records import Challenge
from ascmcu.data import listing
from ascmcu.data.datasets import Dataset
from ascmcu.errors import DataError, InputError
from ascmcu.ir.figures import figures_of
from ascmcu.results import limits
from ascmcu.train.recipe import Recipe

Progress = Callable[[str, str, int, int], None]
_TEST = "test"


@dataclass(frozen=True)
class Written:
    """What was written, and what is to be said of it."""

    folder: Path
    files: tuple[str, ...]
    judged: dict[int, Judged]
    notices: tuple[str, ...]


def evaluation_files(root: Path) -> list[Path]:
    """The recordings of an evaluation set without labels, in the order of its table, or of their names without one.

    Raises:
        DataError: there are none, or one of the table is absent.
    """
    table = next(
        (root / name for name in ("meta.csv", "evaluation_setup/fold1_test.csv") if (root / name).is_file()),
        None,
    )
    if table is None:
        files = sorted((root / "audio").glob("*.wav"))
    else:
        rows, there = listing.rows(table)
        if "filename" not in there:
            raise DataError(
                "the table of the evaluation set names no files",
                where=str(table), expected="a column filename", found=", ".join(there),
            )  # fmt: skip
        files = [root / (row["filename"] or "").strip() for row in rows]
    absent = [path for path in files if not path.is_file()]
    if absent or not files:
        raise DataError(
            "a recording of the evaluation set is missing"
            if files
            else "the evaluation set has no recordings",
            where=str(root),
            expected="meta.csv with a column filename, or audio/*.wav",
            found=f"without {absent[0].relative_to(root)}" if absent else None,
        )
    return files


def entrants(challenge: Challenge, runs: Mapping[str, Path]) -> dict[int, Entrant]:
    """Subset → its model.

    Args:
        runs: ``split25`` or such → a run's folder or a ``.tflite``; the empty name: the subset that its recipe names.

    Raises:
        InputError: a subset that the challenge lacks or is not told, or a model that does not answer its classes.
    """
    found: dict[int, Entrant] = {}
    for name, path in runs.items():
        entrant = Entrant.of(path)
        check_classes(challenge, entrant)
        subset = _subset(challenge, name, path)
        if subset in found:
            raise InputError("two models for one subset", where=str(path), found=f"split{subset}")
        found[subset] = entrant
    return dict(sorted(found.items()))


def write(
    challenge: Challenge,
    info: Info,
    models: Mapping[int, Entrant],
    evaluation: Path,
    development: Dataset,
    folder: Path,
    progress: Progress = lambda step, unit, done, total: None,
) -> Written:
    """Score both sets with every model and write the package; nothing is written if anything fails.

    Args:
        models: by subset, as ``entrants`` gives them.
        evaluation: folder of the evaluation set.
        development: the development set with its official parts; its part ``test`` is scored.
        folder: ``TASK/LABEL/`` in it holds the files when it is done; those of an earlier package are replaced.

    Raises:
        DataError: recordings that are missing or cannot be used, classes that are not the challenge's.
        ToolError: PyYAML or a compiler is not installed.
    """
    yaml = extras.load("yaml", "train", "the meta file needs PyYAML")
    tested = test_part(challenge, development)
    files = evaluation_files(evaluation)
    target = folder / challenge.task / info.label
    judged: dict[int, Judged] = {}
    texts: dict[str, str] = {}
    for subset, entrant in models.items():
        step = f"split{subset}"
        scores = scored(
            challenge,
            entrant,
            [r.path for r in tested.recordings],
            tested.root,
            f"{step}, development",
            progress,
        )
        judged[subset] = judge(tested, scores, challenge.classes)
        outputs = scored(challenge, entrant, files, evaluation, f"{step}, evaluation", progress)
        texts[challenge.output_name(info.label, subset)] = output(
            challenge, [file.name for file in files], outputs
        )
    first = models[max(models)]
    content = meta.make(challenge, info, first, _recipe(first.path), judged)
    texts[f"{info.label}.meta.yaml"] = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)
    target.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        paths.write_whole(target / name, text)
    return Written(target, tuple(texts), judged, _notices(challenge, models, judged))


def test_part(challenge: Challenge, development: Dataset) -> Dataset:
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


def scored(
    challenge: Challenge, entrant: Entrant, files: Sequence[Path], root: Path, step: str, progress: Progress
) -> npt.NDArray[np.float64]:
    """Probabilities, the columns in the challenge's order."""
    scores = answers.probabilities(
        entrant, files, root, lambda done, total: progress(step, "clips", done, total)
    )
    labels = list(entrant.compiled.labels)
    return scores[:, [labels.index(name) for name in challenge.classes]]


def check_classes(challenge: Challenge, entrant: Entrant) -> None:
    """Refuse a model of other classes.

    Raises:
        InputError: it is.
    """
    if sorted(entrant.compiled.labels) != sorted(challenge.classes):
        raise InputError(
            "the model's classes are not the challenge's",
            where=str(entrant.path),
            expected=", ".join(challenge.classes),
            found=", ".join(entrant.compiled.labels),
        )


def _subset(challenge: Challenge, name: str, path: Path) -> int:
    known = [f"split{share}" for share in challenge.subsets]
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
    return int(name.removeprefix("split"))


def _recipe(path: Path) -> Recipe | None:
    told = path / "recipe.json"
    return Recipe.from_dict(tables.load_json(told), str(told)) if told.is_file() else None


def output(challenge: Challenge, names: Sequence[str], scores: npt.NDArray[np.float64]) -> str:
    """The table of an output: file, scene, and the probability of every class; tabs between columns."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(challenge.columns)
    for name, row in zip(names, scores, strict=True):
        writer.writerow((name, challenge.classes[int(row.argmax())], *(f"{value:.7f}" for value in row)))
    return text.getvalue()


def _notices(
    challenge: Challenge, models: Mapping[int, Entrant], judged: Mapping[int, Judged]
) -> tuple[str, ...]:
    found = []
    lacking = [f"split{share}" for share in challenge.subsets if share not in models]
    if lacking:
        found.append(f"no model for {', '.join(lacking)}: the challenge asks an output for each subset")
    limit = next(limit for limit in limits.LIMITS if limit.name == challenge.limit)
    for subset, entrant in models.items():
        for what in limit.exceeded(figures_of(entrant.compiled.source)):
            found.append(f"{entrant.path}: {what}, more than {challenge.limit} allows")
        absent = [name for name in challenge.classes if name not in judged[subset].class_wise]
        if absent:
            found.append(f"the development set's test part has no recording of {', '.join(absent)}")
    return tuple(found)
