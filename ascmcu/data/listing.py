# SPDX-License-Identifier: Apache-2.0
"""Labelled recordings, and the tables that list them."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ascmcu.data import folders
from ascmcu.errors import DataError, why


@dataclass(frozen=True)
class Columns:
    """The names of a table's columns; of several the first that the table has is taken.

    ``labels`` is a column of several classes, with commas or semicolons between them (multi-label).
    """

    file: tuple[str, ...] = ("filename", "file", "path", "file_name")
    label: tuple[str, ...] = ("category", "scene_label", "label", "class")
    labels: tuple[str, ...] = ("labels", "tags")
    part: tuple[str, ...] = ("fold", "split", "part")
    device: tuple[str, ...] = ("source_label", "device")
    place: tuple[str, ...] = ("identifier", "location", "src_file")

    @staticmethod
    def named(fields: Sequence[str]) -> Columns:
        """The usual names, but for those given as ``field=name``.

        Raises:
            DataError: there is no such field.
        """
        given = {}
        for text in fields:
            field, equals, name = text.partition("=")
            if not equals or field not in Columns.__dataclass_fields__:
                raise DataError(
                    "invalid --column",
                    where=text,
                    expected="one of " + ", ".join(f"{known}=NAME" for known in Columns.__dataclass_fields__),
                )
            given[field] = (name,)
        return Columns(**given)

    def present(self, there: Sequence[str]) -> dict[str, str | None]:
        """Field → the table's column of it, None where it has none."""
        return {
            field: next((name for name in names if name in there), None)
            for field, names in vars(self).items()
        }


@dataclass(frozen=True)
class Recording:
    """One labelled file; ``part``, ``device`` and ``place`` are empty where the data set does not say.

    ``tags`` are all classes that are heard, of a data set where a recording may have several (multi-label); ``label``
    is then their names with commas between them. ``start_s`` is where the clip begins that is taken of the file.
    """

    path: Path
    label: str
    part: str = ""
    device: str = ""
    place: str = ""
    tags: tuple[str, ...] = ()
    start_s: float = 0.0

    @property
    def classes(self) -> tuple[str, ...]:
        """Its class, or all of them."""
        return self.tags or (self.label,)

    def with_tags(self, tags: Sequence[str]) -> Recording:
        """The recording with these classes, each once, in their order."""
        once = tuple(dict.fromkeys(tags))
        return dataclasses.replace(self, tags=once, label=",".join(once))


@dataclass(frozen=True)
class Listing:
    """What a layout says of a data set, whether it is there or not.

    Args:
        layout: its name, for reports.
        recordings: those that are there, in the list's order, in the official split where there is one.
        listed: every recording of the list, also those that the official split leaves out.
        missing: files that are not there.
        unknown: files that the official split names and the table of recordings does not.
        unions: names of several parts together, such as the subset ``split25``, which holds ``split10``.
        backgrounds: long recordings of noise that are no examples of a class, each with its part.
        tree: what lies in a folder without a list.
        vocabulary: the classes, where the data set lists them: also those that no recording has.
        unavailable: how many listed recordings are not there in a data set that nobody has as a whole (AudioSet).
    """

    layout: str
    recordings: tuple[Recording, ...]
    listed: tuple[Recording, ...]
    missing: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    unions: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    backgrounds: tuple[Recording, ...] = ()
    tree: folders.Tree = dataclasses.field(default_factory=folders.Tree)
    vocabulary: tuple[str, ...] = ()
    unavailable: int = 0


def several(text: str) -> tuple[str, ...]:
    """The classes in a field of a table, with commas or semicolons between them."""
    return tuple(filter(None, (name.strip() for name in text.replace(";", ",").split(","))))


def there(layout: str, listed: Sequence[Recording], **more: object) -> Listing:
    """A listing of the recordings that are there; the others are its ``missing``."""
    found = tuple(recording for recording in listed if recording.path.is_file())
    present = {recording.path for recording in found}
    missing = tuple(str(recording.path) for recording in listed if recording.path not in present)
    return Listing(layout, found, tuple(listed), missing, **more)  # type: ignore[arg-type]


def rows(
    table: Path, delimiter: str = "", problem: str = "cannot read the table"
) -> tuple[list[dict[str, str]], list[str]]:
    """A table's rows and its columns; tabs or commas unless told.

    Raises:
        DataError: it cannot be read; ``problem`` says what was read.
    """
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            head = file.readline()
            file.seek(0)
            read = csv.DictReader(file, delimiter=delimiter or ("\t" if "\t" in head else ","))
            return list(read), list(read.fieldnames or [])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(problem, where=str(table), found=why(error)) from error


def columns_of(table: Path, columns: Columns, there: Sequence[str]) -> dict[str, str | None]:
    """Field → the table's column of it.

    Raises:
        DataError: it has none for the file or the label.
    """
    found = columns.present(there)
    for field in ("file", "label"):
        if found[field] is None and not (field == "label" and found["labels"]):
            raise DataError(
                f"the table has no column for the {field}",
                where=str(table),
                expected=" or ".join(getattr(columns, field)),
                found=", ".join(there),
                hint=f"--column {field}=NAME names it",
            )
    return found


def values(table: Path, line: int, row: Mapping[str, str], found: Mapping[str, str | None]) -> dict[str, str]:
    """The fields of a row.

    Raises:
        DataError: it has no file or no label.
    """
    told = {field: (row.get(name) or "").strip() if name else "" for field, name in found.items()}
    if not told["file"] or not (told["label"] or told["labels"]):
        raise DataError("a row has no file or no label", where=f"{table}:{line}", found=row)
    return told
