# SPDX-License-Identifier: Apache-2.0
"""The classes of a network in the order of its outputs: the source of the order, and whether data fits it.

The order is never assumed without a word. It is the model's own where the model names its classes; else that of a file
which the user gives; else the data's classes in natural order, and then a notice names it.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ascmcu.errors import DataError, near, why

_SHOWN = 40
_NAME_COLUMNS = ("label", "class", "category", "display_name", "name", "scene_label")
_INDEX_COLUMNS = ("index", "id", "number", "target")
_NUMBERED = re.compile(r"(\d+)[\s,:;]+(\S.*)")
_HINT = "--labels FILE names the network's classes in the order of its outputs, one a line"


@dataclass(frozen=True)
class Classes:
    """Class names in the order of a network's outputs.

    Attributes:
        labels: the names.
        source: where their order comes from, in words.
        notices: what is to be said of it.
    """

    labels: tuple[str, ...]
    source: str
    notices: tuple[str, ...] = ()


def natural_order(labels: Iterable[str]) -> tuple[str, ...]:
    """Sorted, with the numbers in them by value: 2 before 10."""

    def key(label: str) -> tuple[tuple[tuple[int, int, str], ...], str]:
        parts = re.findall(r"[0-9]+|[^0-9]+", label)
        return tuple((0, int(p), "") if p.isdecimal() else (1, 0, p) for p in parts), label

    return tuple(sorted(set(labels), key=key))


def listed(labels: Sequence[str]) -> str:
    """A list of classes for a message; several with their number behind, as one before would read as a class."""
    shown = ", ".join(labels[:_SHOWN])
    number = f" ({len(labels)})" if len(labels) != 1 else ""
    return f"{shown}{' …' if len(labels) > _SHOWN else ''}{number}"


def read(path: Path) -> tuple[str, ...]:
    """The class names in a file: one a line, a JSON list, or a CSV.

    Lines may be numbered from 0. A CSV has a column of names, and an index from 0 where its rows are in another order.

    Raises:
        DataError: it cannot be read, or names no classes, an empty one, or one twice.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        found = _parsed(text, path)
    except (OSError, ValueError, csv.Error) as error:
        raise DataError("the file of labels cannot be read", where=str(path), found=why(error)) from error
    if not found:
        raise DataError("the file of labels is empty", where=str(path), expected="one class a line")
    _check_names(found, str(path))
    return found


def _parsed(text: str, path: Path) -> tuple[str, ...]:
    if text.lstrip().startswith("["):
        content = json.loads(text)
        if not all(isinstance(label, str | int) and not isinstance(label, bool) for label in content):
            raise ValueError("the JSON list holds something other than names")
        return tuple(str(label).strip() for label in content)
    if path.suffix.lower() == ".csv":
        return _from_csv(text)
    lines = text.rstrip().splitlines()
    numbered = [_NUMBERED.fullmatch(line.strip()) for line in lines]
    if [m[1] for m in numbered if m] == [str(i) for i in range(len(lines))]:
        return tuple(m[2].strip() for m in numbered if m)
    return tuple(line.strip() for line in lines)


def _from_csv(text: str) -> tuple[str, ...]:
    rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text)) if any(row)]
    if not rows:
        return ()
    head = [cell.lower() for cell in rows[0]]
    name = next((head.index(column) for column in _NAME_COLUMNS if column in head), None)
    index = next((head.index(column) for column in _INDEX_COLUMNS if column in head), None)
    if name is not None:
        rows = rows[1:]
    else:
        name, index = (0, None) if len(head) == 1 else (1, 0)
    if any(len(row) <= max(name, index or 0) for row in rows):
        raise ValueError("a row is too short")
    if index is None:
        return tuple(row[name] for row in rows)
    by_index = {int(row[index]): row[name] for row in rows}
    if sorted(by_index) != list(range(len(rows))):
        raise ValueError(f"the index does not run from 0 to {len(rows) - 1}")
    return tuple(by_index[number] for number in range(len(rows)))


def _check_names(labels: Sequence[str], where: str) -> None:
    if "" in labels:
        raise DataError(
            "a class has no name", where=where, found=f"number {list(labels).index('')} of {listed(labels)}"
        )
    twice = [label for label, count in Counter(labels).items() if count > 1]
    if twice:
        raise DataError("a class is named twice", where=where, found=f"{listed(twice)} of {listed(labels)}")


def of_network(
    outputs: int,
    carried: Sequence[str],
    carried_by: str,
    given: Path | None,
    found: Sequence[str],
    where: str,
) -> Classes:
    """The classes of a network.

    Args:
        outputs: values of its first output.
        carried: what the model names, in its order; empty where it names nothing.
        carried_by: what in the model does.
        given: the user's file.
        found: the data's own classes, of which the order is taken if nothing else is known.
        where: the model.

    Raises:
        DataError: names and outputs are not the same number, a name stands twice, the file contradicts the model, or
            nothing is known and the data has another number of classes.
    """
    if given is not None:
        labels = read(given)
        _check_count(labels, outputs, str(given))
        if carried and labels != tuple(carried) and sorted(labels) == sorted(carried):
            raise DataError(
                "the labels are the model's labels in another order",
                where=str(given),
                expected=f"{listed(carried)} (the model's)",
                found=listed(labels),
                hint="omit --labels, or list the classes in the order of the outputs",
            )
        renamed = f"the names in {given.name} stand in place of the model's: {listed(carried)}"
        told = (renamed,) if carried and labels != tuple(carried) else ()
        return Classes(labels, given.name, told)
    if carried:
        _check_count(carried, outputs, where)
        _check_names(carried, where)
        return Classes(tuple(carried), carried_by)
    labels = natural_order(found)
    if len(labels) != outputs:
        raise DataError(
            "the network's classes are not known, and the data has another number of them",
            where=where,
            expected=f"{outputs} classes",
            found=listed(labels),
            hint=_HINT,
        )
    order = ", ".join(f"{number} = {label}" for number, label in enumerate(labels))
    told = (
        f"the model does not name its classes: the data's are taken in natural order, {order}. If the outputs have "
        "another order, all answers are scored wrongly; --labels FILE gives the right one",
    )
    return Classes(labels, "the data's classes in natural order", told)


def _check_count(labels: Sequence[str], outputs: int, where: str) -> None:
    if len(labels) != outputs:
        raise DataError(
            "the number of labels differs from the number of outputs",
            where=where,
            expected=f"{outputs} classes",
            found=listed(labels),
            hint=_HINT,
        )


def matched(classes: Classes, found: Sequence[str], where: str) -> Classes:
    """The classes, if all of the data's are among them; a notice names those that the data lacks.

    Raises:
        DataError: the data has a class that the network does not know.
    """
    labels = classes.labels
    unknown = [label for label in natural_order(found) if label not in labels]
    missing = [label for label in labels if label not in found]
    if unknown:
        meant = {label: near(label, missing) or _same_but_case(label, missing) for label in unknown}
        close = ", ".join(f"{label}: {hint}" for label, hint in meant.items() if hint)
        raise DataError(
            "the data set's classes are not the network's",
            where=where,
            expected=f"{listed(labels)} ({classes.source})",
            found=f"{listed(natural_order(found))}; unknown are {listed(unknown)}",
            hint=f"{close}; {_HINT}" if close else _HINT,
        )
    if not missing:
        return classes
    told = f"the data has no recording of {listed(missing)}; accuracy is over the other {len(labels) - len(missing)}"
    return Classes(labels, classes.source, (*classes.notices, told))


def _same_but_case(label: str, known: Sequence[str]) -> str | None:
    same = [other for other in known if other.casefold() == label.casefold()]
    return f"did you mean {same[0]}?" if same else None
