# SPDX-License-Identifier: Apache-2.0
"""The folder of a training run: what tells it from a folder of something else, and from one that is not finished."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ascmcu import paths
from ascmcu.errors import InputError

# A finished run holds the first; one that was cut off holds one of the others.
RECIPE = "recipe.json"
RUN = (RECIPE, "progress.csv", "progress.png", "state*.npz", "split.csv")
STUDY = ("study.db", "study.json", "trials")


def network(folder: Path) -> Path:
    """The file of a finished run's network, with every classifier that it was trained with.

    Raises:
        InputError: it holds no finished run.
    """
    found = next((p for p in (folder / "heads.keras", folder / "model.keras") if p.is_file()), None)
    if found is None or not (folder / RECIPE).is_file():
        raise InputError(
            "no finished training run",
            where=str(folder),
            expected=f"{RECIPE} and model.keras, as `ascmcu train` writes them",
        )
    return found


def check(folder: Path, signs: Sequence[str] = RUN, kind: str = "training run") -> None:
    """Refuse a folder that a run would fill and that holds something else, before the training.

    Args:
        folder: of the run.
        signs: patterns of files; a run has one of them.
        kind: what a run is called.

    Raises:
        InputError: it is a file, a broken link, or it holds something that is no run.
    """
    paths.check_folder(folder)
    place = paths.real(folder)
    if place.is_file() or next((p for p in place.parents if p.exists()), place).is_file():
        raise InputError(
            f"the folder of the {kind} cannot be made", where=str(folder), expected="a new or empty folder"
        )
    if place.is_dir() and any(place.iterdir()) and not any(next(place.glob(s), None) for s in signs):
        raise InputError(
            f"the output folder holds something that is not a {kind}",
            where=str(folder),
            expected=f"a new or empty folder, or an earlier {kind}",
            hint="choose another with -o",
        )
