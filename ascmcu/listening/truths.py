# SPDX-License-Identifier: Apache-2.0
"""The table of the events that are in a recording, and whether a firmware's rules can find any of them."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from ascmcu.errors import DataError, InputError, near, why
from ascmcu.listening.judging import Truth

COLUMNS = ("onset", "offset", "label")


def read(path: Path) -> list[Truth]:
    """The events of a table, by their onsets.

    Raises:
        DataError: no table, another header, or a line that is no event.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            text = file.read()
    except (OSError, ValueError) as error:
        raise DataError("cannot read the events", where=str(path), found=why(error)) from error
    lines = csv.DictReader(text.splitlines(), delimiter="\t" if "\t" in text.partition("\n")[0] else ",")
    names = {name.strip().removeprefix("event_"): name for name in lines.fieldnames or ()}
    if any(column not in names for column in COLUMNS):
        raise DataError(
            "the table of events has other columns",
            where=str(path),
            expected=", ".join(COLUMNS),
            found=", ".join(names) or "nothing",
        )
    truths = [
        _event({column: row[names[column]] for column in COLUMNS}, f"{path}, line {lines.line_num}")
        for row in lines
    ]
    return sorted(truths, key=lambda t: t.onset_s)


def _event(fields: dict[str, str | None], where: str) -> Truth:
    given = {column: (value or "").strip() for column, value in fields.items()}
    missing = [column for column, value in given.items() if not value]
    if missing:
        raise DataError(
            "an event lacks a field", where=where, expected=", ".join(COLUMNS), found=f"no {missing[0]}"
        )
    onset_s, offset_s = (_seconds(given[column], f"{where}, {column}") for column in COLUMNS[:2])
    if onset_s >= offset_s:
        raise DataError(
            "an event ends before it begins", where=where, found=f"{onset_s:g} s to {offset_s:g} s"
        )
    return Truth(onset_s, offset_s, given["label"])


def _seconds(text: str, where: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds >= 0):
        raise DataError("not a time in the recording", where=where, expected="seconds, 0 or more", found=text)
    return seconds


def table(truths: Iterable[Truth]) -> str:
    """What ``read`` reads, with times to a thousandth of a second."""
    lines = (f"{t.onset_s:.3f},{t.offset_s:.3f},{t.label}" for t in truths)
    return "\n".join([",".join(COLUMNS), *lines]) + "\n"


def check_labels(labels: Iterable[str], known: Sequence[str], where: str) -> None:
    """Refuse events of which a firmware can report none.

    Args:
        labels: of the events; none is a recording in which nothing is to be found.
        known: the classes of the rules.
        where: the table or the clips.

    Raises:
        InputError: no event is of one of these classes.
    """
    found = sorted(set(labels))
    if found and not set(found) & set(known):
        raise InputError(
            "no event is of a class that the firmware has a rule for",
            where=where,
            expected=", ".join(dict.fromkeys(known)),
            found=_some(found),
            hint=near(found[0], known) or "events have the labels of the rules in the file of decisions",
        )


def notices(truths: Sequence[Truth], known: Sequence[str], seconds: float, where: str) -> tuple[str, ...]:
    """What of a table is not judged, in sentences.

    Args:
        truths: the events.
        known: the classes of the rules.
        seconds: of the recording.
        where: the table.

    Raises:
        InputError: no event is of one of these classes, or all of these lie behind the end of the recording.
    """
    check_labels((t.label for t in truths), known, where)
    judged = [t for t in truths if t.label in known]
    behind = [t for t in judged if t.onset_s >= seconds]
    if judged and len(behind) == len(judged):
        raise InputError(
            "all events lie behind the end of the recording",
            where=where,
            expected=f"onsets in seconds, below {seconds:g}",
            found=f"the first at {behind[0].onset_s:g} s",
        )
    said = []
    others = Counter(t.label for t in truths if t.label not in known)
    if others:
        said.append(
            f"{_events(others.total())} of a class without a rule: {_some(sorted(others))}; "
            "a report during one is a false accept"
        )
    if behind:
        said.append(f"{_events(len(behind))} behind the end of the recording at {seconds:g} s: not judged")
    return tuple(said)


def _events(count: int) -> str:
    return "1 event is" if count == 1 else f"{count} events are"


def _some(names: Sequence[str], most: int = 8) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")
