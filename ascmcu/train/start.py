# SPDX-License-Identifier: Apache-2.0
"""The finished run that a training goes on from: its weights, all classifiers included."""

from __future__ import annotations

import hashlib
from pathlib import Path

import keras

from ascmcu.data.datasets import Dataset
from ascmcu.errors import InputError
from ascmcu.train import distill
from ascmcu.train import folder as run_folder


def check(run: Path, dataset: Dataset, folder: Path) -> None:
    """Refuse what cannot be gone on with; network and features were compared when the recipe was read.

    Args:
        run: the run to start from.
        dataset: what is to be learned from.
        folder: of the new run.

    Raises:
        InputError: the folder holds no finished run, or the new run would replace it.
        DataError: its classes are not the data's.
    """
    begun = distill.load(run)
    if run.resolve() == folder.resolve():
        raise InputError(
            "the run would replace the one that it starts from", where=str(folder), hint="choose another -o"
        )
    distill.require_labels(begun, dataset)


def give_weights(run: Path, model: keras.Model) -> None:
    """Put the run's weights into a network of the same kind."""
    model.set_weights(distill.load(run).model.get_weights())


def digest(run: Path) -> str:
    """A name for what the run ended with.

    Raises:
        InputError: the folder holds no finished run.
    """
    return hashlib.sha256(run_folder.network(run).read_bytes()).hexdigest()
