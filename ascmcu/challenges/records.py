# SPDX-License-Identifier: Apache-2.0
"""The challenges that ``ascmcu submit`` writes for: what their submission pages ask of a package.

Sources: the submission and task pages of DCASE 2024 task 1 at dcase.community, and the organisers' validator of
packages, whose newest version names the fields; of DCASE 2025 task 1 the organisers' package of inference, which says
what the predictions look like.
"""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.errors import InputError, near

TAU_SCENES = (
    "airport", "bus", "metro", "metro_station", "park", "public_square", "shopping_mall", "street_pedestrian",
    "street_traffic", "tram",
)  # fmt: skip
TAU_DEVICES = ("a", "b", "c", "s1", "s2", "s3", "s4", "s5", "s6")


@dataclass(frozen=True)
class Challenge:
    """A task of a year.

    Args:
        name: as the command line takes it.
        task: the word in the submission's label: ``LASTNAME_INSTITUTE_TASK_1``.
        limit: the name of its limits (``results.limits``).
        classes: in the order of the output's columns.
        devices: of the development set, which results are asked by.
        subsets: of the training part, in per cent, each with an output of its own; none where models are by device.
        clip_s: length of a recording in the evaluation set.
    """

    name: str
    task: str
    limit: str
    classes: tuple[str, ...]
    devices: tuple[str, ...]
    subsets: tuple[int, ...]
    clip_s: float

    @property
    def by_device(self) -> bool:
        """Whether the device of a recording is known, so that each may have a model of its own (``by_device``)."""
        return not self.subsets

    @property
    def subset_names(self) -> tuple[str, ...]:
        """The subsets as the data set's lists call them, the smallest first."""
        return tuple(f"split{share}" for share in self.subsets)

    @property
    def columns(self) -> tuple[str, ...]:
        """The header of an output file."""
        return ("filename", "scene_label", *self.classes)

    def output_name(self, label: str, subset: str) -> str:
        """The file of a subset's output."""
        return f"{label}.output.{subset.replace('split', 'split_')}.csv"


CHALLENGES = (
    Challenge("dcase2024-task1", "task1", "dcase2024", TAU_SCENES, TAU_DEVICES, (5, 10, 25, 50, 100), 1.0),
    Challenge("dcase2025-task1", "task1", "dcase2025", TAU_SCENES, TAU_DEVICES, (), 1.0),
)


def find(name: str) -> Challenge:
    """The challenge of this name.

    Raises:
        InputError: there is none.
    """
    names = [challenge.name for challenge in CHALLENGES]
    if name not in names:
        raise InputError("no such challenge", expected=", ".join(names), found=name, hint=near(name, names))
    return CHALLENGES[names.index(name)]
