# SPDX-License-Identifier: Apache-2.0
"""The folder of a training run: what tells it from a folder of something else."""

from __future__ import annotations

from pathlib import Path

from ascmcu import paths
from ascmcu.errors import InputError

# A finished run holds the first; one that was cut off holds one of the others.
_SIGNS = ("recipe.json", "progress.csv", "progress.png", "state*.npz", "split.csv")


def check(folder: Path) -> None:
    """Refuse a folder that a run would fill and that holds something else, before the training.

    Raises:
        InputError: it is a file, a broken link, or it holds something that is no run.
    """
    paths.check_folder(folder)
    place = paths.real(folder)
    if place.is_file() or next((p for p in place.parents if p.exists()), place).is_file():
        raise InputError(
            "the run's folder cannot be made", where=str(folder), expected="a new or empty folder"
        )
    if place.is_dir() and any(place.iterdir()) and not any(next(place.glob(s), None) for s in _SIGNS):
        raise InputError(
            "the output folder holds something that is not a training run",
            where=str(folder),
            expected="a new or empty folder, or an earlier run",
            hint="choose another with -o",
        )
