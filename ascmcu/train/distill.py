# SPDX-License-Identifier: Apache-2.0
"""Teachers: trained networks whose answers to the training clips are cached and learned from."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt

from ascmcu import paths, zoo
from ascmcu.data import cache
from ascmcu.data.datasets import Dataset
from ascmcu.errors import DataError
from ascmcu.features.spec import Learned
from ascmcu.train import examples, loop
from ascmcu.train import folder as run_folder
from ascmcu.train import recipe as recipes
from ascmcu.train.examples import Array, Inputs


@dataclass(frozen=True)
class Trained:
    """A finished run: its network (with every classifier it was trained with), features, labels."""

    folder: Path
    model: keras.Model
    features: Learned
    labels: tuple[str, ...]

    def inputs(self, dataset: Dataset, on_features: cache.Progress = lambda done, total: None) -> Inputs:
        """The recordings as this network takes them."""
        raw = cache.features(dataset, examples.cached(self.features), on_features)
        return Inputs(raw, np.arange(len(dataset.recordings)), self.features)


def load(folder: Path) -> Trained:
    """Read a run's folder.

    Raises:
        InputError: it holds no finished run.
    """
    network = run_folder.network(folder)
    recipe = recipes.of_run(folder)
    labels = tuple(json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["labels"])
    with zoo.quiet():
        model = keras.saving.load_model(network, compile=False)
    return Trained(folder, model, recipe.features, labels)


def require_labels(trained: Trained, dataset: Dataset) -> None:
    """Refuse a run of other classes than the data's.

    Raises:
        DataError: it is.
    """
    if trained.labels != dataset.labels:
        raise DataError(
            "the run has other labels",
            where=str(trained.folder),
            expected=", ".join(dataset.labels),
            found=", ".join(trained.labels),
        )


def answers(
    teachers: list[Trained],
    dataset: Dataset,
    *,
    groups: bool,
    on_features: cache.Progress = lambda done, total: None,
) -> Array:
    """The mean of the teachers' probabilities for every recording, float32 (clips, classes [+ groups]).

    What a teacher answered once is kept in the user's cache.

    Args:
        groups: the groups' probabilities stand behind the classes'.

    Raises:
        DataError: a teacher knows other labels, or no groups.
    """
    told = []
    for teacher in teachers:
        require_labels(teacher, dataset)
        if groups and len(teacher.model.outputs) < 2:
            raise DataError("the teacher has no classifier of groups", where=str(teacher.folder))
        heads = [_kept_answers(teacher, dataset, head, on_features) for head in range(2 if groups else 1)]
        told.append(np.concatenate(heads, axis=1))
    return np.asarray(np.mean(told, axis=0), np.float32)


def _kept_answers(teacher: Trained, dataset: Dataset, head: int, on_features: cache.Progress) -> Array:
    path = paths.cache() / "teachers" / f"{_key(teacher, dataset, head)}.npy"
    if path.is_file():
        return np.asarray(np.load(path), np.float32)
    told = loop.probabilities(teacher.model, teacher.inputs(dataset, on_features), head)
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = io.BytesIO()
    np.save(whole, told)
    paths.write_whole(path, whole.getvalue())
    return told


def _key(teacher: Trained, dataset: Dataset, head: int) -> str:
    """Changes with the teacher's weights, its features, and the recordings."""
    digest = hashlib.sha256(f"{teacher.features.hash()} {teacher.model.name} {head}".encode())
    for weight in teacher.model.get_weights():
        digest.update(np.ascontiguousarray(weight).tobytes())
    for recording in dataset.recordings:
        status = recording.path.stat()
        digest.update(f"{recording.path.resolve()}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:24]


Answers = npt.NDArray[np.float32]
