# SPDX-License-Identifier: Apache-2.0
"""What every submission takes: models that answer the challenge's classes, their scores, tables of them, limits."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ascmcu.challenges import answers
from ascmcu.challenges.answers import Entrant
from ascmcu.challenges.records import Challenge
from ascmcu.data import listing
from ascmcu.data.datasets import Dataset
from ascmcu.errors import DataError, InputError
from ascmcu.ir.figures import figures_of
from ascmcu.results import limits

Progress = Callable[[str, str, int, int], None]
Scores = npt.NDArray[np.float64]
# A file of an evaluation set, relative to its folder, and the device that recorded it where the list says so.
Listed = tuple[str, str]


@dataclass(frozen=True)
class Scorer:
    """Scores recordings by models, and says how far it is.

    Args:
        evaluation: folder of the evaluation set.
        tested: the development set's part that is scored.
    """

    challenge: Challenge
    evaluation: Path
    tested: Dataset
    progress: Progress

    def of_development(self, entrant: Entrant, step: str) -> Scores:
        """Scores of the tested part, float64 (recordings, classes), the columns in the challenge's order."""
        files = [recording.path for recording in self.tested.recordings]
        return self.scores(entrant, files, self.tested.root, f"{step}, development")

    def of_evaluation(self, entrant: Entrant, names: Sequence[str], step: str) -> Scores:
        """Scores of files of the evaluation set, likewise."""
        files = [self.evaluation / name for name in names]
        return self.scores(entrant, files, self.evaluation, f"{step}, evaluation")

    def scores(self, entrant: Entrant, files: Sequence[Path], root: Path, step: str) -> Scores:
        """Scores of any files, likewise.

        Raises:
            DataError: recordings that cannot be used.
            ToolError: there is no compiler for the host.
        """
        found = answers.probabilities(
            entrant, files, root, lambda done, total: self.progress(step, "clips", done, total)
        )
        labels = list(entrant.compiled.labels)
        return found[:, [labels.index(name) for name in self.challenge.classes]]


@dataclass(frozen=True)
class Content:
    """A submission before it is written.

    Args:
        place: the folder of its files, below the one that the user names.
        texts: file → its text.
        results: what ``--json`` tells beside the files.
        lines: the same for people.
        notices: what is to be said of it.
    """

    place: Path
    texts: dict[str, str]
    results: dict[str, Any]
    lines: tuple[str, ...]
    notices: tuple[str, ...]


def entrant(challenge: Challenge, path: Path) -> Entrant:
    """The model of a run's folder, or a ``.tflite``.

    Raises:
        InputError: it is no model of recordings, or its classes are not the challenge's.
    """
    found = Entrant.of(path)
    if sorted(found.compiled.labels) != sorted(challenge.classes):
        raise InputError(
            "the model's classes are not the challenge's",
            where=str(path),
            expected=", ".join(challenge.classes),
            found=", ".join(found.compiled.labels),
        )
    return found


def evaluation_list(root: Path, tables: Iterable[str], columns: Sequence[str]) -> list[Listed] | None:
    """The recordings of an evaluation set in the order of its table; None where none of ``tables`` is there.

    Args:
        root: its folder.
        tables: where the table may lie.
        columns: that it must have: the file, and the device where the challenge tells it.

    Raises:
        DataError: the table lacks a column or cannot be read, or there are no recordings, or one is absent.
    """
    table = next((root / name for name in tables if (root / name).is_file()), None)
    if table is None:
        return None
    rows, there = listing.rows(table, problem="cannot read the list of the evaluation set")
    if not set(columns) <= set(there):
        raise DataError(
            f"the list of the evaluation set names no {'devices' if columns[0] in there else 'files'}",
            where=str(table),
            expected=f"the columns {' and '.join(columns)}" if len(columns) > 1 else f"a column {columns[0]}",
            found=", ".join(there),
        )
    found = [((row[columns[0]] or "").strip(), (row[columns[-1]] or "").strip()) for row in rows]
    require_there(root, [name for name, _ in found])
    return found


def require_there(root: Path, names: Sequence[str]) -> None:
    """Refuse an evaluation set without recordings, or one that lacks some.

    Raises:
        DataError: it is.
    """
    absent = [name for name in names if not (root / name).is_file()]
    if absent or not names:
        raise DataError(
            "a recording of the evaluation set is missing"
            if names
            else "the evaluation set has no recordings",
            where=str(root),
            expected="a table with a column filename, or audio/*.wav",
            found=f"without {absent[0]}" if absent else None,
        )


def output(challenge: Challenge, names: Sequence[str], scores: Scores) -> str:
    """The table of an output: file, scene, and the probability of every class; tabs between columns."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(challenge.columns)
    for name, row in zip(names, scores, strict=True):
        writer.writerow((name, challenge.classes[int(row.argmax())], *(f"{value:.7f}" for value in row)))
    return text.getvalue()


def over_limits(challenge: Challenge, models: Iterable[Entrant]) -> tuple[str, ...]:
    """What is more than the challenge allows."""
    limit = next(limit for limit in limits.LIMITS if limit.name == challenge.limit)
    return tuple(
        f"{model.path}: {what}, more than {challenge.limit} allows"
        for model in models
        for what in limit.exceeded(figures_of(model.compiled.source))
    )
