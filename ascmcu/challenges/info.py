# SPDX-License-Identifier: Apache-2.0
"""What only the authors know of a submission: a TOML file with their names and what they want to say of the system."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ascmcu import tables
from ascmcu.challenges.records import Challenge
from ascmcu.errors import InputError

TEMPLATE = """# Facts for `ascmcu submit`. What is left out of [description] is filled in from the training run.
label = "Lastname_INSTITUTE_task1_1"    # LASTNAME_INSTITUTE_TASK_NUMBER, number 1 to 4
name = "Name of the system"
abbreviation = "Short"                  # at most 10 characters
source_code = ""                        # URL

[[authors]]
lastname = "Lastname"
firstname = "Firstname"
email = "someone@example.org"
corresponding = true
affiliation = { institute = "Institute", department = "Department", location = "City, Country" }

[description]
split_adaptations = ""                  # what differs between the models of the subsets
system_adaptations = ""                 # what differs between your submissions
"""


@dataclass(frozen=True)
class Affiliation:
    """Where an author works."""

    institute: str
    department: str = ""
    location: str = ""


@dataclass(frozen=True)
class Author:
    """One author; one of all corresponds."""

    lastname: str
    firstname: str
    email: str
    affiliation: Affiliation
    corresponding: bool = False


@dataclass(frozen=True)
class Description:
    """The words for the system; an empty one is filled in from the training run where that knows it."""

    data_augmentation: str = ""
    acoustic_features: str = ""
    machine_learning_method: str = ""
    external_data_usage: str = ""
    complexity_management: str = ""
    pipeline: str = ""
    framework: str = ""
    split_adaptations: str = ""
    system_adaptations: str = ""


@dataclass(frozen=True)
class External:
    """A data set from outside that the system learned from; the length in minutes."""

    name: str
    url: str
    total_audio_length: float


@dataclass(frozen=True)
class Info:
    """The file's content; see ``TEMPLATE``."""

    label: str
    name: str
    abbreviation: str
    authors: tuple[Author, ...]
    source_code: str = ""
    description: Description = Description()
    external_datasets: tuple[External, ...] = field(default=())


def read(path: Path, challenge: Challenge) -> Info:
    """The facts in a TOML file.

    Raises:
        InputError: the file cannot be read, or a fact is missing or of another form than the challenge asks.
    """
    info = tables.read(path, Info)
    parts = info.label.split("_")
    good = len(parts) == 4 and all(parts) and parts[2] == challenge.task and parts[3] in ("1", "2", "3", "4")
    if not good or not info.label.replace("_", "").replace("-", "").isalnum() or not info.label.isascii():
        raise InputError(
            "the label of the submission has another form than the challenge asks",
            where=f"{path}: label",
            expected=f"LASTNAME_INSTITUTE_{challenge.task}_NUMBER, number 1 to 4",
            found=info.label,
        )
    corresponding = sum(author.corresponding for author in info.authors)
    if corresponding != 1:
        raise InputError(
            "one author corresponds",
            where=f"{path}: authors",
            expected="corresponding = true once",
            found=corresponding,
        )
    if not 1 <= len(info.abbreviation) <= 10:
        raise InputError(
            "the abbreviation has another length than the challenge asks",
            where=f"{path}: abbreviation",
            expected="1 to 10 characters",
            found=info.abbreviation,
        )
    return info
